"""Settlement: which money pays which debt, and when, in the order of effect.

The facts of an account are what happened: openings, bills, recalculations, payments, reversals,
waivers, changes of the kind of payer. Taken in the order of effect, they say what is owed, what has
paid it and on which day, whatever order they were recorded in. Accruals are not facts: they book
what the rules (:class:`~services.ledger.domain.debts.Law`) say about these debts.

One rule for money that comes early, late or too much: it pays principal, then the penalty owed by
that day, and only what is still left is an advance. So no advance stands beside an open debt.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from services.ledger.domain.allocation import (
    DEFAULT_POLICY,
    POLICIES,
    AllocatedPart,
    Policy,
    allocate,
    merged,
)
from services.ledger.domain.debts import CAPITAL_REPAIR, Booked, Debt, Law, Paid, Slice
from services.ledger.domain.events import (
    AccountOpened,
    ChargesAdjusted,
    ChargesPosted,
    OpeningPosted,
    PayerKindChanged,
    PaymentPosted,
    PaymentRefunded,
    PaymentReversed,
    PenaltyWrittenOff,
    ServiceAmount,
)
from services.ledger.domain.order import OPENING_PERIOD, in_effect, in_order
from services.ledger.domain.taking_back import (
    bills_of,
    last_first,
    penalty_of,
    spent_last_first,
)
from shared.cooperation import cooperatively
from shared.money import Kopecks
from shared.payer_kinds import PayerKind


@dataclass(slots=True)
class Outcome:
    """What one fact did: the parts that its event names."""

    allocation: tuple[AllocatedPart, ...] = ()
    penalty: Kopecks = 0
    advance: Kopecks = 0
    released: tuple[AllocatedPart, ...] = ()
    restored: tuple[AllocatedPart, ...] = ()
    penalty_restored: Kopecks = 0
    advance_taken: Kopecks = 0
    reopened: tuple[AllocatedPart, ...] = ()


class Settlement:
    """The debts of an account and what has paid them, fact by fact in the order of effect."""

    def __init__(self, law: Law | Booked, policy: Policy = DEFAULT_POLICY) -> None:
        self.law = law
        self.open: dict[str, dict[str, Kopecks]] = {}
        self.advance: Kopecks = 0
        self.penalty_paid: Kopecks = 0
        self.waived: Kopecks = 0
        self.last_day = date.min
        self.debts: list[Debt] = []
        self._policy = policy
        self._payer_kind = PayerKind.HOUSEHOLD
        self._due_on: dict[str, date] = {}
        self._slices: dict[tuple[str, str], list[Slice]] = {}
        self._joined: dict[tuple[str, PayerKind, date, date], Debt] = {}
        self._paid: list[tuple[Paid, Slice | None]] = []
        self._sums: dict[UUID, Kopecks] = {}

    def add(self, fact: Any, policy: Policy | None = None) -> Outcome:  # noqa: PLR0911 - one for each fact
        """Let a fact take effect; it is not before those that were added."""
        if isinstance(fact, AccountOpened | OpeningPosted):
            return self._take_over(fact)
        on = max(fact.effective_on, self.last_day)
        self.pass_to(on)
        match fact:
            case PaymentPosted():
                return self._pay_in(fact, on, policy or self._policy)
            case ChargesPosted():
                self._due_on[fact.period] = fact.due_on
                owed = [(line.service, line.payable) for line in fact.lines]
                return self._charge(fact.period, fact.due_on, on, owed)
            case ChargesAdjusted():
                return self._adjust(fact, on)
            case PaymentReversed():
                return self._take_out(fact.payment_id, fact.amount + fact.penalty, on)
            case PaymentRefunded():
                return self._take_out(fact.payment_id, fact.amount, on)
            case PenaltyWrittenOff():
                return self._waive(fact.amount, on)
            case PayerKindChanged():
                self._payer_kind = PayerKind(fact.payer_kind)
                return Outcome()
        raise TypeError(f"not a fact of an account: {type(fact).__name__}")

    def pass_to(self, day: date) -> None:
        """Let the days until then pass: a rate that falls may give back what was paid."""
        if self.penalty_paid or self.waived:
            for fall in self.law.falls(self.last_day, day):
                money = self._give_back(fall)
                if money:
                    _, _, rest = self._settle(money, fall)
                    self.advance += rest
        self.last_day = max(self.last_day, day)

    def penalty_by(self, day: date) -> Kopecks:
        """Return the penalty by the rules through a day, on all debts."""
        if isinstance(self.law, Booked):
            return self.law.penalty_by(day)
        total = 0
        for debt in cooperatively(self.debts):
            if day <= debt.late_after:
                continue
            if debt.final and debt.final[0][0] <= day:
                total += debt.final[0][1]
                continue
            penalty = self.law.penalty(debt, day)
            if debt.unpaid == 0:
                last = max([paid.on for one in debt.slices for paid in one.paid], default=date.min)
                if last <= day:
                    debt.final[:] = [(last, penalty)]
            total += penalty
        return total

    def penalty_owed(self, day: date) -> Kopecks:
        """Return the penalty by the rules through a day that is neither paid nor waived."""
        return self.penalty_by(day) - self.penalty_paid - self.waived

    def penalty_paid_by_day(self) -> dict[date, Kopecks]:
        """Return the money that pays the penalty, by the day on which it came."""
        days: dict[date, Kopecks] = {}
        for paid, one in self._paid:
            if one is None and paid.amount:
                days[paid.on] = days.get(paid.on, 0) + paid.amount
        return days

    def ahead(self, payment_id: UUID) -> Kopecks:
        """Return what of a payment pays nothing by itself: an advance, or what that has paid."""
        return self._sums[payment_id] - sum(paid.amount for paid, _ in self._own(payment_id))

    # The facts

    def _take_over(self, fact: AccountOpened | OpeningPosted) -> Outcome:
        if isinstance(fact, AccountOpened):
            self._payer_kind = PayerKind(fact.payer_kind)
        owed = [(item.service, item.amount) for item in fact.opening]
        # Its own day says since when it is late; it was owed before all that happened here.
        return self._charge(OPENING_PERIOD, fact.due_on or fact.effective_on, self.last_day, owed)

    def _charge(
        self, period: str, due_on: date, on: date, owed: Sequence[tuple[str, Kopecks]]
    ) -> Outcome:
        self._owe(period, due_on, on, owed)
        money = self.advance - sum(amount for _, amount in owed if amount < 0)
        if not money:
            return Outcome()
        allocation, penalty, self.advance = self._settle(money, on, first=period)
        return Outcome(allocation=allocation, penalty=penalty)

    def _adjust(self, fact: ChargesAdjusted, on: date) -> Outcome:
        own = self._due_on.get(fact.period, on)
        owed = [(line.service, line.amount) for line in fact.lines if line.amount > 0]
        self._owe(fact.period, fact.due_on or own, on, owed)
        released, back = self._lower(fact.period, fact.lines)
        money = self.advance + back + self._give_back(on)
        allocation, penalty, self.advance = self._settle(money, on, first=fact.period)
        return Outcome(allocation=allocation, penalty=penalty, released=released, advance=back)

    def _pay_in(self, fact: PaymentPosted, on: date, policy: Policy) -> Outcome:
        payer, first = fact.payment_id, fact.named_period or None
        self._sums[payer] = fact.amount + fact.penalty
        allocation, rest = allocate(self.open, fact.amount, first, policy)
        self._pay(allocation, on, payer)
        penalty = 0
        if fact.penalty or rest:
            owed = max(0, self.penalty_owed(on))
            penalty = min(fact.penalty, owed)
            more, left = allocate(self.open, fact.penalty - penalty, first, policy)
            self._pay(more, on, payer)
            allocation = merged((*allocation, *more))
            rest += left
            beyond = min(rest, owed - penalty)
            penalty += beyond
            rest -= beyond
            self._pay_penalty(penalty, on, payer)
            self.advance += rest
        return Outcome(allocation=allocation, penalty=penalty, advance=rest)

    def _take_out(self, payment_id: UUID, amount: Kopecks, on: date) -> Outcome:
        """Undo a sum of a payment, the last of what it did first; all of it is a reversal."""
        money = min(amount, self.ahead(payment_id))
        own = last_first(self._own(payment_id), amount - money)
        self._sums[payment_id] -= amount
        taken = min(money, self.advance)
        self.advance -= taken
        spent = spent_last_first(self._paid, money - taken)
        for paid, one, take in (*own, *spent):
            self._take_back(paid, one, take)
        self._paid = [(paid, one) for paid, one in self._paid if paid.amount]
        outcome = Outcome(
            restored=bills_of(own),
            penalty_restored=penalty_of((*own, *spent)),
            advance_taken=taken,
            reopened=bills_of(spent),
        )
        # What is owed again goes by the rate of today, which may be lower than that of then.
        if money := self.advance + self._give_back(on):
            outcome.allocation, outcome.penalty, self.advance = self._settle(money, on)
        return outcome

    def _own(self, payment_id: UUID) -> list[tuple[Paid, Slice | None]]:
        return [(paid, one) for paid, one in self._paid if paid.payer == payment_id and paid.amount]

    def _waive(self, amount: Kopecks, on: date) -> Outcome:
        by_rules = self.penalty_by(on)
        self.waived += min(amount, max(0, by_rules - self.waived))
        # What of it had been paid before is money back.
        money = self._release(self.penalty_paid + self.waived - by_rules)
        if not money:
            return Outcome()
        allocation, penalty, self.advance = self._settle(self.advance + money, on)
        return Outcome(allocation=allocation, penalty=penalty, advance=money)

    # Money

    def _settle(
        self, money: Kopecks, on: date, first: str | None = None
    ) -> tuple[tuple[AllocatedPart, ...], Kopecks, Kopecks]:
        """Let money pay principal, then the penalty; return both, and what is left."""
        allocation, rest = allocate(self.open, money, first, self._policy)
        self._pay(allocation, on, None)
        penalty = min(rest, max(0, self.penalty_owed(on))) if rest else 0
        self._pay_penalty(penalty, on, None)
        return allocation, penalty, rest - penalty

    def _give_back(self, on: date) -> Kopecks:
        """Lower what is waived, and then what is paid, to the penalty by a day; return the latter.

        Whoever was let off too much is let off less first; whoever paid too much has money back.
        """
        if not self.penalty_paid and not self.waived:
            return 0
        excess = self.penalty_paid + self.waived - self.penalty_by(on)
        if excess <= 0:
            return 0
        waived = min(self.waived, excess)
        self.waived -= waived
        return self._release(excess - waived)

    def _release(self, amount: Kopecks) -> Kopecks:
        """Take back money that pays the penalty, the last first; return how much."""
        left = min(max(0, amount), self.penalty_paid)
        released = left
        for paid, one in reversed(self._paid):
            if not left:
                break
            if one is None and paid.amount:
                take = min(left, paid.amount)
                self._take_back(paid, None, take)
                left -= take
        return released

    def _owe(
        self, period: str, due_on: date, on: date, owed: Sequence[tuple[str, Kopecks]]
    ) -> None:
        for service, amount in owed:
            if amount > 0:
                # ч. 14.1 is about every owner of premises, a person or an organisation.
                is_repair = service == CAPITAL_REPAIR
                payer = PayerKind.CAPITAL_REPAIR if is_repair else self._payer_kind
                debt = self._joined.get((period, payer, due_on, on))
                if debt is None:
                    debt = Debt(payer, period, due_on, on)
                    self._joined[period, payer, due_on, on] = debt
                    self.debts.append(debt)
                debt.final.clear()
                one = Slice(period, service, amount, debt.final)
                debt.slices.append(one)
                self._slices.setdefault((period, service), []).append(one)
                self._reopen(one, amount)

    def _lower(
        self, period: str, lines: Iterable[ServiceAmount]
    ) -> tuple[tuple[AllocatedPart, ...], Kopecks]:
        """Take negative lines off a bill; return what was open of them, and the money back."""
        released, back = [], 0
        for line in lines:
            left = -line.amount
            if left <= 0:
                continue
            slices = self._slices.get((period, line.service), ())
            open_before = left
            for one in reversed(slices):
                take = min(left, one.unpaid)
                if take:
                    one.unpaid -= take
                    one.final.clear()
                    self._close(one, take)
                    left -= take
            if open_before > left:
                released.append(AllocatedPart(period, line.service, open_before - left))
            back += left
            # The last payment first. What is taken off beyond the bill was never paid.
            for paid, paid_slice in reversed(self._paid):
                if not left:
                    break
                if paid_slice is not None and paid_slice in slices and paid.amount:
                    take = min(left, paid.amount)
                    _shrink(paid, paid_slice, take)
                    left -= take
        return tuple(released), back

    def _pay(self, parts: Iterable[AllocatedPart], on: date, payer: UUID | None) -> None:
        for part in parts:
            left = part.amount
            for one in self._slices[part.period, part.service]:
                take = min(left, one.unpaid)
                if take:
                    one.unpaid -= take
                    one.final.clear()
                    paid = Paid(payer, take, on)
                    one.paid.append(paid)
                    self._paid.append((paid, one))
                    self._close(one, take)
                    left -= take

    def _pay_penalty(self, amount: Kopecks, on: date, payer: UUID | None) -> None:
        if amount:
            self.penalty_paid += amount
            self._paid.append((Paid(payer, amount, on), None))

    def _take_back(self, paid: Paid, one: Slice | None, amount: Kopecks) -> None:
        """Let money no longer pay what it paid: that is owed again, as if it had never been."""
        if one is None:
            self.penalty_paid -= amount
            paid.amount -= amount
            return
        _shrink(paid, one, amount)
        one.unpaid += amount
        self._reopen(one, amount)

    def _reopen(self, one: Slice, amount: Kopecks) -> None:
        owed = self.open.setdefault(one.period, {})
        owed[one.service] = owed.get(one.service, 0) + amount

    def _close(self, one: Slice, amount: Kopecks) -> None:
        owed = self.open[one.period]
        left = owed[one.service] - amount
        if left:
            owed[one.service] = left
        else:
            del owed[one.service]
            if not owed:
                del self.open[one.period]


def settle_facts(
    facts: Iterable[Any],
    law: Law | Booked,
    through: date | None = None,
    policies: Mapping[str, Policy] = POLICIES,
) -> Settlement:
    """Return the debts after facts in any order; with ``through``, by the end of that day.

    A payment is settled by the policy that it was posted by, whatever is the default today.
    """
    order = in_order(facts)
    if through is not None:
        order = in_effect(order, through)
    found = Settlement(law)
    for fact in cooperatively(order):
        found.add(fact, policies.get(getattr(fact, "policy", "")))
    if through is not None:
        found.pass_to(through)
    return found


def _shrink(paid: Paid, one: Slice, amount: Kopecks) -> None:
    paid.amount -= amount
    one.final.clear()
    if not paid.amount:
        one.paid.remove(paid)
