"""When a month's charges are due (ЖК РФ ст. 155 ч. 1)."""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import date
from functools import lru_cache

from services.ledger.penalties.rules import DueDay, PenaltyRules, RecalculationDue
from shared.errors import ValidationFailed

_PERIOD = re.compile(r"(20[0-9]{2}|21[0-9]{2})-(0[1-9]|1[0-2])")


@lru_cache(maxsize=4096)  # there are few months, and many accounts
def due_on(period: str, rules: PenaltyRules) -> date:
    """Return the last day on which the charges of a month (``2026-03``) are paid in time.

    The day of the next month that the rules name; on a day off, the next working day. Raises
    ValidationFailed ``invalid_period``, or ``no_due_day`` for a month before the first rule.
    """
    rule = due_day_of(period, rules)
    year, month = int(period[:4]), int(period[5:])
    year, month = (year + 1, 1) if month == 12 else (year, month + 1)
    # Day 31 stands for the last day of a month, be it a February.
    day = date(year, month, min(rule.day, monthrange(year, month)[1]))
    return rules.holidays.next_from(day)


@lru_cache(maxsize=4096)
def due_day_of(period: str, rules: PenaltyRules) -> DueDay:
    """Return the rule that names the due day of a month's charges; raises as ``due_on``."""
    check_period(period)
    for rule in reversed(rules.due_days):
        if rule.from_period <= period:
            return rule
    raise ValidationFailed(
        "no_due_day",
        f"The penalty rules name no due day for {period}: add it to due_days, or name a due date.",
        period=period,
    )


def recalculation_due(effective_on: date, own_due: date, rules: PenaltyRules) -> date:
    """Return the last day on which what a recalculation adds is paid in time.

    It is never before that of the bill, ``own_due``, which stays where the rules name no due day
    for the month.
    """
    if rules.recalculation_due is RecalculationDue.OWN_BILL:
        return own_due
    try:
        return max(own_due, due_on(f"{effective_on:%Y-%m}", rules))
    except ValidationFailed:
        return own_due


def check_period(period: str) -> None:
    """Raise ValidationFailed ``invalid_period`` unless it is a month like ``2026-03``."""
    if not _PERIOD.fullmatch(period):
        raise ValidationFailed(
            "invalid_period", f"{period!r} is not a month; write it like 2026-03.", period=period
        )
