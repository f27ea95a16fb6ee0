"""How an account decides where money goes: by the settlement of all its facts.

One with its history (``complete``) settles each new fact at its place in the order of effect; one
from a row decides only where the order cannot matter, else ``NeedsHistoryError``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, Protocol

from msgspec.structs import replace

from services.ledger.domain.allocation import POLICIES, Policy
from services.ledger.domain.debts import Booked, Debt, Law
from services.ledger.domain.events import (
    AdvanceSettled,
    ChargesAdjusted,
    ChargesPosted,
    OpeningPosted,
    PaymentPosted,
    PaymentRefunded,
    PaymentReversed,
    PenaltyAccrued,
    PenaltyCorrected,
    PenaltySegment,
    PenaltyWrittenOff,
)
from services.ledger.domain.order import (
    TAKEN_OVER,
    in_effect,
    in_order,
    is_fact,
    place,
)
from services.ledger.domain.settlement import Outcome, Settlement, settle_facts
from services.ledger.domain.standing import Standing
from services.ledger.domain.state import AccountState
from services.ledger.domain.validation import check_positive
from shared.cooperation import cooperatively
from shared.errors import NotFound
from shared.eventstore import NeedsHistoryError
from shared.money import Kopecks

BY_LATER_ENTRY = "an entry that was recorded later and took effect before"
BY_FACTS = "a payment or a recalculation since then"


class AccrualRules(Law, Protocol):
    """The law, with what an accrual keeps of it."""

    version: str

    def segments(self, debts: Iterable[Debt], on: date) -> tuple[tuple[PenaltySegment, ...], bool]:
        """Return the segments that bear a penalty by a day, and whether they are provisional."""
        ...


class DecidingAccount(AccountState):
    """An account that settles its facts; its law and day are set by who loads it."""

    law: AccrualRules | None = None
    """The penalty rules; None: the penalty is what was accrued."""
    today: date | None = None
    """The day on which corrections of the penalty take effect; None: that of their cause."""

    policies: Mapping[str, Policy] = POLICIES
    """By name: a payment is settled by the one that it was posted by."""

    _kept: tuple[Settlement, int, int] | None = None
    _kept_by_day: tuple[Settlement, date, int, int] | None = None

    def must_exist(self) -> None:
        """Raise NotFound ``account_not_found`` for an account that is not open."""
        if not self.version:
            raise NotFound("account_not_found", "There is no such account in the ledger.")

    @property
    def accrued_through(self) -> date | None:
        """The last day whose penalty was accrued."""
        return max([accrual.through for accrual in self.accruals], default=None)

    def settlement(self, through: date | None = None) -> Settlement:
        """Return the debts after all facts, or after those of a day and before."""
        self._need_history()
        if through is None:
            return self._settled_so_far()
        known = (through, len(self.facts), len(self.accruals))
        if self._kept_by_day is None or self._kept_by_day[1:] != known:
            self._kept_by_day = (self._folded(self.facts, through), *known)
        return self._kept_by_day[0]

    def penalty_due(self, on: date) -> Kopecks:
        """Return the penalty by the rules through a day that is neither paid nor waived."""
        return max(0, self.settlement(on).penalty_owed(on))

    def record(self, event: Any, settled: Settlement | None = None, *, past: bool = False) -> None:
        """Record an event, and what it moves so that the account stands by its settlement.

        Without one, an advance that is left beside an open debt pays it. In the ``past`` an accrual
        that was corrected only later stands beside an advance.
        """
        after = self.twin()
        after.book_own(event)
        target = after.twin() if settled is None else self._standing_by(settled, event)
        if not past:
            target.settle()
        moved, penalty = after.moved_to(target)
        if after.advance - sum([part.amount for part in moved]) - penalty != target.advance:
            raise RuntimeError(f"{type(event).__name__} of {self.number} does not add up")
        self.trigger(replace(event, moved=moved, moved_penalty=penalty))

    def post(self, fact: Any) -> None:
        """Record a fact, with the penalty that it pays or changes."""
        settled, outcome = self._including(fact)
        if self.law is not None:
            for day, amount in self._missing(settled, [*self.facts, fact]):
                self._accrue(amount, day, settled)
        self.record(_with_its_parts(fact, outcome), settled)
        through = self.accrued_through
        if self.law is None or through is None:
            return
        if fact.effective_on <= through or isinstance(fact, TAKEN_OVER):
            self.correct_accrued(through, fact.effective_on, BY_LATER_ENTRY)
        last = date.fromisoformat(self.last_fact[:10])
        if last > through and settled.penalty_by(last) < self.penalty_accrued:
            # A bill was lowered, or a rate fell, after the last day that is accrued.
            self.correct_accrued(last, last, BY_FACTS)
        if settled.penalty_paid + settled.waived > self.penalty_accrued:
            # What is left of the accrual is less than what was paid or waived on a later day.
            waived = [one.effective_on for one in self.facts if isinstance(one, PenaltyWrittenOff)]
            self.add_accrual(max(through, *settled.penalty_paid_by_day(), *waived))

    def redo(self, event: Any) -> None:
        """Record an event as it would have been, had all been recorded in the order of effect."""
        if is_fact(event):
            settled, outcome = self._including(event)
            self.record(_with_its_parts(event, outcome), settled, past=True)
            return
        if isinstance(event, PenaltyCorrected):
            beyond = max(0, -event.amount - event.waived - self.penalty)
            event = replace(event, advance=beyond)
        settled = self._settled_so_far()
        # A rate may have fallen since the last fact, and given back what was paid.
        settled.pass_to(getattr(event, "through", event.effective_on))
        self.record(event, settled, past=True)

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
        """Add a penalty, with its segments and the rule and version that produced it.

        One without segments is a billing centre's own figure; the rules correct it at once where an
        advance would pay it, and elsewhere before anybody pays it.
        """
        self.must_exist()
        check_positive(amount, "penalty")
        foreign = self.law is not None and not segments
        if foreign and self.advance:
            self._need_history()
        self.record(
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
        if foreign and self.complete:
            self.correct_accrued(self.accrued_through or on, on, BY_FACTS)

    def correct_accrued(self, through: date, on: date, reason: str) -> Kopecks:
        """Correct what is accrued by a day, if the facts say otherwise; return the change."""
        law = self._the_law()
        settled, whole = self._settled_by(through)
        change = settled.penalty_by(through) - self.penalty_accrued
        waived = self.penalty_waived - whole.waived
        if (change or waived) and self.last_accrual:
            segments, provisional = law.segments(settled.debts, through)
            self.record(
                PenaltyCorrected(
                    account=self.number,
                    corrects=self.last_accrual,
                    amount=change,
                    effective_on=max(self.today or on, on, self.penalty_changed_on),
                    rule=law.version,
                    reason=reason,
                    through=through,
                    provisional=provisional,
                    segments=segments,
                    waived=waived,
                    advance=max(0, -change - waived - self.penalty),
                ),
                whole,
            )
        return change

    def add_accrual(self, on: date) -> Kopecks:
        """Accrue what is due by a day beyond what is accrued; return the change.

        A rate that has fallen since may have given back a penalty that was paid or waived, also
        where the sum is the same.
        """
        settled, whole = self._settled_by(on)
        change = settled.penalty_by(on) - self.penalty_accrued
        waived = self.penalty_waived - whole.waived
        if change > 0 and not waived:
            self._accrue(change, on, settled, whole)
        elif change or waived:
            self.correct_accrued(on, on, BY_FACTS)
        elif self.moved_to(self._standing_by(whole).settle())[0] or self.stands_beside_a_debt:
            self.record(AdvanceSettled(account=self.number, effective_on=on), whole)
        return change

    def _accrue(
        self, amount: Kopecks, on: date, settled: Settlement, whole: Settlement | None = None
    ) -> None:
        law = self._the_law()
        segments, provisional = law.segments(settled.debts, on)
        self.record(
            PenaltyAccrued(
                account=self.number,
                amount=amount,
                effective_on=on,
                rule=law.version,
                through=on,
                provisional=provisional,
                segments=segments,
            ),
            whole,
        )

    def _missing(self, after: Settlement, facts: Sequence[Any]) -> list[tuple[date, Kopecks]]:
        """Return what has to be accrued so that money, or a waiver, finds its penalty: by day."""
        days = after.penalty_paid_by_day()
        for waiver in [one for one in facts if isinstance(one, PenaltyWrittenOff)]:
            days[waiver.effective_on] = days.get(waiver.effective_on, 0) + waiver.amount
        booked = sorted([(one.effective_on, one.amount) for one in self.accruals], reverse=True)
        # A waiver that was lowered since needs no penalty.
        lacking = -sum(one.waived for one in self.accruals if isinstance(one, PenaltyCorrected))
        missing, through = list[tuple[date, Kopecks]](), self.accrued_through
        for day in sorted(days):
            lacking += days[day]
            while booked and booked[-1][0] <= day:
                lacking -= booked.pop()[1]
            if lacking > 0:
                short = lacking
                if through is None or day > through:
                    by_rules = self._folded(facts, day).penalty_by(day)
                    added = sum(amount for _, amount in missing)
                    short = max(short, by_rules - self.penalty_accrued - added)
                missing.append((day, short))
                lacking -= short
        # What was booked by then may have been taken back on a later day.
        lacking -= sum(amount for _, amount in booked)
        if lacking > 0:
            missing.append((max(days), lacking))
        return missing

    def _standing_by(self, settled: Settlement, after: Any = None) -> Standing:
        """Return how the account stands by its settlement, with what is accrued after an event."""
        accrued, waived = self.penalty_accrued, self.penalty_waived
        match after:
            case PenaltyAccrued():
                accrued += after.amount
            case PenaltyCorrected():
                accrued += after.amount
                waived -= after.waived
            case PenaltyWrittenOff():
                waived += after.amount
        return Standing.of(settled.open, accrued - settled.penalty_paid - waived, settled.advance)

    def _settled_by(self, day: date) -> tuple[Settlement, Settlement]:
        """Return the debts by a day, and after all facts, which are the same if none is later."""
        settled = self.settlement(day)
        return settled, settled if self._has_all(day) else self._settled_so_far()

    def _including(self, fact: Any) -> tuple[Settlement, Outcome]:
        """Return the debts with one more fact at its place, and what that does.

        They are kept for when it is recorded.
        """
        self._need_history()
        settled, outcome = self._settled_so_far(), Outcome()
        if place(fact) >= self.last_fact:
            outcome = self._add(settled, fact)
        else:
            settled = Settlement(self._law_or_book())
            for one in cooperatively(in_order([*self.facts, fact])):
                done = self._add(settled, one)
                if one is fact:
                    outcome = done
        self._kept = (settled, len(self.facts) + 1, len(self.accruals))
        return settled, outcome

    def _settled_so_far(self) -> Settlement:
        if self._kept is not None:
            kept, facts, accruals = self._kept
            if facts == len(self.facts) and (self.law or accruals == len(self.accruals)):
                return kept
        settled = self._folded(self.facts)
        self._kept = (settled, len(self.facts), len(self.accruals))
        return settled

    def _folded(self, facts: Iterable[Any], through: date | None = None) -> Settlement:
        return settle_facts(facts, self._law_or_book(), through, self.policies)

    def _add(self, settled: Settlement, fact: Any) -> Outcome:
        policy = self.policies.get(fact.policy) if isinstance(fact, PaymentPosted) else None
        return settled.add(fact, policy)

    def _law_or_book(self) -> Law | Booked:
        return self.law or Booked([(one.effective_on, one.amount) for one in self.accruals])

    def _the_law(self) -> AccrualRules:
        if self.law is None:
            raise RuntimeError("an accrual takes the penalty rules")
        return self.law

    def _has_all(self, through: date) -> bool:
        """Return whether all facts have taken effect by a day."""
        return len(in_effect(self.facts, through)) == len(self.facts)

    def _need_history(self) -> None:
        if not self.complete:
            raise NeedsHistoryError(self.number)


def _with_its_parts(fact: Any, outcome: Outcome) -> Any:
    """Return the event of a fact with the parts that it names itself."""
    match fact:
        case PaymentPosted():
            return replace(
                fact,
                allocation=outcome.allocation,
                penalty_allocated=outcome.penalty,
                advance=outcome.advance,
            )
        case ChargesPosted() | OpeningPosted():
            return replace(fact, allocation=outcome.allocation)
        case ChargesAdjusted():
            return replace(
                fact,
                released=outcome.released,
                advance=outcome.advance,
                allocation=outcome.allocation,
            )
        case PaymentReversed() | PaymentRefunded():
            return replace(
                fact,
                restored=outcome.restored,
                penalty_restored=outcome.penalty_restored,
                advance_taken=outcome.advance_taken,
                reopened=outcome.reopened,
            )
        case PenaltyWrittenOff():
            return replace(fact, advance=outcome.advance)
    return fact
