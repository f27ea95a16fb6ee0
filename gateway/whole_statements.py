"""Statements of given days, whole: of one account, or of all that are linked, with totals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from gateway.operations import Call
from gateway.problems import Refusal
from shared.clock import Clock

PIECE = 2000
"""Movements that the ledger is asked for at a time."""
COLUMNS = ("opening", "charged", "recalculated", "concession", "penalty", "paid", "closing")


def days_asked(call: Call, clock: Clock) -> tuple[date, date]:
    """Return the days of a statement: by default up to today, from eleven months before this one.

    Raises Refusal 422 where the first day is after the last one.
    """
    last_day = call.query["last_day"] or clock.today()
    first_day = call.query["first_day"] or _year_before(last_day)
    if first_day > last_day:
        raise Refusal(422, "invalid_days", errors=[{"parameter": "from", "message": "field_date"}])
    return first_day, last_day


def _year_before(day: date) -> date:
    """Return the first of the month that is eleven months before the one of a day."""
    months = day.year * 12 + day.month - 1 - 11
    return date(max(months // 12, date.min.year), months % 12 + 1, 1)


def entries_between(
    call: Call, keys: Sequence[str], first_day: date, last_day: date
) -> dict[str, dict[str, Any]]:
    """Return the movements and the totals of each account in given days, by its key.

    However many accounts there are, the ledger is asked once for each PIECE of movements.
    """
    entries: dict[str, dict[str, Any]] = {}
    after: int | None = 0 if keys else None
    while after is not None:
        page = call.ask(
            "ledger",
            "statements_between",
            numbers=list(keys),
            first_day=first_day.isoformat(),
            last_day=last_day.isoformat(),
            after=after,
            limit=PIECE,
        )
        for one in page["accounts"]:
            known = entries.setdefault(one["number"], {**one, "movements": []})
            known["movements"] += one["movements"]
        after = page["next"]
    return entries


def statements_of(
    accounts: Sequence[Mapping[str, Any]],
    entries: Mapping[str, Mapping[str, Any]],
    first_day: date,
    last_day: date,
) -> dict[str, Any]:
    """Return the statements of accounts, and the totals of them all."""
    totals: Counter[str] = Counter(dict.fromkeys(COLUMNS, 0))
    for account in accounts:
        for column in COLUMNS:
            totals[column] += entries[account["account"]]["totals"][column]
    return {
        "first_day": first_day.isoformat(),
        "last_day": last_day.isoformat(),
        "accounts": [
            {"address": account["address"], **entries[account["account"]]} for account in accounts
        ],
        "totals": dict(totals),
    }
