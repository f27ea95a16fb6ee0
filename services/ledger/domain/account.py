"""The personal account: which charges, penalties, payments and corrections are allowed.

All amounts are kopecks. Nothing is ever edited: each correction is a further event that names what
it corrects, and the balance is their sum. The events are in :mod:`services.ledger.domain.events`,
their effect on the state in :mod:`services.ledger.domain.state`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from uuid import UUID

from services.ledger.domain.allocation import DEFAULT_POLICY, AllocatedPart, Policy, allocate
from services.ledger.domain.book import BOOK_EVENTS
from services.ledger.domain.events import (
    ACCOUNT_EVENTS,
    AccountOpened,
    ChargeLine,
    ChargesAdjusted,
    ChargesPosted,
    OpeningPosted,
    PaymentPosted,
    PaymentReversed,
    PenaltyAccrued,
    PenaltyCorrected,
    PenaltySegment,
    PenaltyWrittenOff,
    ServiceAmount,
)
from services.ledger.domain.proposal import PROPOSAL_EVENTS
from services.ledger.domain.reversal import undo
from services.ledger.domain.state import OPENING_PERIOD, AccountState
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
def account_id(number: str, book: str = "main") -> UUID:
    """Return the id of an account's stream: UUIDv5 over book and number."""
    return derived_id(NAMESPACE, "ledger", book, number)


class Account(AccountState):
    """One personal account («лицевой счёт»)."""

    def open(
        self, number: str, payer_kind: str, on: date, opening: Sequence[ServiceAmount] = ()
    ) -> None:
        """Open the account. Raises Conflict ``account_exists``."""
        if self.version:
            raise Conflict("account_exists", "This account is open already.", account=number)
        for item in opening:
            check_amount(item.amount, "opening balance")
        check_services([item.service for item in opening], "invalid_opening")
        self.trigger(
            AccountOpened(
                account=number, payer_kind=payer_kind, effective_on=on, opening=tuple(opening)
            )
        )

    def post_opening(
        self, on: date, opening: Sequence[ServiceAmount], policy: Policy = DEFAULT_POLICY
    ) -> None:
        """Post the opening balance of an account that is open already; once at most.

        A negative sum is an advance. An advance that is there pays what it can. Needs the whole
        history. Raises Conflict ``opening_posted``, ValidationFailed for no sums.
        """
        self._must_exist()
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
        owed = {item.service: item.amount for item in opening if item.amount > 0}
        allocation, _ = allocate({OPENING_PERIOD: owed}, self.advance, policy=policy)
        self.trigger(
            OpeningPosted(
                account=self.number, effective_on=on, opening=tuple(opening), allocation=allocation
            )
        )

    def post_charges(
        self,
        period: str,
        on: date,
        due_on: date,
        lines: Sequence[ChargeLine],
        policy: Policy = DEFAULT_POLICY,
        *,
        bill_number: str = "",
    ) -> None:
        """Post a month's bill; an advance pays what it can of it at once.

        Raises Conflict ``period_charged`` when the month has its bill already (correct it by an
        adjustment instead), ValidationFailed for an invalid month, a line that does not add up or
        a service that comes twice.
        """
        self._must_exist()
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
        # Money back pays the other lines first. Most bills have no advance to pay them.
        available = self.advance + money_back
        allocation = allocate({period: owed}, available, policy=policy)[0] if available else ()
        self.trigger(
            ChargesPosted(
                account=self.number,
                period=period,
                effective_on=on,
                due_on=due_on,
                lines=tuple(lines),
                allocation=allocation,
                bill_number=bill_number,
            )
        )

    def adjust_charges(
        self,
        adjustment_id: UUID,
        period: str,
        on: date,
        lines: Sequence[ServiceAmount],
        reason: str,
        policy: Policy = DEFAULT_POLICY,
    ) -> bool:
        """Recalculate a month's bill by signed sums; return False if it was done before.

        It takes effect no earlier than the bill. Raises NotFound ``period_not_charged``,
        ValidationFailed for no lines, a zero, or a service that comes twice.
        """
        self._must_exist()
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
        released, advance = self._released(period, lines)
        owed = {line.service: line.amount for line in lines if line.amount > 0}
        allocation, _ = allocate({period: owed}, self.advance + advance, policy=policy)
        self.trigger(
            ChargesAdjusted(
                account=self.number,
                adjustment_id=adjustment_id,
                corrects=bill[0],
                period=period,
                effective_on=max(on, bill[1].effective_on),
                reason=reason,
                lines=tuple(lines),
                released=released,
                advance=advance,
                allocation=allocation,
            )
        )
        return True

    def accrue_penalty(
        self,
        amount: Kopecks,
        on: date,
        rule: str,
        *,
        through: date | None = None,
        provisional: bool = False,
        segments: Sequence[PenaltySegment] = (),
    ) -> None:
        """Add a penalty, with its segments and the rule and version that produced it."""
        self._must_exist()
        check_positive(amount, "penalty")
        self.trigger(
            PenaltyAccrued(
                account=self.number,
                amount=amount,
                effective_on=on,
                rule=rule,
                through=through or on,
                provisional=provisional,
                segments=tuple(segments),
            )
        )

    def correct_penalty(
        self,
        amount: Kopecks,
        on: date,
        rule: str,
        reason: str,
        *,
        through: date,
        provisional: bool = False,
        segments: Sequence[PenaltySegment] = (),
    ) -> None:
        """Change the penalty accrued so far by a signed difference.

        It takes effect no earlier than the last change of the penalty. Raises Conflict
        ``no_penalty_accrued`` when there is nothing to correct, ValidationFailed when more would
        be taken back than was accrued.
        """
        self._must_exist()
        if not self.last_accrual:
            raise Conflict("no_penalty_accrued", "No penalty was accrued that could be corrected.")
        check_amount(amount, "correction")
        if self.penalty_accrued + amount < 0:
            raise ValidationFailed(
                "invalid_amount", "No more penalty can be taken back than has been accrued."
            )
        # What is no longer owed was waived, or was paid and becomes an advance.
        beyond_owed = max(0, -amount - self.penalty)
        waived = min(beyond_owed, self.penalty_waived)
        self.trigger(
            PenaltyCorrected(
                account=self.number,
                corrects=self.last_accrual,
                amount=amount,
                effective_on=max(on, self.penalty_changed_on),
                rule=rule,
                reason=reason,
                through=through,
                provisional=provisional,
                segments=tuple(segments),
                waived=waived,
                advance=beyond_owed - waived,
            )
        )

    def write_off_penalty(self, amount: Kopecks, on: date, reason: str) -> None:
        """Waive a penalty that is owed. Raises Conflict ``penalty_not_owed`` for more than that.

        It takes effect no earlier than the last change of the penalty.
        """
        self._must_exist()
        check_positive(amount, "penalty to write off")
        if amount > self.penalty:
            raise Conflict(
                "penalty_not_owed",
                "Only a penalty that is owed can be written off.",
                penalty=self.penalty,
            )
        self.trigger(
            PenaltyWrittenOff(
                account=self.number,
                corrects=self.last_accrual,
                amount=amount,
                effective_on=max(on, self.penalty_changed_on),
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
    ) -> bool:
        """Post a payment as the payer named it; return False if the same one was posted before.

        Principal and penalty are allocated separately; what exceeds either debt becomes an
        advance. ``penalty`` None means that the payer named one sum for all: the policy decides
        whether what is left after principal pays penalty. ``first`` is a period that the payer
        named; one that owes nothing changes nothing. Raises ValidationFailed for an invalid sum,
        Conflict ``payment_posted_otherwise`` for another day or sum than it was posted with.
        """
        self._must_exist()
        named = penalty or 0
        if payment_id in self.payments:
            self._must_be_same(payment_id, on, amount, named)
            return False
        for part in (amount, named):
            if not 0 <= part <= MAX_AMOUNT:
                raise ValidationFailed("invalid_amount", "A payment is a positive sum of kopecks.")
        if amount + named == 0:
            raise ValidationFailed("nothing_to_pay", "A payment of nothing cannot be posted.")
        allocation, rest = allocate(self.open_items, amount, first, policy)
        for_penalty = named
        if penalty is None and policy.penalty == "after_principal":
            for_penalty = rest
        penalty_allocated = min(for_penalty, self.penalty)
        self.trigger(
            PaymentPosted(
                account=self.number,
                payment_id=payment_id,
                effective_on=on,
                amount=amount,
                penalty=named,
                allocation=allocation,
                penalty_allocated=penalty_allocated,
                advance=rest + named - penalty_allocated,
                policy=policy.name,
                named_period=first or "",
                penalty_named=penalty is not None,
            )
        )
        return True

    def reverse_payment(self, payment_id: UUID, on: date, reason: str) -> bool:
        """Undo a payment exactly; return False if it was reversed before.

        Where its advance has paid later bills, the last of these are owed again (see
        :mod:`services.ledger.domain.reversal`). It takes effect no earlier than the payment. Raises
        NotFound ``payment_not_posted``.
        """
        self._must_exist()
        if payment_id in self.reversed:
            return False
        posted = self.payments.get(payment_id)
        if posted is None:
            raise NotFound("payment_not_posted", "This payment is not posted to the account.")
        version, payment = posted
        undone = undo(payment, self.moves, self.advance)
        self.trigger(
            PaymentReversed(
                account=self.number,
                payment_id=payment_id,
                corrects=version,
                effective_on=max(on, payment.effective_on),
                reason=reason,
                amount=payment.amount,
                penalty=payment.penalty,
                restored=undone.restored,
                penalty_restored=undone.penalty_restored,
                advance_taken=undone.advance_taken,
                reopened=undone.reopened,
            )
        )
        return True

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

    def _released(
        self, period: str, lines: Sequence[ServiceAmount]
    ) -> tuple[tuple[AllocatedPart, ...], Kopecks]:
        owed = self.open_items.get(period, {})
        released, advance = [], 0
        for line in lines:
            if line.amount < 0:
                part = min(-line.amount, owed.get(line.service, 0))
                if part:
                    released.append(AllocatedPart(period, line.service, part))
                advance += -line.amount - part
        return tuple(released), advance

    def _must_exist(self) -> None:
        if not self.version:
            raise NotFound("account_not_found", "There is no such account in the ledger.")
