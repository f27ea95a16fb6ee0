"""Closed months: their figures are reported, and staff can no longer post into them.

Closing a month closes all before it, for good. Imports, corrections and accruals that would take
effect in a closed month are refused; a mistake found later is corrected in the open month, by an
adjustment that names the month it corrects. Payments are not refused: the day of a payment is the
day on which the money was taken, however late its register arrives. Refunds are not refused either:
the money went back on that day.

A closing is an event, and what is closed is decided by the log alone: the table ``closings`` only
shows it.
"""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Any

import msgspec

from services.ledger.domain.book import CLOSINGS, ClosedMonths
from shared import context
from shared.errors import Conflict, ValidationFailed
from shared.eventstore.postgres import PostgresStore
from shared.eventstore.postgres_session import PostgresSession
from shared.ids import new_id

WAIT_FOR_WRITERS = "60s"
"""How long a closing waits for running writers: a chunk of an import, a correction."""

_KEY = "hashtextextended(current_schema() || '.closings', 0)"
_HOLD = f"SELECT pg_advisory_xact_lock_shared({_KEY})"
_TAKE = f"SELECT pg_advisory_xact_lock({_KEY})"
_LAST = (
    "SELECT convert_from(state, 'UTF8')::json ->> 'period' AS period FROM events "
    "WHERE originator_id = %s ORDER BY originator_version DESC LIMIT 1"
)
_MONTH = re.compile(r"[1-9][0-9]{3}-(0[1-9]|1[0-2])")


class CloseMonth(msgspec.Struct, frozen=True, kw_only=True):
    """Close a month and all before it."""

    period: str
    by: str
    reason: str


def closed_through(cursor: Any) -> date | None:
    """Return the last day that is closed; no month is closed until this transaction ends."""
    cursor.execute(_HOLD)
    return _last_closed(cursor)


def check_open(day: date, closed: date | None) -> None:
    """Raise Conflict ``period_closed`` for a day in a closed month."""
    if closed is not None and day <= closed:
        raise Conflict(
            "period_closed",
            f"{day} is in a closed month (closed through {closed:%Y-%m}): post it with a day after "
            f"{closed}, as an adjustment that names the month it corrects.",
            closed_through=closed.isoformat(),
        )


def close_period(
    store: PostgresStore, period: str, actor: str, reason: str, *, dry_run: bool = False
) -> date:
    """Close a month and all before it; return the last closed day.

    Waits for running writers. Raises ValidationFailed ``invalid_period`` unless it is a month that
    is over, Conflict ``period_closed`` when it is closed already.
    """
    last_day = _last_day(period)
    if last_day >= store.clock.today():
        raise ValidationFailed("invalid_period", f"{period} is not over yet: it cannot be closed.")
    if dry_run:
        store.query(lambda session: session.load(ClosedMonths, CLOSINGS).check_open(period))
        return last_day
    with context.bind(actor=actor, command_id=new_id(), correlation_id=f"close-{period}"):
        store.transact(_close, CloseMonth(period=period, by=actor, reason=reason))
    return last_day


def _close(session: PostgresSession, command: CloseMonth) -> None:
    # Whoever writes holds this lock before that of the log, so the log's is taken after it.
    session.cursor.execute(f"SET LOCAL lock_timeout = '{WAIT_FOR_WRITERS}'")
    session.cursor.execute(_TAKE)
    session.load(ClosedMonths, CLOSINGS).close(command.period, command.by, command.reason)


def _last_closed(cursor: Any) -> date | None:
    row = cursor.execute(_LAST, (CLOSINGS,)).fetchone()
    return _last_day(row["period"]) if row else None


def _last_day(period: str) -> date:
    if not _MONTH.fullmatch(period) or period == "9999-12":
        raise ValidationFailed(
            "invalid_period", f"{period!r} is not a month; write it like 2026-03."
        )
    year, month = int(period[:4]), int(period[5:])
    first_of_next = date(year + month // 12, month % 12 + 1, 1)
    return first_of_next - timedelta(days=1)
