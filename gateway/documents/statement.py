"""A statement of one account or of all: what its rows say, and the data of its PDF."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from gateway.documents.engine import pdf
from gateway.translation import translations
from shared import formats

COLUMNS = ("opening", "charged", "recalculated", "concession", "penalty", "paid", "closing")
SUBTRACTED = frozenset({"concession", "paid"})
"""The columns that the opening balance is reduced by; the others are added."""
_PERIOD = re.compile(r" за ([0-9]{4}-[0-9]{2})")


def column_names(language: str) -> list[str]:
    """Return the columns of the turnover sheet in words, in the order of COLUMNS."""
    text = translations(language).gettext
    return [
        text("Входящий остаток"),
        text("Начислено"),
        text("Перерасчёты"),
        text("Льготы"),
        text("Пени"),
        text("Оплачено"),
        text("Исходящий остаток"),
    ]


def operation(movement: Mapping[str, Any], language: str) -> str:
    """Return what a movement is, with its month and its reason."""
    text = translations(language).gettext
    names = {
        "opening": text("Входящее сальдо"),
        "charges": text("Начислено"),
        "adjustment": text("Перерасчёт"),
        "penalty": text("Пени"),
        "penalty_correction": text("Уточнение пеней"),
        "penalty_write_off": text("Списание пеней"),
        "payment": text("Оплата"),
        "payment_reversal": text("Отмена оплаты"),
        "payment_refund": text("Возврат оплаты"),
        "payment_moved_here": text("Оплата перенесена с другого лицевого счёта"),
        "payment_moved_away": text("Оплата перенесена на другой лицевой счёт"),
        "payer_kind": text("Изменён вид плательщика"),
        "advance_settled": text("Зачёт аванса"),
        "closed": text("Лицевой счёт закрыт"),
    }
    if movement["kind"] not in names:
        return str(movement["text"])
    told, _, reason = movement["text"].partition(": ")
    period = _PERIOD.search(told)
    month = f", {formats.month(period[1], language)}" if period else ""
    taken_elsewhere = {
        "Оплата в кассе": text("Оплата в кассе"),
        "Оплата через банк": text("Оплата через банк"),
    }
    own_reasons = {
        "оплата или перерасчёт": text("оплата или перерасчёт"),
        "запись, внесённая позже своего дня": text("запись, внесённая позже своего дня"),
    }
    name, reason = (
        taken_elsewhere.get(told, names[movement["kind"]]),
        own_reasons.get(reason, reason),
    )
    return name + month + (f": {reason}" if reason else "")


def rows(statements: Mapping[str, Any], language: str) -> Iterator[tuple[str, Any, str]]:
    """Yield account, movement and what it is, for the tables of all accounts one by one."""
    for account in statements["accounts"]:
        for movement in account["movements"]:
            # Whoever filters a table types an ordinary space.
            text = operation(movement, language).replace(formats.NBSP, " ")
            yield account["number"], movement, text


def statement_name(statements: Mapping[str, Any]) -> str:
    """Return the name of a file: its account where it has one alone, and its days."""
    accounts = statements["accounts"]
    number = f"-{accounts[0]['number']}" if len(accounts) == 1 else ""
    return f"statement{number}-{statements['from']}-{statements['to']}"


def statement_pdf(statements: Mapping[str, Any], language: str) -> bytes:
    """Return the PDF of statements as the API answers them."""
    return pdf("statement", statement_data(statements, language), language)


def statement_data(statements: Mapping[str, Any], language: str) -> dict[str, Any]:
    """Return what the template of a statement prints."""
    money = partial(formats.roubles, language=language)
    day = partial(formats.day, language=language)
    first_day, last_day = day(statements["from"]), day(statements["to"])
    text = translations(language).gettext

    def totals_of(of: Mapping[str, Any]) -> list[list[str]]:
        names = column_names(language)
        return [[name, money(of["totals"][c])] for name, c in zip(names, COLUMNS, strict=True)]

    return {
        "title": f"{text('Выписка')}, {first_day} – {last_day}",
        "date": statements["to"],
        "first_day": first_day,
        "last_day": last_day,
        "totals": totals_of(statements),
        "accounts": [
            {
                "number": account["number"],
                "address": account["address"] or "",
                "opening": money(account["totals"]["opening"]),
                "closing": money(account["totals"]["closing"]),
                "totals": totals_of(account),
                "rows": [
                    [
                        day(movement["effective_on"]),
                        operation(movement, language),
                        money(movement["amount"] + movement["penalty"], sign=True),
                        money(movement["balance"]),
                    ]
                    for movement in account["movements"]
                ],
            }
            for account in statements["accounts"]
        ],
    }
