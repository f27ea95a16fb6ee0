"""The penalty rules as the settlement of an account asks for them."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from datetime import date
from functools import lru_cache

from services.ledger.domain.debts import Debt
from services.ledger.domain.events import PenaltySegment
from services.ledger.penalties.calculator import ChargePenalty, penalty_on
from services.ledger.penalties.payment_matching import Due, Part
from services.ledger.penalties.rules import PenaltyRules, load_rules
from shared.errors import ServiceError
from shared.money import Kopecks

REMEMBERED = 4096
"""How many sums are remembered: whoever looks at his debts looks at them more than once."""


class PenaltyLaw:
    """The penalty of debts by the rules of a file.

    A debt that the rules do not cover bears nothing here, so that a payment never fails for it;
    accrual reports its account.
    """

    def __init__(self, rules: PenaltyRules) -> None:
        self.rules = rules
        self.version = rules.version
        self._falls = rules.falling_days()
        self._remembered: dict[Hashable, Kopecks] = {}

    def remembered(self, known_by: Hashable) -> Kopecks | None:
        """Return a sum that these rules have given for something; None if it is not known."""
        return self._remembered.get(known_by)

    def remember(self, known_by: Hashable, amount: Kopecks) -> Kopecks:
        """Remember a sum for a while, in place of the oldest one; return it."""
        while len(self._remembered) >= REMEMBERED:
            self._remembered.pop(next(iter(self._remembered)), None)
        self._remembered[known_by] = amount
        return amount

    def penalty(self, debt: Debt, on: date) -> Kopecks:
        """Return the penalty on a debt through a day, which counts."""
        try:
            return self.explained(debt, on).total
        except ServiceError:
            return 0

    def falls(self, after: date, through: date) -> Sequence[date]:
        """Return the days in (after, through] from which a lower rate holds."""
        return [day for day in self._falls if after < day <= through]

    def segments(self, debts: Iterable[Debt], on: date) -> tuple[tuple[PenaltySegment, ...], bool]:
        """Return the segments that bear a penalty by a day, and whether they are provisional."""
        explained = [self._explained_or_none(debt, on) for debt in debts]
        found = [penalty for penalty in explained if penalty is not None]
        return _segments(found), any(penalty.provisional for penalty in found)

    def explained(self, debt: Debt, on: date) -> ChargePenalty:
        """Return the penalty on a debt, segment by segment.

        Raises ValidationFailed for days that the rules do not cover.
        """
        by_day = debt.paid_by_day()
        unpaid = debt.unpaid
        parts = [Part(amount, day) for day, amount in by_day.items() if amount]
        if unpaid:
            parts.append(Part(unpaid))
        amount = unpaid + sum(by_day.values())
        due = Due(amount, debt.period, debt.due_on, debt.effective_on)
        return penalty_on(due, parts, debt.payer, on, self.rules)

    def _explained_or_none(self, debt: Debt, on: date) -> ChargePenalty | None:
        try:
            return self.explained(debt, on)
        except ServiceError:
            return None


@lru_cache(maxsize=1)
def law_in_force() -> PenaltyLaw:
    """Return the law by the operator's rules, read once: they change by a new start."""
    return PenaltyLaw(load_rules())


def _segments(calculated: Iterable[ChargePenalty]) -> tuple[PenaltySegment, ...]:
    return tuple(
        PenaltySegment(
            period=penalty.period,
            first_day=segment.first_day,
            last_day=segment.last_day,
            days=segment.days,
            base=segment.base,
            rate=str(segment.rate),
            divisor=segment.divisor,
            amount=segment.amount,
        )
        for penalty in calculated
        for segment in penalty.segments
        if segment.divisor is not None and segment.amount
    )
