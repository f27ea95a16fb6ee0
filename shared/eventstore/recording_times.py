"""The times of recording, when the clock of the database has been wrong.

The order of the log is the position. An event was recorded before all that follow, so one whose
time is later than that of a following event has a time that was ahead: it counts as recorded by the
earliest time that follows. ``clock_steps`` has the positions where times step back; between them
they never decrease.

The clock may turn out to be behind the log for two reasons. If it had jumped ahead, the log has a
leap that explains the difference, and no more time has passed in the log since the leap than by the
clock: then the clock is right now, and the log steps back to it. Otherwise it is the clock that is
behind, and the log keeps its last time until the clock has caught up.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from shared.logs import get_logger

log = get_logger(__name__)

TOLERANCE = timedelta(seconds=60)
"""By how much a clock is set back in the ordinary course; the log then waits for it."""

RECORDED_BY = (
    "CASE WHEN EXISTS (SELECT FROM clock_steps) THEN least(events.recorded_at, "
    "(SELECT min(step.recorded_at) FROM clock_steps AS step "
    "WHERE step.position > events.notification_id)) ELSE events.recorded_at END"
)
"""The time by which a row of ``events`` was recorded, as an expression of SQL."""

_STEPS = "SELECT position FROM clock_steps ORDER BY position DESC"
_LAST = "SELECT coalesce(max(notification_id), 0) AS last FROM events"
_TIME = "SELECT recorded_at FROM events WHERE notification_id = %s"
_STEP_BACK = (
    "INSERT INTO clock_steps (position, recorded_at, before) VALUES (%s, %s, %s) "
    "ON CONFLICT DO NOTHING"
)


def position_before(cursor: Any, instant: datetime) -> int:
    """Return the position of the last event recorded before an instant; 0 if there is none.

    It is found in some thirty look-ups, and some more for each time that the clock was set back.
    """
    end = int(cursor.execute(_LAST).fetchone()["last"])
    starts = [row["position"] for row in cursor.execute(_STEPS).fetchall()]
    for start in [*starts, 1]:
        if start <= end and _time_of(cursor, start) < instant:
            return _last_before(cursor, start, end, instant)
        end = start - 1
    return 0


def _last_before(cursor: Any, low: int, high: int, instant: datetime) -> int:
    """Return the last position before an instant; times never decrease, and that of low is."""
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if _time_of(cursor, middle) < instant else (low, middle - 1)
    return low


def _time_of(cursor: Any, position: int) -> datetime:
    found: datetime = cursor.execute(_TIME, (position,)).fetchone()["recorded_at"]
    return found


def time_behind_log(cursor: Any, position: int, last: datetime, clock: datetime) -> datetime:
    """Return the time for what comes after a position, whose time is ahead of the clock.

    The caller holds the append lock. See the module's docstring.
    """
    ahead = (last - clock).total_seconds()
    before = position_before(cursor, clock)
    if before:
        passed_by_clock = clock - _time_of(cursor, before)
        passed_in_log = last - _time_of(cursor, before + 1)
        if passed_in_log <= passed_by_clock + TOLERANCE:
            cursor.execute(_STEP_BACK, (position + 1, clock, last))
            log.warning("log_steps_back", position=position + 1, seconds=ahead)
            return clock
    log.error("clock_behind_log", position=position, seconds=ahead)
    return last
