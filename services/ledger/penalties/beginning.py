"""The day on which a debt begins to bear a penalty, and the due days from which that is a day."""

from __future__ import annotations

from datetime import date, timedelta
from functools import lru_cache

from services.ledger.domain.debts import Debt
from services.ledger.penalties.rules import PenaltyRules
from services.ledger.penalties.timeline import timeline
from shared.errors import ValidationFailed
from shared.payer_kinds import PayerKind

_A_DAY = timedelta(days=1)
_LONGEST_WAIT = 1_000
"""Days from a due day to the first one that bears anything: a deferment, and moratoria after it."""


def first_penalty_day(debt: Debt, rules: PenaltyRules) -> date | None:
    """Return the first day on which a debt that stays open bears a penalty.

    None where the rules do not cover it, or never let it bear one.
    """
    return _first_day(rules, debt.payer, debt.late_after + _A_DAY)


@lru_cache(maxsize=64)  # all pages of a run ask for the same day
def due_days_bearing_from(first_day: date, rules: PenaltyRules) -> frozenset[date]:
    """Return the due days of the debts of some payer that bear a penalty from this day on."""
    days = (first_day - timedelta(days=late) for late in range(1, _LONGEST_WAIT))
    return frozenset(
        day
        for day in days
        if any(_first_day(rules, payer, day + _A_DAY) == first_day for payer in PayerKind)
    )


def _first_day(rules: PenaltyRules, payer: PayerKind, late_from: date) -> date | None:
    try:
        periods = timeline(rules, payer, late_from)
    except ValidationFailed:
        return None
    return next((period.first_day for period in periods if period.divisor is not None), None)
