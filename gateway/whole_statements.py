"""Statements of given days, whole: of one account, or of all that are linked, with totals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from functools import partial
from typing import Any

from gateway.concurrently import all_of
from gateway.operations import Call
from gateway.problems import Refusal
from shared.clock import SystemClock
from shared.config import Settings
from shared.errors import NotFound

PIECE = 2000
"""Movements that the ledger is asked for at a time."""
COLUMNS = ("opening", "charged", "recalculated", "concession", "penalty", "paid", "closing")


def days_asked(call: Call, settings: Settings) -> tuple[date, date]:
    """Return the days of a statement: by default up to today, from eleven months before this one.

    Raises Refusal 422 where the first day is after the last one.
    """
    last_day = call.query["last_day"] or SystemClock(settings.timezone).today()
    first_day = call.query["first_day"] or _year_before(last_day)
    if first_day > last_day:
        raise Refusal(422, "invalid_days", errors=[{"parameter": "from", "message": "field_date"}])
    return first_day, last_day


def _year_before(day: date) -> date:
    """Return the first of the month that is eleven months before the one of a day."""
    months = day.year * 12 + day.month - 1 - 11
    return date(max(months // 12, date.min.year), months % 12 + 1, 1)


def statements_of(
    call: Call, accounts: Sequence[Mapping[str, Any]], first_day: date, last_day: date
) -> dict[str, Any]:
    """Return the statements of accounts side by side, and the totals of them all."""
    found = all_of([partial(_whole, call, account, first_day, last_day) for account in accounts])
    totals: Counter[str] = Counter(dict.fromkeys(COLUMNS, 0))
    for statement in found:
        for column in COLUMNS:
            totals[column] += statement["totals"][column]
    return {
        "first_day": first_day.isoformat(),
        "last_day": last_day.isoformat(),
        "accounts": found,
        "totals": dict(totals),
    }


def _whole(
    call: Call, account: Mapping[str, Any], first_day: date, last_day: date
) -> dict[str, Any]:
    movements: list[Any] = []
    totals: Mapping[str, int] = dict.fromkeys(COLUMNS, 0)
    after: int | None = 0
    while after is not None:
        try:
            page = call.ask(
                "ledger",
                "statement_between",
                number=account["number"],
                first_day=first_day.isoformat(),
                last_day=last_day.isoformat(),
                after=after,
                limit=PIECE,
            )
        except NotFound:
            break  # linked, and nothing is booked on it yet
        movements += page["movements"]
        totals, after = page["totals"], page["next"]
    return {
        "number": account["number"],
        "address": account["address"],
        "movements": movements,
        "totals": totals,
    }
