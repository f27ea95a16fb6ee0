"""What the bank's words about an order mean in the port's: a contradiction is UNKNOWN."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from services.payments.acquirers import OrderReport, OrderState
from services.payments.acquirers.rbs.responses import (
    AmountInfo,
    CardInfo,
    OrderStatus,
    StatusResponse,
)

_STATES: Final = {
    OrderStatus.REGISTERED: OrderState.PENDING,
    OrderStatus.HELD: OrderState.PENDING,
    OrderStatus.ACS_STARTED: OrderState.PENDING,
    OrderStatus.PAID: OrderState.PAID,
    OrderStatus.REVERSED: OrderState.RETURNED,
    OrderStatus.REFUNDED: OrderState.RETURNED,
    OrderStatus.DECLINED: OrderState.DECLINED,
}

#: `actionCode` of a declined order that no issuer refused: the payer did not pay in time; there was
#: no attempt to pay before we closed it.
_CLOSED: Final = frozenset({-2007, -100})

#: Roubles, by their present and by their former number, which the platform still uses.
_ROUBLES: Final = frozenset({"", "643", "810", "RUB"})

_LARGEST_AMOUNT: Final = 10**13
_INSTANTS: Final = range(946_684_800_000, 4_102_444_800_000)  # from 2000 to before 2100
_MASKED_CARD: Final = re.compile(r"\d{4,6}\*{2,12}\d{4}")
_ORDER_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


class _ContradictionError(Exception):
    """The bank says of an order what cannot be."""


def order_report(response: StatusResponse) -> OrderReport:
    """Return the report on an order, under the number and id that the bank gives."""
    number, order_id = response.order_number, order_id_of(response)
    try:
        return _report(response, number, order_id)
    except _ContradictionError as contradiction:
        return unknown(str(contradiction), number, order_id)


def unknown(reason: str, order_number: str = "", order_id: str = "") -> OrderReport:
    """Return the report of a bank that does not say what happened."""
    return OrderReport(
        state=OrderState.UNKNOWN, reason=reason, order_number=order_number, order_id=order_id
    )


def order_id_of(response: StatusResponse) -> str:
    """Return the bank's id of an order; "" where the bank does not give it."""
    for attribute in response.attributes:
        if attribute.name == "mdOrder" and is_order_id(attribute.value):
            return attribute.value
    return ""


def is_order_id(text: str) -> bool:
    """Return whether a text can be the bank's id of an order."""
    return _ORDER_ID.fullmatch(text) is not None


def charge_time(response: StatusResponse) -> datetime | None:
    """Return when the card was charged, by the bank's clock; None where it does not say so."""
    return _instant(response.auth_date_time or response.deposited_date)


def only_masked(card: str) -> str | None:
    """Return the card as the acquirer shows it (`411111**1111`); None unless it is masked."""
    return card if _MASKED_CARD.fullmatch(card) else None


def _report(response: StatusResponse, order_number: str, order_id: str) -> OrderReport:
    try:
        status = OrderStatus(-1 if response.order_status is None else response.order_status)
    except ValueError:
        raise _ContradictionError("unknown status") from None
    if str(response.currency) not in _ROUBLES:
        raise _ContradictionError("not roubles")
    charged, returned = _money(response, status)
    card = response.card_auth_info or CardInfo()
    return OrderReport(
        state=_state(response, status, returned),
        ordered=response.amount,
        charged=charged,
        returned=returned,
        # The order's own date is the last resort: it is at most a session earlier than the charge.
        charged_at=(charge_time(response) or _instant(response.date)) if charged else None,
        masked_card=only_masked(card.masked_pan or card.pan),
        reason=str(response.action_code) if response.action_code else "",
        order_number=order_number,
        order_id=order_id,
    )


def _state(response: StatusResponse, status: OrderStatus, returned: int) -> OrderState:
    if status is OrderStatus.DECLINED and response.action_code in _CLOSED:
        return OrderState.EXPIRED
    return OrderState.RETURNED if returned else _STATES[status]


def _money(response: StatusResponse, status: OrderStatus) -> tuple[int, int]:
    """Return what left the card and what went back to it, both in all."""
    amounts = response.payment_amount_info or AmountInfo()
    approved, deposited = amounts.approved_amount, amounts.deposited_amount
    for amount in (response.amount, approved or 0, deposited or 0, amounts.refunded_amount):
        if not 0 <= amount <= _LARGEST_AMOUNT:
            raise _ContradictionError("amount out of range")
    if response.amount == 0:
        raise _ContradictionError("no amount")
    if _STATES[status] not in {OrderState.PAID, OrderState.RETURNED}:
        if deposited or amounts.refunded_amount:
            raise _ContradictionError("charged, and yet not paid")
        return 0, 0
    # What is approved stays when a refund lowers what is deposited, as it does at some banks; both
    # are nothing after a reversal. Banks that give neither charge the whole order: one stage.
    charged = max(approved or 0, deposited or 0)
    if approved is None and charged + amounts.refunded_amount == response.amount:
        charged = response.amount
    if not charged and (status is OrderStatus.REVERSED or (approved, deposited) == (None, None)):
        charged = response.amount
    returned = charged if status is OrderStatus.REVERSED else amounts.refunded_amount
    if not charged or not 0 <= returned <= charged:
        raise _ContradictionError("more returned than charged" if charged else "nothing charged")
    if status is OrderStatus.REFUNDED and not returned:
        raise _ContradictionError("refunded, and yet nothing returned")
    return charged, returned


def _instant(epoch_ms: int | None) -> datetime | None:
    if not epoch_ms:
        return None
    if epoch_ms not in _INSTANTS:
        raise _ContradictionError("no such time")
    return datetime.fromtimestamp(epoch_ms / 1000, UTC)
