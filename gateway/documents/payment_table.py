"""The history of payments as a table for accountants: CSV as Excel in Russia reads it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from gateway.documents.native_threads import out_of_hub
from gateway.documents.tables import plain_cell, typed_sum
from gateway.translation import translations


def payments_csv(history: Mapping[str, Any], zone: str, language: str) -> bytes:
    """Return payments as CSV, a row for each account, and their totals: UTF-8 with its mark."""
    return out_of_hub(lambda: _csv(history, ZoneInfo(zone), language))


def state_name(payment: Mapping[str, Any], language: str) -> str:
    """Return the state of a payment in one or two words."""
    text = translations(language).gettext
    of_failures = {
        "declined": text("Отклонён"),
        "expired": text("Время вышло"),
        "given_back": text("Возвращён"),
        "replaced": text("Заменён другим"),
        "account_closed": text("Счёт закрыт"),
    }
    of_states = {
        "created": text("Не начат"),
        "awaiting_payment": text("Ждём банк"),
        "unknown": text("Банк не ответил"),
        "mismatch": text("Другая сумма"),
        "captured": text("Зачисляем"),
        "completed": text("Оплачен"),
        "partly_refunded": text("Возвращён частично"),
        "refunded": text("Возвращён"),
    }
    failed = of_failures.get(payment["failure"] or payment["state"], text("Не прошёл"))
    return of_states.get(payment["state"], failed)


def _csv(history: Mapping[str, Any], zone: ZoneInfo, language: str) -> bytes:
    text = translations(language).gettext
    file = io.StringIO()
    writer = csv.writer(file, delimiter=";", lineterminator="\r\n")
    writer.writerow(
        [
            text("Начат"),
            text("Банк списал деньги"),
            text("Состояние"),
            text("Лицевой счёт"),
            text("За услуги"),
            text("Пени"),
            text("Всего"),
            text("Возвращено"),
            text("Карта"),
            text("Номер платежа"),
        ]
    )
    for payment in history["payments"]:
        writer.writerows(_rows(payment, zone, language))
    totals = history["totals"]
    writer.writerow([])
    writer.writerow([text("Платежей"), text("Оплачено"), text("Возвращено")])
    sums = [typed_sum(totals["paid"]), typed_sum(totals["refunded"])]
    writer.writerow([str(totals["count"]), *sums])
    return file.getvalue().encode("utf-8-sig")


def _rows(payment: Mapping[str, Any], zone: ZoneInfo, language: str) -> Iterator[Sequence[str]]:
    for line in payment["lines"]:
        amount, penalty = line["amount"], line["penalty"]
        sums = (amount, penalty, amount + penalty, line["refunded"])
        yield [
            _moment(payment["created_at"], zone),
            _moment(payment["captured_at"], zone),
            plain_cell(state_name(payment, language)),
            line["account"],
            *map(typed_sum, sums),
            plain_cell(payment["masked_card"] or ""),
            payment["payment_id"],
        ]


def _moment(instant: str | None, zone: ZoneInfo) -> str:
    return f"{datetime.fromisoformat(instant).astimezone(zone):%d.%m.%Y %H:%M}" if instant else ""
