"""The states of a payment in words: what happened, what to do next, and what must not be offered.

Never «failed» while money may have been taken, never «paid» before the bank has confirmed it. What
only the bank can know is said to be its word: it may change it later.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from gateway.cabinet.visit import Visit
from gateway.documents.payment_table import state_name
from shared import formats


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
    goes_on: bool = False
    """The card may still be entered on the bank's page: the same order, never a second one."""
    pay_again: str = ""
    """Words of the button that starts a new payment; "" where none may be started."""
    has_receipt: bool = False
    ask_us: bool = False
    case: str = ""
    """«Номер обращения»: the beginning of the payment's id, by which staff and logs find it."""
    question: str = ""
    """What a question about this payment begins with."""


def outlook_of(visit: Visit, payment: Mapping[str, Any]) -> Outlook:
    """Return the texts of a payment."""
    state = payment["state"]
    if state == "awaiting_payment" and payment["outcome"] == "unknown":
        state = "unknown"
    tag = state_name({**payment, "state": state}, visit.language)
    return _OUTLOOKS.get(state, _failed)(visit, payment, tag)


def state_mark(payment: Mapping[str, Any]) -> str:
    """Return a mark that changes when the page would say something else."""
    refunds = ".".join(refund["state"] for refund in payment["refunds"])
    return f"{payment['state']}.{payment['outcome'] or ''}.{payment['refunded']}.{refunds}"


def may_be_taken(payment: Mapping[str, Any]) -> bool:
    """Return whether its money may be on its way while the debt does not show it yet."""
    silent = payment["state"] == "awaiting_payment" and payment["outcome"] == "unknown"
    return silent or payment["state"] in {"unknown", "mismatch", "captured"}


def is_open(payment: Mapping[str, Any]) -> bool:
    """Return whether the payer may go on with it, or pay other sums in its place."""
    return payment["state"] in {"created", "awaiting_payment"} and not may_be_taken(payment)


def closing_time(visit: Visit, payment: Mapping[str, Any]) -> str:
    """Return when an open payment closes by itself at most banks."""
    return _clock(visit, payment["closes_at"])


def _created(visit: Visit, payment: Mapping[str, Any], tag: str) -> Outlook:
    return Outlook(
        title=visit.text("Платёж ещё не начат"),
        text=visit.text(
            "Карта не тронута: страница банка ещё не открылась. Если она не откроется, платёж "
            "закроется сам в %s."
        )
        % closing_time(visit, payment),
        tag=tag,
        kind="warning",
        undecided=True,
        goes_on=True,
    )


def _awaiting(visit: Visit, _: Mapping[str, Any], tag: str) -> Outlook:
    return Outlook(
        title=visit.text("Ждём ответ банка"),
        text=visit.text(
            "Если Вы ввели карту, больше ничего не нужно: страницу можно закрыть, пришлём письмо."
        ),
        tag=tag,
        kind="warning",
        undecided=True,
        goes_on=True,
    )


def _mismatch(visit: Visit, payment: Mapping[str, Any], tag: str) -> Outlook:
    ordered = {"ordered": _sum(visit, payment["total"])}
    if payment["charged"] is None:
        text = visit.text("Заказано %(ordered)s, банк сообщает о другой сумме.") % ordered
    else:
        charged = {"charged": _sum(visit, payment["charged"])}
        text = visit.text("Заказано %(ordered)s, банк сообщает о %(charged)s.") % {
            **ordered,
            **charged,
        }
    returning = _under_way(visit, payment)
    if returning:
        (then,) = returning
    elif visit.settings.payments_mismatch == "return":
        then = visit.text(
            "Перепроверяем: если сумма и правда другая, вернём её полностью, если нет — зачтём."
        )
    else:
        then = visit.text("Разбираются сотрудники: деньги зачтутся или вернутся.")
    return Outlook(
        title=visit.text("Банк сообщил другую сумму"),
        text=" ".join((text, then, visit.text("Не платите второй раз."))),
        tag=tag,
        kind="warning",
        undecided=True,
        ask_us=True,
        case=_case(payment),
        question=visit.text("Номер обращения %s. ") % _case(payment),
    )


def _silent_bank(visit: Visit, payment: Mapping[str, Any], tag: str) -> Outlook:
    text = visit.text(
        "Не платите второй раз: если банк списал деньги, они либо зачтутся, либо вернутся."
    )
    next_check_at = payment["next_check_at"]
    if next_check_at:
        time = _clock(visit, next_check_at)
        text += " " + visit.text("Проверяем сами, следующая проверка в %s.") % time
    else:
        text += " " + visit.text("Теперь проверяют сотрудники. Вопросы — по номеру обращения.")
    return Outlook(
        title=visit.text("Банк пока не ответил"),
        text=text,
        tag=tag,
        kind="warning",
        undecided=True,
        ask_us=not next_check_at,
        case=_case(payment),
        question=visit.text("Номер обращения %s. ") % _case(payment),
    )


def _captured(visit: Visit, payment: Mapping[str, Any], tag: str) -> Outlook:
    return Outlook(
        title=visit.text("Банк подтвердил %s") % _sum(visit, payment["total"]),
        text=visit.text(
            "Зачисляем на лицевые счета, обычно это несколько секунд. Платить ещё раз не нужно."
        ),
        tag=tag,
        undecided=True,
    )


def _completed(visit: Visit, payment: Mapping[str, Any], tag: str) -> Outlook:
    text = visit.text("Деньги зачислены на лицевые счета. Квитанция придёт на почту.")
    return Outlook(
        title=visit.text("Оплачено %(sum)s, %(day)s")
        % {"sum": _sum(visit, payment["total"]), "day": _paid_on(visit, payment)},
        text=" ".join((text, *_under_way(visit, payment))),
        tag=tag,
        kind="good",
        has_receipt=True,
    )


def _returned(visit: Visit, payment: Mapping[str, Any], tag: str) -> Outlook:
    posted = all(line["posted"] for line in payment["lines"])
    whole = payment["state"] == "refunded"
    sums = {
        "sum": _sum(visit, payment["refunded"]),
        "day": _returned_on(visit, payment),
        "total": _sum(visit, payment["total"]),
    }
    if whole:
        title = visit.text("Возвращено %(sum)s, %(day)s") % sums
    else:
        title = visit.text("Возвращено %(sum)s из %(total)s, %(day)s") % sums
    text = visit.text("Деньги вернулись на карту; когда они будут видны, скажет банк карты.")
    if not whole:
        left = (
            visit.text("Остальное зачислено на лицевые счета.")
            if posted
            else visit.text("Остальное зачисляем на лицевые счета.")
        )
        text = f"{text} {left}"
    return Outlook(
        title=title,
        text=" ".join((text, *_under_way(visit, payment))),
        tag=tag,
        kind="warning",
        undecided=not posted and not whole,
        has_receipt=posted,
        pay_again=visit.text("Оплатить") if whole else "",
    )


def _under_way(visit: Visit, payment: Mapping[str, Any]) -> list[str]:
    """Return a sentence about money that the bank has yet to return."""
    waiting = sum(one["total"] for one in payment["refunds"] if one["state"] == "requested")
    if not waiting:
        return []
    return [visit.text("Возврат %s запрошен у банка, ждём его ответа.") % _sum(visit, waiting)]


def _failed(visit: Visit, payment: Mapping[str, Any], tag: str) -> Outlook:
    again = visit.text("Начать заново")
    if payment["failure"] == "declined":
        again = visit.text("Заплатить другой картой")
    title, text = _failures(visit).get(
        payment["failure"],
        (
            visit.text("Платёж не прошёл"),
            visit.text("По данным банка, деньги не списаны или уже возвращены на карту."),
        ),
    )
    return Outlook(title=title, text=text, tag=tag, kind="bad", pay_again=again)


def _failures(visit: Visit) -> dict[str, tuple[str, str]]:
    return {
        "declined": (
            visit.text("Банк отклонил платёж"),
            visit.text(
                "Он сообщил, что деньги не списаны. Проверьте остаток и срок карты или возьмите "
                "другую."
            ),
        ),
        "expired": (
            visit.text("Время на оплату вышло"),
            visit.text(
                "По данным банка, деньги не списаны. Если он спишет их позже, они зачтутся, и мы "
                "пришлём квитанцию."
            ),
        ),
        "refused_by_acquirer": (
            visit.text("Банк не принял платёж"),
            visit.text(
                "Его страница не открылась, деньги не списаны. Начните заново; если не получится, "
                "напишите нам."
            ),
        ),
        "not_registered": (
            visit.text("Платёж не начался"),
            visit.text(
                "Страница банка не открылась, деньги не списаны. Платёж можно начать заново."
            ),
        ),
        "form_lost": (
            visit.text("Платёж не начался"),
            visit.text("Страница банка не открылась, деньги не списаны. Начните заново."),
        ),
        "given_back": (
            visit.text("Банк вернул деньги"),
            visit.text("Деньги вернулись на карту; когда они будут видны, скажет банк карты."),
        ),
        "account_closed": (
            visit.text("Лицевой счёт закрыт"),
            visit.text("Платёж закрыт, деньги не списаны: у лицевого счёта сменился плательщик."),
        ),
        "replaced": (
            visit.text("Вместо этого платежа начат другой"),
            visit.text(
                "По данным банка деньги по этому не списаны, вводить карту по нему больше не "
                "нужно. Другой — в Истории."
            ),
        ),
    }


def _case(payment: Mapping[str, Any]) -> str:
    return str(payment["payment_id"])[:8]


_OUTLOOKS: Mapping[str, Callable[[Visit, Mapping[str, Any], str], Outlook]] = {
    "created": _created,
    "awaiting_payment": _awaiting,
    "unknown": _silent_bank,
    "mismatch": _mismatch,
    "captured": _captured,
    "completed": _completed,
    "partly_refunded": _returned,
    "refunded": _returned,
}


def _clock(visit: Visit, at: str) -> str:
    """Return the time of an instant; with its day where that is not today."""
    zone = visit.settings.timezone
    clock, found = visit.clocks.of("payments"), datetime.fromisoformat(at)
    if clock.day_of(found) == clock.today():
        return formats.clock(found, zone)
    return formats.moment(at, zone, visit.language)


def _paid_on(visit: Visit, payment: Mapping[str, Any]) -> str:
    return _day(visit, payment["captured_at"] or payment["created_at"])


def _returned_on(visit: Visit, payment: Mapping[str, Any]) -> str:
    made = [one["returned_at"] for one in payment["refunds"] if one["returned_at"]]
    return _day(visit, max(made, key=datetime.fromisoformat, default=payment["created_at"]))


def _day(visit: Visit, at: str) -> str:
    zone = ZoneInfo(visit.settings.timezone)
    found = datetime.fromisoformat(at).astimezone(zone)
    return formats.day(found.date(), visit.language, year=False)


def _sum(visit: Visit, amount: int) -> str:
    return formats.roubles(amount, visit.language)
