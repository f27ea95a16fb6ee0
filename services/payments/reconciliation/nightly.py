"""Which days the worker reconciles by itself: each, the morning after."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from services.payments.reconciliation import runs
from shared.eventstore import Session

CATCH_UP: Final = 7
"""How many days are made up for after an outage."""
RETRY_AFTER: Final = timedelta(minutes=10)


def due_day(now: datetime, zone: ZoneInfo, at: time, last: date | None) -> date | None:
    """Return the day to reconcile now; `last` is the newest that was. None: there is none.

    A day is due at the operator's hour of the next one. Missed days are made up for, the oldest
    first; without a `last` one only yesterday is.
    """
    here = now.astimezone(zone)
    over = here.date() - timedelta(days=1 if here.time() >= at else 2)
    first = over if last is None else max(last + timedelta(days=1), over - timedelta(CATCH_UP - 1))
    return first if first <= over else None


def due(session: Session, zone: ZoneInfo, at: time) -> date | None:
    """Return the day that is due and not reconciled yet."""
    last = runs.last_nightly(session)
    return due_day(session.now, zone, at, last["day"] if last else None)


def request_due(session: Session, zone: ZoneInfo, at: time) -> date | None:
    """Ask for the day that is due, a while after an attempt that failed."""
    day = due(session, zone, at)
    if day is None:
        return None
    tried = runs.last_try(session, day)
    if tried is not None and session.now - tried < RETRY_AFTER:
        return None
    runs.request_as(session, day, runs.BY_SCHEDULE)
    return day
