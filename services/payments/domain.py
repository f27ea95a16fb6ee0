"""The payment: its order at the acquirer, its capture, and the ledger's postings of it.

Reports about an order may come twice, late or in any order: the callback before the redirect, the
ledger's posting again, a decline after the charge. A report that is known already or out of date
changes nothing. The events are in :mod:`services.payments.events`, refunds in
:mod:`services.payments.refunds`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

from services.payments.events import (
    PAYMENT_EVENTS,
    Line,
    LineMoved,
    LinePosted,
    LineReversed,
    MismatchFound,
    OrderLost,
    OrderRegistered,
    OutcomePending,
    OutcomeUnknown,
    PaymentCaptured,
    PaymentCompleted,
    PaymentStarted,
    RefundPosted,
    Split,
)
from services.payments.fiscal.domain import FISCAL_EVENTS
from services.payments.refunds import RefundablePayment
from services.payments.registers.bank_payment import REGISTER_EVENTS
from services.payments.splits import frozen_split
from services.payments.state import State
from shared.errors import Conflict
from shared.eventstore import EventTypes
from shared.ids import NAMESPACE, derived_id
from shared.money import MAX_AMOUNT, Kopecks

EVENTS = EventTypes(*PAYMENT_EVENTS, *REGISTER_EVENTS, *FISCAL_EVENTS)


def payment_id_of(person_id: UUID, command_id: UUID) -> UUID:
    """Return the id of the payment that a command starts; a repeated command has the same."""
    return derived_id(NAMESPACE, "payments", str(person_id), str(command_id))


def order_number_of(payment_id: UUID, lost: int) -> str:
    """Return the number of a payment's order after so many that were lost.

    32 letters and digits: acquirers limit length and alphabet.
    """
    return (derived_id(payment_id, "order", str(lost)) if lost else payment_id).hex


def must_be_restarted(payment_id: UUID) -> Conflict:
    """Return the error for a payment that can no longer be paid."""
    return Conflict(
        "payment_must_be_restarted",
        "This payment did not go through and nothing was charged; start a new one.",
        payment_id=str(payment_id),
    )


class PaymentOrder(RefundablePayment):
    """One payment, from its start to the ledger's postings and to what went back of it."""

    def start(
        self,
        person_id: UUID,
        lines: Sequence[Line],
        acquirer: str = "",
        largest: Kopecks = MAX_AMOUNT,
    ) -> None:
        """Freeze the split. Raises what `frozen_split` raises; a second start does nothing."""
        if self.state is not State.NONE:
            return
        split = frozen_split(lines, largest)
        self.trigger(
            PaymentStarted(
                person_id=person_id,
                order_number=order_number_of(self.id, 0),
                lines=split,
                total=sum(line.total for line in split),
                acquirer=acquirer,
            )
        )

    def take_up(self, person_id: UUID, lines: Split, order_number: str, acquirer: str) -> None:
        """Record a payment again whose start the log has lost: the acquirer says what became of it.

        No page is offered, and nothing is charged again. One that is known changes nothing.
        """
        if self.state is not State.NONE:
            return
        self.trigger(
            PaymentStarted(
                person_id=person_id,
                order_number=order_number,
                lines=lines,
                total=sum(line.total for line in lines),
                acquirer=acquirer,
            )
        )
        self.trigger(OutcomeUnknown())

    def record_registration(self, order_number: str, acquirer_order_id: str, form_url: str) -> bool:
        """Record that the acquirer accepted the order; return whether a payer may see its page.

        False for an order that another has taken the place of, or of a payment that was closed.
        """
        if order_number != self.order_number or not self.is_open:
            return False
        if not self.form_url:
            self.trigger(OrderRegistered(acquirer_order_id=acquirer_order_id, form_url=form_url))
        return self.acquirer_order_id == acquirer_order_id

    def lose_order(self, order_number: str, acquirer: str) -> None:
        """Take another order, at an acquirer, in place of one whose page nobody has seen."""
        if order_number == self.order_number and self.is_open and not self.form_url:
            following = order_number_of(self.id, self.orders_lost + 1)
            self.trigger(
                OrderLost(order_number=order_number, next_number=following, acquirer=acquirer)
            )

    def adopt_order(self, order_number: str, acquirer: str) -> None:
        """Know a payment by an order that the log has lost, in place of its own."""
        if self.state is not State.NONE and order_number not in self.orders:
            self.trigger(
                OrderLost(
                    order_number=self.order_number, next_number=order_number, acquirer=acquirer
                )
            )

    # What the acquirer says of it

    def doubt(self) -> None:
        """Record that the acquirer does not say what has become of an order that may be paid."""
        if self.state is State.AWAITING_PAYMENT:
            self.trigger(OutcomeUnknown())

    def confirm_pending(self) -> None:
        """Record that the payer has not finished, after all.

        An acquirer that has said it charged the card is not believed to be waiting for it.
        """
        if self.state is State.UNKNOWN:
            self.trigger(OutcomePending())

    def find_mismatch(self, charged: Kopecks) -> None:
        """Record that another sum was charged than ordered; it is never credited by itself."""
        known = self.state is State.MISMATCH and self.charged == charged
        if self.state is State.NONE or self.is_captured or known:
            return
        self.trigger(MismatchFound(person_id=self.person_id, ordered=self.total, charged=charged))

    def capture(
        self,
        amount: Kopecks,
        captured_at: datetime,
        paid_on: date,
        masked_card: str | None,
        credited: Split | None = None,
        reason: str = "",
        order_number: str = "",
    ) -> None:
        """Record the charge, also after a failure: money that arrived is credited.

        `credited` is the split by which staff credit another sum than was ordered, and `reason`
        why; `order_number` the order that was charged, which is the payment's from then on. Raises
        Conflict `amount_mismatch` for an amount that the split does not add up to.
        """
        if self.state is State.NONE or self.is_captured:
            return
        lines = self.lines if credited is None else credited
        ordered = sum(line.total for line in lines)
        if amount != ordered:
            raise Conflict(
                "amount_mismatch",
                "The acquirer charged another amount than was ordered; staff must look at it.",
                payment_id=str(self.id),
                ordered=ordered,
                charged=amount,
            )
        self.withdraw_requested("the charge is credited")
        self.trigger(
            PaymentCaptured(
                person_id=self.person_id,
                lines=lines,
                amount=amount,
                captured_at=captured_at,
                paid_on=paid_on,
                masked_card=masked_card,
                order_number=order_number,
                reason=reason,
            )
        )
        self._complete_when_posted()

    # The ledger

    def post_line(self, account: str, position: int) -> None:
        """Record that the ledger posted the line of one account; the last completes the payment."""
        if account in self.posted or account not in {line.account for line in self.lines}:
            return
        self.trigger(LinePosted(account=account, position=position))
        self._complete_when_posted()

    def move_line(self, account: str, to: str, position: int) -> None:
        """Record that the ledger moved what one account was paid to another account."""
        holders = {self.holder(line.account): line.account for line in self.lines}
        if account in holders and to not in holders:
            self.trigger(LineMoved(account=holders[account], to=to, position=position))

    def reverse_line(self, account: str, position: int) -> None:
        """Record that staff reversed what one account was paid, in the ledger.

        There is nothing left of it then that the ledger could take back for a refund.
        """
        line = self.line_of(account)
        if line in self.reversed_lines or line not in {one.account for one in self.lines}:
            return
        self.trigger(LineReversed(account=account, position=position))
        for refund_id, refund in self.refunds.items():
            if refund.state == "made":
                self.post_refund(refund_id, account, position)

    def post_refund(self, refund_id: UUID, account: str, position: int) -> None:
        """Record that the ledger has taken the refund of one account back, wherever it is now."""
        refund, line = self.refunds.get(refund_id), self.line_of(account)
        if refund is None or (refund_id, line) in self.refunds_posted:
            return
        if line in {self.line_of(one.account) for one in refund.lines}:
            self.trigger(RefundPosted(refund_id=refund_id, account=account, position=position))

    def _complete_when_posted(self) -> None:
        if self.is_captured and not self.completed and len(self.posted) == len(self.lines):
            self.trigger(
                PaymentCompleted(person_id=self.person_id, lines=self.lines, total=self.charged)
            )
