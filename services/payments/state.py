"""What a payment is: its state, changed by its events alone."""

from __future__ import annotations

from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec

from services.payments.events import (
    LineMoved,
    LinePosted,
    LineReversed,
    MismatchFound,
    MoneyReturned,
    OrderLost,
    OrderRegistered,
    OutcomePending,
    OutcomeUnknown,
    PaymentCaptured,
    PaymentCompleted,
    PaymentExpired,
    PaymentFailed,
    PaymentStarted,
    RefundPosted,
    RefundProposed,
    RefundRefused,
    RefundRejected,
    RefundRequested,
    RefundSplit,
    Split,
)
from shared.eventstore import Aggregate
from shared.money import Kopecks


class State(StrEnum):
    """The state of a payment; NONE before it is started."""

    NONE = "none"
    CREATED = "created"
    """Recorded here; the acquirer may or may not know it, nobody has seen its page."""
    AWAITING_PAYMENT = "awaiting_payment"
    """The payer has the address of the acquirer's page."""
    UNKNOWN = "unknown"
    """The acquirer does not say what has become of it."""
    MISMATCH = "mismatch"
    """The acquirer says that it charged another sum than was ordered."""
    CAPTURED = "captured"
    """The card was charged; the ledger has not posted every line yet."""
    COMPLETED = "completed"
    """The ledger has posted every line."""
    PARTLY_REFUNDED = "partly_refunded"
    REFUNDED = "refunded"
    """Captured, and all of it went back."""
    FAILED = "failed"
    EXPIRED = "expired"


OPEN = frozenset({State.CREATED, State.AWAITING_PAYMENT, State.UNKNOWN, State.MISMATCH})
"""The states of a payment whose outcome is not decided."""
CAPTURED = frozenset({State.CAPTURED, State.COMPLETED, State.PARTLY_REFUNDED, State.REFUNDED})
"""The states of a payment whose money came."""


class Refund(msgspec.Struct, kw_only=True):
    """A refund: `proposed`, `requested`, `made`, `refused` (by the acquirer) or `rejected`."""

    lines: RefundSplit
    total: Kopecks
    state: str
    reason: str
    by: str


class PaymentState(Aggregate):
    """The state of one payment."""

    def __init__(self, id: UUID) -> None:
        super().__init__(id)
        self.state = State.NONE
        self.person_id = UUID(int=0)
        self.acquirer = ""
        self.order_number = ""
        self.orders_lost = 0
        self.lines: Split = ()
        self.total: Kopecks = 0
        self.acquirer_order_id = ""
        self.form_url = ""
        self.posted: set[str] = set()
        self.orders: dict[str, str] = {}
        """The acquirers of all its orders, by their numbers."""
        self.moved: dict[str, str] = {}
        """The account that now has what a line paid, by the account of the line."""
        self.moved_lines: dict[str, str] = {}
        """The account of the line, by each account that it was moved to."""
        self.reversed_lines: dict[str, int] = {}
        """Where the ledger's log has the reversals by staff, by the accounts of the lines."""
        self.completed = False
        self.charged: Kopecks = 0
        """What the acquirer has charged: captured, or found to be another sum."""
        self.refunds: dict[UUID, Refund] = {}
        self.returned: Kopecks = 0
        """What went back in all, as the acquirer says."""
        self.returned_of: dict[str, Kopecks] = {}
        self.refunds_posted: set[tuple[UUID, str]] = set()

    @property
    def is_captured(self) -> bool:
        return self.state in CAPTURED

    @property
    def is_open(self) -> bool:
        return self.state in OPEN

    def holder(self, account: str) -> str:
        """Return which account now has what was paid to one, by any name that it has had."""
        line = self.line_of(account)
        return self.moved.get(line, line)

    def line_of(self, account: str) -> str:
        """Return the account of a line as it was paid, also by the account it was moved to."""
        return self.moved_lines.get(account, account)

    @property
    def left(self) -> dict[str, Kopecks]:
        """What no refund has taken or is to take of each account that now has the money."""
        left = self.not_returned
        for refund in self.refunds.values():
            if refund.state == "requested":
                for part in refund.lines:
                    left[self.holder(part.account)] -= part.amount
        return left

    @property
    def not_returned(self) -> dict[str, Kopecks]:
        """What has not gone back of each account that now has the money."""
        if not self.is_captured:
            return {}
        return {
            self.holder(line.account): line.total - self.returned_of.get(line.account, 0)
            for line in self.lines
        }

    def apply(self, event: Any) -> None:  # noqa: PLR0912 - one case for each event
        match event:
            case PaymentStarted():
                self.state = State.CREATED
                self.person_id, self.acquirer = event.person_id, event.acquirer
                self.order_number, self.lines = event.order_number, event.lines
                self.total = event.total
                self.orders[event.order_number] = event.acquirer
            case OrderRegistered():
                self.state = State.AWAITING_PAYMENT
                self.acquirer_order_id = event.acquirer_order_id
                self.form_url = event.form_url
            case OrderLost():
                self.order_number, self.acquirer = event.next_number, event.acquirer
                self.acquirer_order_id, self.form_url = "", ""
                self.orders[event.next_number] = event.acquirer
                self.orders_lost += 1
            case OutcomeUnknown():
                self.state = State.UNKNOWN
            case OutcomePending():
                self.state = State.AWAITING_PAYMENT
            case MismatchFound():
                self.state, self.charged = State.MISMATCH, event.charged
            case PaymentCaptured():
                self.state, self.charged = State.CAPTURED, event.amount
                self.lines, self.total = event.lines, event.amount
                if event.order_number in self.orders and event.order_number != self.order_number:
                    self.order_number = event.order_number
                    self.acquirer = self.orders[event.order_number]
                    self.acquirer_order_id = ""
            case PaymentFailed():
                self.state = State.FAILED
            case PaymentExpired():
                self.state = State.EXPIRED
            case LinePosted():
                self.posted.add(event.account)
            case LineMoved():
                self.moved[event.account] = event.to
                self.moved_lines[event.to] = event.account
            case LineReversed():
                self.reversed_lines[self.line_of(event.account)] = event.position
            case PaymentCompleted():
                self.completed = True
                if self.state is State.CAPTURED:
                    self.state = State.COMPLETED
            case MoneyReturned():
                self._apply_return(event)
            case RefundPosted():
                self.refunds_posted.add((event.refund_id, self.line_of(event.account)))
            case _:
                self._apply_refund(event)

    def _apply_refund(self, event: Any) -> None:
        match event:
            case RefundProposed() | RefundRequested():
                state = "proposed" if isinstance(event, RefundProposed) else "requested"
                self.refunds[event.refund_id] = Refund(
                    lines=event.lines,
                    total=event.total,
                    state=state,
                    reason=event.reason,
                    by=event.by,
                )
            case RefundRejected():
                self.refunds[event.refund_id].state = "rejected"
            case RefundRefused():
                self.refunds[event.refund_id].state = "refused"
            case _:
                raise TypeError(f"not an event of a payment: {type(event).__name__}")

    def _apply_return(self, event: MoneyReturned) -> None:
        refund = self.refunds.get(event.refund_id)
        if refund is None:
            self.refunds[event.refund_id] = Refund(
                lines=event.lines, total=event.total, state="made", reason="", by=""
            )
        else:
            refund.state = "made"
        self.returned += event.total
        for part in event.lines:
            line = self.line_of(part.account)
            self.returned_of[line] = self.returned_of.get(line, 0) + part.amount
        if self.is_captured:
            self.state = State.REFUNDED if event.whole else State.PARTLY_REFUNDED
