"""The pages of the bank's own desk, in Russian: all orders, one order, the faults."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from deploy.doubles.acquirer.faults import Faults
from deploy.doubles.acquirer.order import (
    BY_QR,
    BY_TIMEOUT,
    BY_WRONG_CODE,
    CODE_REQUESTED,
    DECLINED,
    PAID,
    REFUNDED,
    REGISTERED,
    REVERSED,
    WITHOUT_ATTEMPT,
    Order,
)
from deploy.doubles.acquirer.order_list import OrderPage, SentCallback, Totals
from deploy.doubles.acquirer.pages import roubles, templates

STATES: Final = {
    REGISTERED: "ждёт оплаты",
    CODE_REQUESTED: "ждёт кода",
    PAID: "оплачен",
    REVERSED: "отменён",
    REFUNDED: "возвращён",
    DECLINED: "отклонён",
}

#: Each fault with what a reader of the panel is told of it, by what it concerns.
FAULTS: Final = {
    "Уведомления": {
        "drop_callbacks": "не отправлять",
        "double_callbacks": "отправлять каждое дважды",
        "callback_delay_seconds": "опаздывать, секунд",
    },
    "Страница оплаты": {
        "error_before_charge": "ошибка 500 до списания",
        "error_after_charge": "ошибка 500 после списания",
        "charges_other_amount": "списывать другую сумму: на столько копеек больше, минус — меньше",
        "end_sessions": "завершить все сеансы оплаты",
    },
    "Регистрация заказа": {
        "lose_register_call": "терять запрос: заказ не создан",
        "lose_register_answer": "терять ответ: заказ создан",
        "register_hangs": "не отвечать: заказ создан",
    },
    "Состояние заказа": {
        "lose_status_answer": "терять ответ",
        "status_delay_seconds": "отвечать позже, секунд",
        "status_lags": "отставать: каждый заказ ещё не оплачен",
        "status_denies": "не знать ни одного заказа",
        "status_misreports": "называть сумму на рубль больше",
    },
    "Закрытие, возврат, отчёт": {
        "lose_close_call": "терять запрос о закрытии: заказ открыт",
        "lose_close_answer": "терять ответ о закрытии: заказ закрыт",
        "refuse_refunds": "отказывать в возвратах и отменах",
        "lose_refund_call": "терять запрос о возврате: деньги не возвращены",
        "lose_refund_answer": "терять ответ о возврате: деньги возвращены",
        "lose_report_answer": "терять отчёт за период",
    },
    "Всё сразу": {
        "hang": "не отвечать ни на что, пока сбой включён",
        "chaos": "случайный сбой с вероятностью от 0 до 1",
        "chaos_seed": "начало случайных чисел",
    },
}
INVALID_FAULT: Final = (
    "Сбои не изменены: секунды — число от 0 до 3600, вероятность — от 0 до 1, копейки — целое."
)

_ZONE: Final = ZoneInfo("Europe/Moscow")
_ROUBLES: Final = re.compile(r"([0-9]{1,12})(?:[.,]([0-9]{1,2}))?")


class InvalidAmountError(ValueError):
    """The text is no amount; the message is for the page."""


@dataclass(frozen=True)
class Listing:
    """The orders on the page, and what they were chosen by."""

    page: OrderPage
    state: int | None
    number: str


def overview(
    listing: Listing,
    totals: Sequence[Totals],
    waiting_callbacks: int,
    faults: Faults,
    root: str,
    entered: Mapping[str, str],
    problem: str,
) -> str:
    """Render sums, faults and a page of orders; `entered` is what was wrong in the form."""
    in_force = asdict(faults)
    return templates.get_template("panel.html").render(
        root=root,
        listing=listing,
        totals=totals,
        charged=sum(one.charged for one in totals),
        returned=sum(one.returned for one in totals),
        waiting_callbacks=waiting_callbacks,
        groups=FAULTS,
        values=in_force,
        texts={**{name: _shown(value) for name, value in in_force.items()}, **entered},
        switched_on=[name for name, value in in_force.items() if value and name != "chaos_seed"],
        problem=problem,
        **_WORDS,
    )


def one_order(
    order: Order, callbacks: Sequence[SentCallback], root: str, entered: str, problem: str
) -> str:
    """Render one order with what the bank can do about it."""
    return templates.get_template("panel_order.html").render(
        root=root,
        order=order,
        callbacks=callbacks,
        entered=entered,
        problem=problem,
        **_WORDS,
    )


def read_faults(form: Mapping[str, str]) -> dict[str, Any]:
    """Return the faults as a form has them; what cannot be read stays text, to be refused."""
    requested: dict[str, Any] = {}
    for field in fields(Faults):
        text = form.get(field.name, "").strip().replace(",", ".")
        if isinstance(field.default, bool):
            requested[field.name] = bool(text)
        else:
            requested[field.name] = _number(text, type(field.default))
    return requested


def read_amount(text: str) -> int:
    """Return an amount of roubles in kopecks. Raises InvalidAmountError."""
    match = _ROUBLES.fullmatch(re.sub(r"\s", "", text))
    if match is None:
        raise InvalidAmountError("Введите сумму возврата в рублях, например 150,50.")
    return int(match[1]) * 100 + int((match[2] or "").ljust(2, "0"))


def _number(text: str, kind: type) -> Any:
    try:
        return kind(text or 0)
    except ValueError:
        return text


def _shown(value: float) -> str:
    return f"{value:g}".replace(".", ",") if isinstance(value, float) else str(value)


def _when(epoch_ms: int | None) -> str:
    if epoch_ms is None:
        return "—"
    return datetime.fromtimestamp(epoch_ms / 1000, _ZONE).strftime("%d.%m.%Y %H:%M:%S")


def _why(order: Order) -> str:
    if order.status != DECLINED:
        return ""
    return {
        BY_TIMEOUT: "время на оплату вышло",
        BY_WRONG_CODE: "неверный код",
        WITHOUT_ATTEMPT: "закрыт магазином",
    }.get(order.action_code, "отказ банка плательщика")


def _way(order: Order) -> str:
    return "СБП" if order.paid_by == BY_QR else order.masked_pan or "—"


_WORDS: Final[dict[str, Any]] = {
    "states": STATES,
    "money": roubles,
    "when": _when,
    "why": _why,
    "way": _way,
}
