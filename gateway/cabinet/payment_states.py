"""The states of a payment in words: what happened, what to do next, and what must not be offered.

Never «failed» while money may have been taken, never «paid» before the bank has confirmed it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from gateway import formats
from gateway.cabinet.visit import Visit

ANSWER_DAYS = 4
"""Days within which staff answer a payer whose bank reported another sum."""


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """What a page says of a payment, and what it offers."""

    title: str
    text: str
    tag: str
    """One or two words for the list."""
    kind: str = ""
    """Colour of the tag: good, warning, bad."""
    undecided: bool = False
    """The page polls, and shows «Проверить сейчас»."""
    to_bank: bool = False
    """The card may still be entered on the bank's page: the same order, never a second one."""
    pay_again: str = ""
    """Words of the button that starts a new payment; "" where none may be started."""
    ask_us: bool = False
    case: str = ""
    """«Номер обращения»: the beginning of the payment's id, by which staff and logs find it."""
    question: str = ""
    """What a question about this payment begins with."""


def outlook_of(visit: Visit, payment: Mapping[str, Any]) -> Outlook:
    """Return the texts of a payment."""
    match payment["state"]:
        case "created":
            return _created(visit)
        case "awaiting_payment":
            return _awaiting(visit, payment)
        case "captured":
            return Outlook(
                title=visit.text("Банк подтвердил %s") % _sum(visit, payment),
                text=visit.text(
                    "Зачисляем на лицевые счета, обычно это несколько секунд. "
                    "Платить ещё раз не нужно."
                ),
                tag=visit.text("Зачисляем"),
                undecided=True,
            )
        case "completed":
            return Outlook(
                title=visit.text("Оплачено %(sum)s, %(day)s")
                % {"sum": _sum(visit, payment), "day": _paid_on(visit, payment)},
                text=visit.text("Деньги зачислены на лицевые счета. Квитанция придёт на почту."),
                tag=visit.text("Оплачен"),
                kind="good",
            )
    return _failed(visit, payment)


def state_mark(payment: Mapping[str, Any]) -> str:
    """Return a mark that changes when the page would say something else."""
    return f"{payment['state']}.{payment['outcome'] or ''}"


def _created(visit: Visit) -> Outlook:
    return Outlook(
        title=visit.text("Платёж ещё не начат"),
        text=visit.text(
            "Карта не тронута: страница банка ещё не открылась. Если она не откроется, через "
            "20 минут платёж закроется сам."
        ),
        tag=visit.text("Не начат"),
        kind="warning",
        undecided=True,
    )


def _awaiting(visit: Visit, payment: Mapping[str, Any]) -> Outlook:
    if payment["outcome"] == "mismatch":
        return Outlook(
            title=visit.text("Банк сообщил другую сумму"),
            text=_mismatch(visit, payment),
            tag=visit.text("Разбираемся"),
            kind="warning",
            undecided=True,
            ask_us=True,
            case=_case(payment),
            question=visit.text("Номер обращения %s. ") % _case(payment),
        )
    if payment["outcome"] == "unknown":
        return _silent_bank(visit, payment)
    return Outlook(
        title=visit.text("Ждём ответ банка"),
        text=visit.text(
            "Если Вы ввели карту, больше ничего не нужно: страницу можно закрыть, пришлём письмо."
        ),
        tag=visit.text("Ждём банк"),
        kind="warning",
        undecided=True,
        to_bank=True,
    )


def _mismatch(visit: Visit, payment: Mapping[str, Any]) -> str:
    zone = ZoneInfo(visit.settings.timezone)
    started = datetime.fromisoformat(payment["created_at"]).astimezone(zone).date()
    answer_on = started + timedelta(days=ANSWER_DAYS)
    if answer_on < datetime.now(zone).date():
        return visit.text(
            "Деньги не потеряны, но ответ задержался. Не платите второй раз, напишите нам."
        )
    return visit.text(
        "Деньги не потеряны, разбираемся, ответим до %s. Не платите второй раз."
    ) % formats.day(answer_on, visit.language, year=False)


def _case(payment: Mapping[str, Any]) -> str:
    return str(payment["payment_id"])[:8]


def _silent_bank(visit: Visit, payment: Mapping[str, Any]) -> Outlook:
    text = visit.text("Не платите второй раз: деньги либо зачтутся, либо вернутся.")
    next_check_at = payment["next_check_at"]
    if next_check_at:
        time = _clock(visit, next_check_at)
        text += " " + visit.text("Проверяем сами, следующая проверка в %s.") % time
    else:
        text += " " + visit.text("Теперь проверяют сотрудники. Вопросы — по номеру обращения.")
    return Outlook(
        title=visit.text("Банк пока не ответил"),
        text=text,
        tag=visit.text("Банк не ответил"),
        kind="warning",
        undecided=True,
        ask_us=not next_check_at,
        case=_case(payment),
        question=visit.text("Номер обращения %s. ") % _case(payment),
    )


def _failed(visit: Visit, payment: Mapping[str, Any]) -> Outlook:
    again = visit.text("Начать заново")
    if payment["failure"] == "declined":
        again = visit.text("Заплатить другой картой")
    title, text, tag = _failures(visit).get(
        payment["failure"],
        (
            visit.text("Платёж не прошёл"),
            visit.text("Деньги не списаны или уже возвращены на карту."),
            visit.text("Не прошёл"),
        ),
    )
    return Outlook(title=title, text=text, tag=tag, kind="bad", pay_again=again)


def _failures(visit: Visit) -> dict[str, tuple[str, str, str]]:
    failed = visit.text("Не прошёл")
    return {
        "declined": (
            visit.text("Банк отклонил платёж"),
            visit.text("Деньги не списаны. Проверьте остаток и срок карты или возьмите другую."),
            visit.text("Отклонён"),
        ),
        "expired": (
            visit.text("Время на оплату вышло"),
            visit.text("Деньги не списаны. Платёж можно начать заново."),
            visit.text("Время вышло"),
        ),
        "refused_by_acquirer": (
            visit.text("Банк не принял платёж"),
            visit.text("Деньги не списаны. Начните заново; если не получится, напишите нам."),
            failed,
        ),
        "not_registered": (
            visit.text("Платёж не начался"),
            visit.text("Банк о нём не узнал, деньги не списаны. Платёж можно начать заново."),
            failed,
        ),
        "form_lost": (
            visit.text("Платёж не начался"),
            visit.text("Страница банка не открылась, деньги не списаны. Начните заново."),
            failed,
        ),
        "given_back": (
            visit.text("Банк вернул деньги"),
            visit.text("Деньги вернулись на карту; когда они будут видны, скажет банк карты."),
            visit.text("Возвращён"),
        ),
    }


def _clock(visit: Visit, at: str) -> str:
    """Return the time of an instant; with its day where that is not today."""
    zone = visit.settings.timezone
    found = datetime.fromisoformat(at)
    if found.astimezone(ZoneInfo(zone)).date() == datetime.now(ZoneInfo(zone)).date():
        return formats.clock(found, zone)
    return formats.moment(at, zone, visit.language)


def _paid_on(visit: Visit, payment: Mapping[str, Any]) -> str:
    zone = ZoneInfo(visit.settings.timezone)
    paid = datetime.fromisoformat(payment["captured_at"] or payment["created_at"])
    return formats.day(paid.astimezone(zone).date(), visit.language, year=False)


def _sum(visit: Visit, payment: Mapping[str, Any]) -> str:
    return formats.roubles(payment["total"], visit.language)
