"""The payment order: the frozen split of a payment, and its state.

Money is integer kopecks. Reports about an order may come twice, late or in any order: the callback
before the redirect, the ledger's posting again, a decline after the charge. A report that is known
already or out of date changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import Any, ClassVar, Final
from uuid import UUID

import msgspec

from shared.contracts.payments import Failure
from shared.errors import Conflict, ValidationFailed
from shared.eventstore import Aggregate, Event, EventTypes
from shared.ids import NAMESPACE, derived_id
from shared.money import MAX_AMOUNT, Kopecks

#: As many accounts as one cabinet may hold.
MAX_LINES: Final = 10


class State(StrEnum):
    """The state of a payment; NONE before it is started."""

    NONE = "none"
    CREATED = "created"
    """Recorded here; the acquirer may or may not know it."""
    AWAITING_PAYMENT = "awaiting_payment"
    """The payer has the address of the acquirer's page."""
    CAPTURED = "captured"
    """The card was charged; the ledger has not posted every line yet."""
    COMPLETED = "completed"
    """The ledger has posted every line."""
    FAILED = "failed"
    EXPIRED = "expired"


class Line(msgspec.Struct, frozen=True):
    """The part of one account: `amount` towards principal, `penalty` towards penalties."""

    account: str
    amount: Kopecks
    penalty: Kopecks

    @property
    def total(self) -> Kopecks:
        return self.amount + self.penalty


Split = tuple[Line, ...]


class PaymentStarted(Event, frozen=True, kw_only=True):
    """The payment was started; its split over the accounts is final.

    The acquirer knows the order by `order_number`. It is stored before the acquirer is called, so
    that the order can always be found again.
    """

    topic: ClassVar[str] = "payments.payment_started.v1"
    person_id: UUID
    order_number: str
    lines: Split
    total: Kopecks


class OrderRegistered(Event, frozen=True, kw_only=True):
    """The acquirer accepted the order; the card is entered at `form_url`."""

    topic: ClassVar[str] = "payments.order_registered.v1"
    acquirer_order_id: str
    form_url: str


class PaymentCaptured(Event, frozen=True, kw_only=True):
    """The card was charged at `captured_at`, by the acquirer's clock: on business day `paid_on`."""

    topic: ClassVar[str] = "payments.payment_captured.v1"
    person_id: UUID
    lines: Split
    amount: Kopecks
    captured_at: datetime
    paid_on: date
    masked_card: str | None


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


class PaymentCompleted(Event, frozen=True, kw_only=True):
    """The ledger has posted every line."""

    topic: ClassVar[str] = "payments.payment_completed.v1"
    person_id: UUID
    lines: Split
    total: Kopecks


EVENTS = EventTypes(
    PaymentStarted,
    OrderRegistered,
    PaymentCaptured,
    PaymentFailed,
    PaymentExpired,
    LinePosted,
    PaymentCompleted,
)


def payment_id_of(person_id: UUID, command_id: UUID) -> UUID:
    """Return the id of the payment that a command starts; a repeated command has the same."""
    return derived_id(NAMESPACE, "payments", str(person_id), str(command_id))


def frozen_split(lines: Sequence[Line]) -> Split:
    """Return the lines to pay, in the order given, without those of two zeros.

    Raises ValidationFailed: `negative_amount`, `amount_too_large` (also of the sum),
    `duplicate_account`, `too_many_lines`, `nothing_to_pay` when all are zero.
    """
    for line in lines:
        if line.amount < 0 or line.penalty < 0:
            raise ValidationFailed(
                "negative_amount", "An amount must not be negative.", account=line.account
            )
    split = tuple(line for line in lines if line.total)
    if not split:
        raise ValidationFailed(
            "nothing_to_pay", "All sums are zero: enter a sum for at least one account."
        )
    if len(split) > MAX_LINES:
        raise ValidationFailed(
            "too_many_lines", "Pay fewer accounts at a time.", limit=MAX_LINES, given=len(split)
        )
    if len({line.account for line in split}) != len(split):
        raise ValidationFailed("duplicate_account", "Name every account once.")
    if sum(line.total for line in split) > MAX_AMOUNT:
        raise ValidationFailed(
            "amount_too_large", "The sum is too large; pay it in parts.", limit=MAX_AMOUNT
        )
    return split


def must_be_restarted(payment_id: UUID) -> Conflict:
    """Return the error for a payment that can no longer be paid."""
    return Conflict(
        "payment_must_be_restarted",
        "This payment did not go through and nothing was charged; start a new one.",
        payment_id=str(payment_id),
    )


class PaymentOrder(Aggregate):
    """One payment, from its start to the ledger's postings."""

    def __init__(self, id: UUID) -> None:
        super().__init__(id)
        self.state = State.NONE
        self.person_id = UUID(int=0)
        self.order_number = ""
        self.lines: Split = ()
        self.total: Kopecks = 0
        self.acquirer_order_id = ""
        self.form_url = ""
        self.posted: set[str] = set()

    @property
    def is_captured(self) -> bool:
        return self.state in {State.CAPTURED, State.COMPLETED}

    def start(self, person_id: UUID, lines: Sequence[Line]) -> None:
        """Freeze the split. Raises what `frozen_split` raises; a second start does nothing."""
        if self.state is not State.NONE:
            return
        split = frozen_split(lines)
        self.trigger(
            PaymentStarted(
                person_id=person_id,
                # 32 letters and digits: acquirers limit length and alphabet.
                order_number=self.id.hex,
                lines=split,
                total=sum(line.total for line in split),
            )
        )

    def record_registration(self, acquirer_order_id: str, form_url: str) -> None:
        """Record that the acquirer accepted the order.

        Raises Conflict `payment_must_be_restarted` when the payment has failed in the meantime: the
        payer must not get the page, or a failed payment could be paid.
        """
        if self.state in {State.FAILED, State.EXPIRED}:
            raise must_be_restarted(self.id)
        if self.state is State.CREATED:
            self.trigger(OrderRegistered(acquirer_order_id=acquirer_order_id, form_url=form_url))

    def capture(
        self, amount: Kopecks, captured_at: datetime, paid_on: date, masked_card: str | None
    ) -> None:
        """Record the charge, also after a failure: money that arrived is credited.

        Raises Conflict `amount_mismatch` when the amount is not the one ordered: never credited.
        """
        if self.state is State.NONE or self.is_captured:
            return
        if amount != self.total:
            raise Conflict(
                "amount_mismatch",
                "The acquirer charged another amount than was ordered; staff must look at it.",
                payment_id=str(self.id),
                ordered=self.total,
                charged=amount,
            )
        self.trigger(
            PaymentCaptured(
                person_id=self.person_id,
                lines=self.lines,
                amount=amount,
                captured_at=captured_at,
                paid_on=paid_on,
                masked_card=masked_card,
            )
        )
        self._complete_when_posted()

    def fail(self, reason: Failure) -> None:
        """Record a failure; does nothing once the payment is captured or has failed."""
        if self.state not in {State.CREATED, State.AWAITING_PAYMENT}:
            return
        if reason is Failure.EXPIRED:
            self.trigger(PaymentExpired(person_id=self.person_id))
        else:
            self.trigger(PaymentFailed(person_id=self.person_id, reason=reason.value))

    def abandon(self) -> None:
        """Fail an order whose page is unknown; does nothing when it has become known."""
        if self.state is State.CREATED:
            self.fail(Failure.FORM_LOST)

    def post_line(self, account: str, position: int) -> None:
        """Record that the ledger posted the line of one account; the last completes the payment."""
        if account in self.posted or account not in {line.account for line in self.lines}:
            return
        self.trigger(LinePosted(account=account, position=position))
        self._complete_when_posted()

    def _complete_when_posted(self) -> None:
        if self.state is State.CAPTURED and len(self.posted) == len(self.lines):
            self.trigger(
                PaymentCompleted(person_id=self.person_id, lines=self.lines, total=self.total)
            )

    def apply(self, event: Any) -> None:
        match event:
            case PaymentStarted():
                self.state = State.CREATED
                self.person_id = event.person_id
                self.order_number = event.order_number
                self.lines = event.lines
                self.total = event.total
            case OrderRegistered():
                self.state = State.AWAITING_PAYMENT
                self.acquirer_order_id = event.acquirer_order_id
                self.form_url = event.form_url
            case PaymentCaptured():
                self.state = State.CAPTURED
            case PaymentFailed():
                self.state = State.FAILED
            case PaymentExpired():
                self.state = State.EXPIRED
            case LinePosted():
                self.posted.add(event.account)
            case PaymentCompleted():
                self.state = State.COMPLETED
