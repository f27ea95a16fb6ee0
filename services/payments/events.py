"""The events of a payment: from its start, by the order at the acquirer, to refunds.

Money is integer kopecks. Nothing here is about a person but his id, and no card but a masked one.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import ClassVar
from uuid import UUID

import msgspec

from shared.eventstore import Event
from shared.money import Kopecks


class Line(msgspec.Struct, frozen=True):
    """The part of one account: `amount` towards principal, `penalty` towards penalties."""

    account: str
    amount: Kopecks
    penalty: Kopecks

    @property
    def total(self) -> Kopecks:
        return self.amount + self.penalty


Split = tuple[Line, ...]


class RefundLine(msgspec.Struct, frozen=True):
    """What goes back of what one account was paid."""

    account: str
    amount: Kopecks


RefundSplit = tuple[RefundLine, ...]


class PaymentStarted(Event, frozen=True, kw_only=True):
    """The payment was started; its split over the accounts is final.

    The acquirer knows the order by `order_number`. It is stored before the acquirer is called, so
    that the order can always be found again. `acquirer` "": before there were several.
    """

    topic: ClassVar[str] = "payments.payment_started.v1"
    person_id: UUID
    order_number: str
    lines: Split
    total: Kopecks
    acquirer: str = ""


class OrderRegistered(Event, frozen=True, kw_only=True):
    """The acquirer accepted the order; the card is entered at `form_url`."""

    topic: ClassVar[str] = "payments.order_registered.v1"
    acquirer_order_id: str
    form_url: str


class OrderLost(Event, frozen=True, kw_only=True):
    """The order has no page that a payer could have seen: another one takes its place.

    `acquirer` takes the next one, which may be another than before.
    """

    topic: ClassVar[str] = "payments.order_lost.v1"
    order_number: str
    next_number: str
    acquirer: str


class OutcomeUnknown(Event, frozen=True, kw_only=True):
    """The acquirer does not say what has become of the order."""

    topic: ClassVar[str] = "payments.outcome_unknown.v1"


class OutcomePending(Event, frozen=True, kw_only=True):
    """The acquirer says again that the payer has not finished."""

    topic: ClassVar[str] = "payments.outcome_pending.v1"


class MismatchFound(Event, frozen=True, kw_only=True):
    """The acquirer says that it charged another sum than was ordered."""

    topic: ClassVar[str] = "payments.mismatch_found.v1"
    person_id: UUID
    ordered: Kopecks
    charged: Kopecks


class PaymentCaptured(Event, frozen=True, kw_only=True):
    """The card was charged at `captured_at`, by the acquirer's clock: on business day `paid_on`.

    `lines` are those of the start, or those by which staff credited another sum, for a `reason`.
    """

    topic: ClassVar[str] = "payments.payment_captured.v1"
    person_id: UUID
    lines: Split
    amount: Kopecks
    captured_at: datetime
    paid_on: date
    masked_card: str | None
    order_number: str = ""
    """The order that was charged; "": that of the payment."""
    reason: str = ""


class PaymentFailed(Event, frozen=True, kw_only=True):
    """The payment failed, as far as is known; `reason` is a `Failure`."""

    topic: ClassVar[str] = "payments.payment_failed.v1"
    person_id: UUID
    reason: str


class PaymentExpired(Event, frozen=True, kw_only=True):
    """The acquirer closed the order because the payer did not pay in time."""

    topic: ClassVar[str] = "payments.payment_expired.v1"
    person_id: UUID


class LinePosted(Event, frozen=True, kw_only=True):
    """The ledger posted the line of one account at `position` of its log."""

    topic: ClassVar[str] = "payments.line_posted.v1"
    account: str
    position: int


class LineMoved(Event, frozen=True, kw_only=True):
    """Staff moved what one account was paid to another account, in the ledger."""

    topic: ClassVar[str] = "payments.line_moved.v1"
    account: str
    to: str
    position: int


class LineReversed(Event, frozen=True, kw_only=True):
    """Staff reversed what one account was paid, in the ledger, at `position` of its log."""

    topic: ClassVar[str] = "payments.line_reversed.v1"
    account: str
    position: int


class PaymentCompleted(Event, frozen=True, kw_only=True):
    """The ledger has posted every line."""

    topic: ClassVar[str] = "payments.payment_completed.v1"
    person_id: UUID
    lines: Split
    total: Kopecks


class RefundProposed(Event, frozen=True, kw_only=True):
    """A refund awaits a second person: it is more than its author may move alone."""

    topic: ClassVar[str] = "payments.refund_proposed.v1"
    refund_id: UUID
    lines: RefundSplit
    total: Kopecks
    reason: str
    by: str


class RefundRequested(Event, frozen=True, kw_only=True):
    """Money is to go back to the card; `by` decided it, `proposed_by` where that was another.

    Without lines it is a charge of another sum than ordered, which no account was credited with.
    """

    topic: ClassVar[str] = "payments.refund_requested.v1"
    refund_id: UUID
    lines: RefundSplit
    total: Kopecks
    reason: str
    by: str
    proposed_by: str = ""


class RefundRejected(Event, frozen=True, kw_only=True):
    """A proposed refund will not be made: a second person refused, or its author withdrew it."""

    topic: ClassVar[str] = "payments.refund_rejected.v1"
    refund_id: UUID
    reason: str
    by: str


class RefundRefused(Event, frozen=True, kw_only=True):
    """The acquirer refused to give the money back; `reason` is its own code."""

    topic: ClassVar[str] = "payments.refund_refused.v1"
    refund_id: UUID
    reason: str


class MoneyReturned(Event, frozen=True, kw_only=True):
    """Money went back to the card, as the acquirer says; `whole`: nothing of it is left.

    `cause` is a `RefundCause`: staff requested it, or the bank returned it by itself.
    """

    topic: ClassVar[str] = "payments.money_returned.v1"
    refund_id: UUID
    person_id: UUID
    lines: RefundSplit
    total: Kopecks
    returned_at: datetime
    refunded_on: date
    cause: str
    whole: bool


class RefundPosted(Event, frozen=True, kw_only=True):
    """The ledger has taken the refund of one account back at `position` of its log."""

    topic: ClassVar[str] = "payments.refund_posted.v1"
    refund_id: UUID
    account: str
    position: int


PAYMENT_EVENTS: tuple[type[Event], ...] = (
    PaymentStarted,
    OrderRegistered,
    OrderLost,
    OutcomeUnknown,
    OutcomePending,
    MismatchFound,
    PaymentCaptured,
    PaymentFailed,
    PaymentExpired,
    LinePosted,
    LineMoved,
    LineReversed,
    PaymentCompleted,
    RefundProposed,
    RefundRequested,
    RefundRejected,
    RefundRefused,
    MoneyReturned,
    RefundPosted,
)
