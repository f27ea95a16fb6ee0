"""How a payment is taken back: reversed as a whole, or in part, when its money went back."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from services.ledger.domain.events import PaymentPosted, PaymentRefunded, PaymentReversed
from services.ledger.domain.row_decision import RowDecidingAccount
from services.ledger.domain.validation import check_positive
from shared.errors import Conflict, NotFound
from shared.money import Kopecks, format_roubles


class ReversingAccount(RowDecidingAccount):
    """An account whose payments can be undone."""

    def reverse_payment(
        self, payment_id: UUID, on: date, reason: str, *, moved_to: str = ""
    ) -> bool:
        """Undo what is left of a payment exactly; return False if nothing is.

        What it still pays is owed again, as if it had never been paid. What of its money pays later
        bills, or became an advance when what it paid was lowered, is taken from the advance, then
        from what advances have paid, the last first. It takes effect no earlier than the payment.
        Raises NotFound ``payment_not_posted``.
        """
        self.must_exist()
        version, payment = self.posted(payment_id)
        amount, penalty = self.left_by_name(payment_id)
        if not amount + penalty:
            return False
        self.post(
            PaymentReversed(
                account=self.number,
                payment_id=payment_id,
                corrects=version,
                effective_on=max(on, payment.effective_on),
                reason=reason,
                amount=amount,
                penalty=penalty,
                restored=(),
                penalty_restored=0,
                advance_taken=0,
                moved_to=moved_to,
            )
        )
        return True

    def refund_payment(self, payment_id: UUID, refund_id: UUID, amount: Kopecks, on: date) -> bool:
        """Undo the last that a payment did, for money that went back; return False if it was.

        A payment that is reversed has nothing left to undo, and nothing is recorded. What is owed
        again is owed as if it had never been paid; it takes effect no earlier than the payment.
        Raises NotFound ``payment_not_posted``, Conflict ``refund_too_large`` for more than is left
        of the payment on this account.
        """
        self.must_exist()
        version, payment = self.posted(payment_id)
        if refund_id in self.refunds or payment_id in self.reversed:
            return False
        check_positive(amount, "refund")
        left = self.left_of(payment_id)
        if amount > left:
            raise Conflict(
                "refund_too_large",
                f"Of payment {payment_id} {format_roubles(left)} are left on {self.number}, not "
                f"{format_roubles(amount)}.",
                account=self.number,
                left=left,
            )
        self.post(
            PaymentRefunded(
                account=self.number,
                payment_id=payment_id,
                refund_id=refund_id,
                corrects=version,
                effective_on=max(on, payment.effective_on),
                amount=amount,
            )
        )
        return True

    def posted(self, payment_id: UUID) -> tuple[int, PaymentPosted]:
        """Return a payment with its version. Raises NotFound ``payment_not_posted``."""
        posted = self.payments.get(payment_id)
        if posted is None:
            raise NotFound("payment_not_posted", "This payment is not posted to the account.")
        return posted

    def left_by_name(self, payment_id: UUID) -> tuple[Kopecks, Kopecks]:
        """Return what is left of a payment: of its principal, and of the penalty that it named.

        What went back of it counts as principal as long as there is any.
        """
        left = self.left_of(payment_id)
        penalty = min(left, self.posted(payment_id)[1].penalty)
        return left - penalty, penalty
