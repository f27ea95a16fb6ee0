"""The objects of YooKassa's API, and what they say in the terms of the port."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec

from services.payments.acquirers import OrderReport, OrderState
from shared.money import Kopecks

ORDER_NUMBER: Final = "order_number"
"""The name of our order number in the metadata of a payment."""

CURRENCY: Final = "RUB"

PENDING: Final = "pending"
WAITING_FOR_CAPTURE: Final = "waiting_for_capture"
SUCCEEDED: Final = "succeeded"
CANCELED: Final = "canceled"

#: Reasons of a cancellation that is no refusal of the card: nobody paid in time, or we closed it.
_CLOSED: Final = frozenset(
    {"expired_on_confirmation", "expired_on_capture", "canceled_by_merchant"}
)

_VALUE: Final = re.compile(r"([0-9]{1,12})\.([0-9]{2})", re.ASCII)
_FIRST_DIGITS: Final = re.compile(r"[0-9]{6}", re.ASCII)
_LAST_DIGITS: Final = re.compile(r"[0-9]{4}", re.ASCII)

Instant = Annotated[datetime, msgspec.Meta(tz=True)]


class Amount(msgspec.Struct, frozen=True):
    """A sum: roubles with exactly two decimals, as text."""

    value: str
    currency: str


class Confirmation(msgspec.Struct, frozen=True):
    """How the payer confirms a payment: on the page at `confirmation_url`."""

    confirmation_url: str = ""


class Cancellation(msgspec.Struct, frozen=True):
    """Why a payment or a refund is canceled."""

    reason: str = ""


class Card(msgspec.Struct, frozen=True):
    """The digits of a card that may be shown."""

    first6: str | None = None
    last4: str | None = None


class PaymentMethod(msgspec.Struct, frozen=True):
    """What a payment was paid with."""

    card: Card | None = None


class Payment(msgspec.Struct, frozen=True, kw_only=True):
    """A payment object, as far as it is read here."""

    id: str
    status: str
    amount: Amount
    created_at: Instant
    paid: bool = False
    captured_at: Instant | None = None
    refunded_amount: Amount | None = None
    confirmation: Confirmation | None = None
    cancellation_details: Cancellation | None = None
    payment_method: PaymentMethod | None = None
    metadata: dict[str, Any] = {}

    @property
    def order_number(self) -> str:
        """Our order number; "" of a payment that another program of the shop has made."""
        number = self.metadata.get(ORDER_NUMBER)
        return number if isinstance(number, str) else ""


class Refund(msgspec.Struct, frozen=True, kw_only=True):
    """A refund object, as far as it is read here."""

    id: str
    payment_id: str
    status: str
    amount: Amount
    description: str = ""
    cancellation_details: Cancellation | None = None


class PaymentPage(msgspec.Struct, frozen=True):
    """A part of a list of payments."""

    items: list[Payment]
    next_cursor: str | None = None


class RefundPage(msgspec.Struct, frozen=True):
    """A part of a list of refunds."""

    items: list[Refund]
    next_cursor: str | None = None


class Error(msgspec.Struct, frozen=True):
    """The body of a refusal."""

    code: str
    parameter: str = ""


def amount_of(amount: Kopecks) -> dict[str, str]:
    """Return kopecks as the API takes them."""
    return {"value": f"{amount // 100}.{amount % 100:02d}", "currency": CURRENCY}


def kopecks_of(amount: Amount) -> Kopecks:
    """Return a sum in kopecks, exactly; raises ValueError for another currency or notation."""
    match = _VALUE.fullmatch(amount.value)
    if match is None or amount.currency != CURRENCY:
        raise ValueError("not a sum in roubles")
    return int(match[1]) * 100 + int(match[2])


def report_of(payment: Payment) -> OrderReport:
    """Return what a payment says; the state is UNKNOWN where it contradicts itself."""
    try:
        amount = kopecks_of(payment.amount)
        returned = kopecks_of(payment.refunded_amount) if payment.refunded_amount else 0
    except ValueError:
        return unknown("amount", payment)
    taken = payment.status in {WAITING_FOR_CAPTURE, SUCCEEDED}
    if taken != payment.paid or returned > (amount if payment.status == SUCCEEDED else 0):
        return unknown("contradiction", payment)
    state = _state_of(payment, returned)
    if state is OrderState.UNKNOWN:
        return unknown("unknown status", payment)
    return OrderReport(
        state=state,
        ordered=amount,
        charged=amount if taken else 0,
        returned=returned,
        charged_at=payment.captured_at if payment.status == SUCCEEDED else None,
        masked_card=_masked(payment),
        reason=reason_of(payment.cancellation_details),
        order_number=payment.order_number,
        order_id=payment.id,
    )


def reason_of(cancellation: Cancellation | None) -> str:
    """Return the code of a cancellation; "" without one."""
    return cancellation.reason[:64] if cancellation else ""


def unknown(reason: str, payment: Payment | None = None) -> OrderReport:
    """Return the report of an order of which nothing reliable is known, but whose it is."""
    return OrderReport(
        state=OrderState.UNKNOWN,
        reason=reason,
        order_number=payment.order_number if payment else "",
        order_id=payment.id if payment else "",
    )


def _state_of(payment: Payment, returned: Kopecks) -> OrderState:
    if payment.status == CANCELED:
        closed = reason_of(payment.cancellation_details) in _CLOSED
        return OrderState.EXPIRED if closed else OrderState.DECLINED
    if payment.status == SUCCEEDED:
        return OrderState.RETURNED if returned else OrderState.PAID
    states = {PENDING: OrderState.PENDING, WAITING_FOR_CAPTURE: OrderState.HELD}
    return states.get(payment.status, OrderState.UNKNOWN)


def _masked(payment: Payment) -> str | None:
    """Return the card as other acquirers show it; None unless it is known, and masked."""
    card = (payment.payment_method or PaymentMethod()).card or Card()
    first, last = card.first6 or "", card.last4 or ""
    if not (_FIRST_DIGITS.fullmatch(first) and _LAST_DIGITS.fullmatch(last)):
        return None
    return f"{first}**{last}"
