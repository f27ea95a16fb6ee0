"""What goes back of a payment: refunds by staff, and what the bank returns by itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

import msgspec

from services.payments.events import (
    MoneyReturned,
    PaymentExpired,
    PaymentFailed,
    RefundLine,
    RefundPosted,
    RefundProposed,
    RefundRefused,
    RefundRejected,
    RefundRequested,
    RefundSplit,
)
from services.payments.splits import refund_of, returned_by_bank
from services.payments.state import PaymentState, Refund, State
from shared.contracts.payments import Failure, RefundCause
from shared.errors import Conflict, Forbidden, NotFound
from shared.ids import derived_id
from shared.money import Kopecks


class LostRefund(msgspec.Struct, frozen=True, kw_only=True):
    """Money that went back, as its published event says; the log itself has lost it."""

    refund_id: UUID
    lines: RefundSplit
    total: Kopecks
    returned_at: datetime
    refunded_on: date
    cause: str


class RefundablePayment(PaymentState):
    """A payment of which money may go back."""

    def fail(self, reason: Failure) -> None:
        """Record a failure; does nothing once the payment is captured or has failed."""
        if not self.is_open:
            return
        if reason is Failure.EXPIRED:
            self.trigger(PaymentExpired(person_id=self.person_id))
        else:
            self.trigger(PaymentFailed(person_id=self.person_id, reason=reason.value))

    def propose_refund(
        self, refund_id: UUID, wanted: Sequence[RefundLine], reason: str, by: str
    ) -> None:
        """Propose a refund to a second person; raises as `request_refund`."""
        if refund_id in self.refunds:
            return
        lines = self.refundable(wanted)
        self.trigger(
            RefundProposed(
                refund_id=refund_id, lines=lines, total=_sum(lines), reason=reason, by=by
            )
        )

    def request_refund(
        self, refund_id: UUID, wanted: Sequence[RefundLine], reason: str, by: str
    ) -> None:
        """Have money go back: what is wanted of each account, or all that is left.

        Raises Conflict `payment_not_captured` and `refund_too_large`, ValidationFailed
        `invalid_refund`. A refund that is known already changes nothing.
        """
        if refund_id in self.refunds:
            return
        lines = self.refundable(wanted)
        self.trigger(
            RefundRequested(
                refund_id=refund_id, lines=lines, total=_sum(lines), reason=reason, by=by
            )
        )

    def approve_refund(self, refund_id: UUID, by: str) -> None:
        """Have a proposed refund made, approved by a second person.

        Raises NotFound `refund_not_found`, Conflict `refund_decided`, Forbidden
        `second_person_needed`, and what `request_refund` raises of what is left today.
        """
        proposed = self.proposed_refund(refund_id)
        if proposed.by == by:
            raise Forbidden(
                "second_person_needed", "Somebody else than who proposed it must approve it."
            )
        self.trigger(
            RefundRequested(
                refund_id=refund_id,
                lines=self.refundable(proposed.lines),
                total=proposed.total,
                reason=proposed.reason,
                by=by,
                proposed_by=proposed.by,
            )
        )

    def reject_refund(self, refund_id: UUID, reason: str, by: str) -> None:
        """Reject a proposed refund, or withdraw one's own; raises as `approve_refund`."""
        self.proposed_refund(refund_id)
        self.trigger(RefundRejected(refund_id=refund_id, reason=reason, by=by))

    def return_charge(self, refund_id: UUID, reason: str, by: str, returned: Kopecks = 0) -> None:
        """Have a charge of another sum than ordered go back: all that has not `returned` already.

        Does nothing where that is under way. Raises Conflict `nothing_to_return`.
        """
        if any(refund.state == "requested" for refund in self.refunds.values()):
            return
        if self.state is not State.MISMATCH:
            raise Conflict(
                "nothing_to_return", "No charge of another sum than ordered is known of it."
            )
        self.trigger(
            RefundRequested(
                refund_id=refund_id,
                lines=(),
                total=self.charged - max(self.returned, returned),
                reason=reason,
                by=by,
            )
        )

    def refuse_refund(self, refund_id: UUID, reason: str) -> None:
        """Record that the acquirer refused a refund."""
        refund = self.refunds.get(refund_id)
        if refund is not None and refund.state == "requested":
            self.trigger(RefundRefused(refund_id=refund_id, reason=reason))

    def record_returns(self, returned: Kopecks, returned_at: datetime, refunded_on: date) -> None:
        """Record what went back in all, as the acquirer says: requested refunds, then the bank's.

        Of a charge that was never credited, the payment fails once all of it went back. One that
        nothing was charged for by what we know changes nothing.
        """
        if not self.is_captured and self.state is not State.MISMATCH:
            return
        for refund_id, refund in self.refunds.items():
            if refund.state == "requested" and refund.total <= returned - self.returned:
                self._return(refund_id, refund.lines, refund.total, returned_at, refunded_on)
        found = returned - self.returned
        if found > 0:
            refund_id = derived_id(self.id, "returned", str(returned))
            # Money has gone, whatever else was requested: what does not fit any more is withdrawn.
            lines = returned_by_bank(self.not_returned, found)
            self._return(refund_id, lines, found, returned_at, refunded_on)
            self._withdraw_what_does_not_fit()
        if self.is_open and self.charged and self.returned >= self.charged:
            self.fail(Failure.GIVEN_BACK)

    def take_up_refund(self, lost: LostRefund, returned: Kopecks) -> bool:
        """Record a refund again that the log has lost, under its own id.

        ``returned`` is what went back in all, as the acquirer says: False, and nothing is
        recorded, where that does not cover it.
        """
        known = self.refunds.get(lost.refund_id)
        if known is not None and known.state == "made":
            return True
        if not self.is_captured or self.returned + lost.total > returned:
            return False
        self.trigger(
            MoneyReturned(
                refund_id=lost.refund_id,
                person_id=self.person_id,
                lines=lost.lines,
                total=lost.total,
                returned_at=lost.returned_at,
                refunded_on=lost.refunded_on,
                cause=lost.cause,
                whole=self.returned + lost.total >= self.charged,
            )
        )
        return True

    def _withdraw_what_does_not_fit(self) -> None:
        requested = [
            refund_id for refund_id, one in self.refunds.items() if one.state == "requested"
        ]
        for refund_id in reversed(requested):
            too_much = any(left < 0 for left in self.left.values())
            if too_much or self.refunds[refund_id].total > self.charged - self.returned:
                self.refuse_refund(refund_id, "the bank has returned money by itself")

    def _return(
        self,
        refund_id: UUID,
        lines: RefundSplit,
        total: Kopecks,
        returned_at: datetime,
        refunded_on: date,
    ) -> None:
        requested = refund_id in self.refunds
        self.trigger(
            MoneyReturned(
                refund_id=refund_id,
                person_id=self.person_id,
                lines=tuple(RefundLine(self.holder(one.account), one.amount) for one in lines),
                total=total,
                returned_at=returned_at,
                refunded_on=refunded_on,
                cause=(RefundCause.STAFF if requested else RefundCause.BANK).value,
                whole=self.returned + total >= self.charged,
            )
        )
        for part in lines:
            if position := self.reversed_lines.get(self.line_of(part.account)):
                self.trigger(
                    RefundPosted(refund_id=refund_id, account=part.account, position=position)
                )

    def refundable(self, wanted: Sequence[RefundLine]) -> RefundSplit:
        """Return what goes back of each account: what is wanted, or all that is left.

        Raises Conflict `payment_not_captured` and `refund_too_large`, ValidationFailed
        `invalid_refund`.
        """
        if not self.is_captured:
            raise Conflict(
                "payment_not_captured",
                "No money of this payment has been credited, so none can be refunded.",
                state=self.state.value,
            )
        return refund_of(self.left, wanted)

    def proposed_refund(self, refund_id: UUID) -> Refund:
        """Return a refund that awaits a second person; raises as `approve_refund`."""
        refund = self.refunds.get(refund_id)
        if refund is None:
            raise NotFound("refund_not_found", "There is no such refund.")
        if refund.state != "proposed":
            raise Conflict(
                "refund_decided", f"This refund is {refund.state} already.", state=refund.state
            )
        return refund

    def withdraw_requested(self, reason: str) -> None:
        for refund_id, refund in self.refunds.items():
            if refund.state == "requested":
                self.trigger(RefundRefused(refund_id=refund_id, reason=reason))


def _sum(lines: RefundSplit) -> Kopecks:
    return sum(line.amount for line in lines)
