"""The personal account: which charges, penalties, payments and corrections are allowed.

All amounts are kopecks. Each correction is a further event that names what it corrects. The events
are in :mod:`services.ledger.domain.events`, their effect in :mod:`services.ledger.domain.state`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from uuid import UUID

from services.ledger.domain.allocation import DEFAULT_POLICY, Policy
from services.ledger.domain.book import BOOK_EVENTS
from services.ledger.domain.events import (
    ACCOUNT_EVENTS,
    AccountClosed,
    AccountOpened,
    ChargeLine,
    ChargesAdjusted,
    ChargesPosted,
    OpeningPosted,
    PayerKindChanged,
    PaymentPosted,
    PenaltyWrittenOff,
    ServiceAmount,
    TakenElsewhere,
)
from services.ledger.domain.order import OPENING_PERIOD
from services.ledger.domain.proposal import PROPOSAL_EVENTS
from services.ledger.domain.reversal import ReversingAccount
from services.ledger.domain.validation import (
    check_amount,
    check_month,
    check_positive,
    check_services,
    checked_sums,
)
from shared.errors import Conflict, NotFound, ValidationFailed
from shared.eventstore import EventTypes
from shared.ids import NAMESPACE, derived_id
from shared.money import MAX_AMOUNT, Kopecks, format_roubles

__all__ = ["EVENTS", "OPENING_PERIOD", "Account", "account_id"]

EVENTS = EventTypes(*ACCOUNT_EVENTS, *PROPOSAL_EVENTS, *BOOK_EVENTS)
"""All event types in the ledger's log: of accounts, of proposals, and of the book as a whole."""


@lru_cache(maxsize=50_000)
def account_id(key: str, book: str = "main") -> UUID:
    """Return the id of an account's stream: UUIDv5 over book and key.

    The key is the number, or names a later tenure of it (:mod:`shared.account_key`).
    """
    return derived_id(NAMESPACE, "ledger", book, key)


class Account(ReversingAccount):
    """One personal account («лицевой счёт»)."""

    def open(
        self,
        number: str,
        payer_kind: str,
        on: date,
        opening: Sequence[ServiceAmount] = (),
        *,
        due_on: date | None = None,
    ) -> None:
        """Open the account. Raises Conflict ``account_exists``."""
        if self.version:
            raise Conflict("account_exists", "This account is open already.", account=number)
        for item in opening:
            check_amount(item.amount, "opening balance")
        check_services([item.service for item in opening], "invalid_opening")
        self.post(
            AccountOpened(
                account=number,
                payer_kind=payer_kind,
                effective_on=on,
                opening=tuple(opening),
                due_on=due_on,
            )
        )

    def close(self, until: date) -> bool:
        """Close the account after the last day of its holder; return False if it was.

        Another day replaces the one that was known.
        """
        self.must_exist()
        if self.closed_on == until:
            return False
        self.record(AccountClosed(account=self.number, effective_on=until))
        return True

    def change_payer_kind(self, payer_kind: str, on: date) -> bool:
        """Take another kind of payer from a day on; return False for the kind that it has.

        What is owed before keeps its rules; what takes effect from then on bears the new ones.
        """
        self.must_exist()
        if payer_kind == self.payer_kind:
            return False
        self.post(PayerKindChanged(account=self.number, payer_kind=payer_kind, effective_on=on))
        return True

    def post_opening(
        self, on: date, opening: Sequence[ServiceAmount], *, due_on: date | None = None
    ) -> None:
        """Post the opening balance of an account that is open already; once at most.

        A negative sum is an advance. An advance that is there pays what it can. Needs the whole
        history. Raises Conflict ``opening_posted``, ValidationFailed for no sums.
        """
        self.must_exist()
        if self.opening:
            raise Conflict(
                "opening_posted", "The opening balance of this account is posted already."
            )
        if not opening or any(item.amount == 0 for item in opening):
            raise ValidationFailed(
                "invalid_opening", "An opening balance has sums, none of them 0."
            )
        for item in opening:
            check_amount(item.amount, "opening balance")
        check_services([item.service for item in opening], "invalid_opening")
        self.post(
            OpeningPosted(
                account=self.number, effective_on=on, opening=tuple(opening), due_on=due_on
            )
        )

    def post_charges(
        self,
        period: str,
        on: date,
        due_on: date,
        lines: Sequence[ChargeLine],
        *,
        bill_number: str = "",
    ) -> None:
        """Post a month's bill; an advance pays what it can of it at once.

        Raises Conflict ``period_charged`` when the month has its bill already (correct it by an
        adjustment instead), ValidationFailed for an invalid month, a line that does not add up or
        a service that comes twice.
        """
        self.must_exist()
        check_month(period)
        if period in self.charged_periods:
            raise Conflict(
                "period_charged",
                f"The charges of {period} are posted already; post an adjustment instead.",
                period=period,
            )
        if not lines:
            raise ValidationFailed("invalid_charges", "A bill has at least one line.")
        owed, money_back = checked_sums(lines)
        bill = ChargesPosted(
            account=self.number,
            period=period,
            effective_on=on,
            due_on=due_on,
            lines=tuple(lines),
            bill_number=bill_number,
            moved=(),
        )
        if self.complete:
            self.post(bill)
        else:
            self.charge_by_row(bill, owed, money_back)

    def adjust_charges(
        self,
        adjustment_id: UUID,
        period: str,
        on: date,
        lines: Sequence[ServiceAmount],
        reason: str,
        *,
        due_on: date | None = None,
    ) -> bool:
        """Recalculate a month's bill by signed sums; return False if it was done before.

        ``due_on``: until when what is owed in addition is paid in time; None: as the bill. It takes
        effect no earlier than the bill. Raises NotFound ``period_not_charged``, ValidationFailed
        for no lines, a zero, or a service that comes twice.
        """
        self.must_exist()
        if adjustment_id in self.adjustments:
            return False
        bill = self.bills.get(period)
        if bill is None:
            raise NotFound(
                "period_not_charged",
                f"There is no bill of {period} to adjust; one that was missed is imported with "
                "--missed.",
                period=period,
            )
        if not lines or any(line.amount == 0 for line in lines):
            raise ValidationFailed("invalid_adjustment", "An adjustment has sums, none of them 0.")
        for line in lines:
            check_amount(line.amount, "adjustment")
        check_services([line.service for line in lines], "invalid_adjustment")
        self.post(
            ChargesAdjusted(
                account=self.number,
                adjustment_id=adjustment_id,
                corrects=bill[0],
                period=period,
                effective_on=max(on, bill[1].effective_on),
                reason=reason,
                lines=tuple(lines),
                due_on=due_on if any(line.amount > 0 for line in lines) else None,
            )
        )
        return True

    def write_off_penalty(self, amount: Kopecks, on: date, reason: str) -> None:
        """Waive a penalty that is owed by a day, by the rules.

        What is not accrued yet is accrued with it. Without rules it takes effect no earlier than
        the last accrual. Raises Conflict ``penalty_not_owed`` for more than is owed.
        """
        self.must_exist()
        check_positive(amount, "penalty to write off")
        owed = self.penalty
        if self.law is None:
            on = max(on, self.penalty_changed_on)
        else:
            owed = self.penalty_due(on)
        if amount > owed:
            raise Conflict(
                "penalty_not_owed",
                f"Only a penalty that is owed can be written off: by {on} it is "
                f"{format_roubles(owed)}.",
                penalty=owed,
            )
        self.post(
            PenaltyWrittenOff(
                account=self.number,
                corrects=self.last_accrual,
                amount=amount,
                effective_on=on,
                reason=reason,
            )
        )

    def post_payment(
        self,
        payment_id: UUID,
        on: date,
        amount: Kopecks,
        penalty: Kopecks | None,
        *,
        first: str | None = None,
        policy: Policy = DEFAULT_POLICY,
        taken: TakenElsewhere | None = None,
        moved_from: str = "",
    ) -> bool:
        """Post a payment as the payer named it; return False if the same one was posted before.

        Principal and penalty are allocated as named, the penalty owed by that day accrued with it;
        what exceeds one pays the other, and only then is an advance. ``penalty`` None means that
        the payer named one sum for all. ``first`` is a period that the payer named; one that owes
        nothing changes nothing. Raises ValidationFailed for an invalid sum,
        Conflict ``payment_posted_otherwise`` for another day or sum than it was posted with.
        """
        self.must_exist()
        named = penalty or 0
        if payment_id in self.payments:
            self._must_be_same(payment_id, on, amount, named)
            return False
        for part in (amount, named):
            if not 0 <= part <= MAX_AMOUNT:
                raise ValidationFailed("invalid_amount", "A payment is a positive sum of kopecks.")
        if amount + named == 0:
            raise ValidationFailed("nothing_to_pay", "A payment of nothing cannot be posted.")
        if self.policies.get(policy.name) is not policy:
            self.policies = {**self.policies, policy.name: policy}
        payment = PaymentPosted(
            account=self.number,
            payment_id=payment_id,
            effective_on=on,
            amount=amount,
            penalty=named,
            allocation=(),
            penalty_allocated=0,
            advance=0,
            policy=policy.name,
            named_period=first or "",
            penalty_named=penalty is not None,
            taken=taken,
            moved_from=moved_from,
            moved=(),
        )
        if self.complete:
            self.post(payment)
        else:
            self.pay_by_row(payment, policy)
        return True

    def move_payment(self, payment_id: UUID, to: Account, on: date, reason: str) -> bool:
        """Undo a payment here, and post what is left of it to another account, on its own day.

        Returns False if it was moved there before. Raises NotFound ``payment_not_posted``, Conflict
        ``nothing_left`` where it is reversed or went back, ``payment_posted_there`` where the other
        account has it already.
        """
        self.must_exist()
        to.must_exist()
        if self.moves.get(payment_id) == to.number:
            return False
        _, payment = self.posted(payment_id)
        amount, penalty = self.left_by_name(payment_id)
        if not amount + penalty:
            raise Conflict("nothing_left", "Nothing is left of this payment: it cannot be moved.")
        if payment_id in to.payments:
            raise Conflict(
                "payment_posted_there",
                f"This payment is posted to {to.number} already: reverse it here instead.",
                account=to.number,
            )
        self.reverse_payment(payment_id, on, reason, moved_to=to.number)
        return to.post_payment(
            payment_id,
            payment.effective_on,
            amount,
            penalty if payment.penalty_named else None,
            first=payment.named_period or None,
            policy=self.policies.get(payment.policy, DEFAULT_POLICY),
            taken=payment.taken,
            moved_from=self.number,
        )

    def _must_be_same(self, payment_id: UUID, on: date, amount: Kopecks, penalty: Kopecks) -> None:
        _, there = self.payments[payment_id]
        if (there.effective_on, there.amount, there.penalty) != (on, amount, penalty):
            raise Conflict(
                "payment_posted_otherwise",
                f"Payment {payment_id} is posted to {self.number} already, with another day or "
                f"sum: {format_roubles(there.amount)} and {format_roubles(there.penalty)} of "
                f"penalty on {there.effective_on}. Another payment has another id.",
                account=self.number,
            )
