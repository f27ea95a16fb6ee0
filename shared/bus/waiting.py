"""Reactions that wait: what they need comes by another queue, and has not arrived yet.

Such a message is put aside in the table of parked ones, with a time until which the worker tries it
again by itself. Later messages of its subject wait behind it; all others go on. What still waits
when its time is over is parked for staff.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

PATIENCE = timedelta(minutes=15)
"""How long a message waits before it is parked."""

FIRST_TRY_S, LONGEST_PAUSE_S = 1, 30


class NotYet(Exception):  # noqa: N818 - not an error: it is tried again
    """What a reaction needs has not arrived yet; raise it from the refusal that is to be parked."""


def due(cursor: Any, limit: int) -> list[dict[str, Any]]:
    """Return the waiting messages that are to be tried, the first of each subject, oldest first.

    ``over`` says whether the time of one has ended.
    """
    cursor.execute(
        "SELECT id, upstream, subject, attempts, waits_until <= clock_timestamp() AS over "
        "FROM parked AS one WHERE waits_until IS NOT NULL AND next_try <= clock_timestamp() "
        "AND NOT EXISTS (SELECT FROM parked AS earlier WHERE earlier.upstream = one.upstream "
        "AND earlier.subject = one.subject AND earlier.id < one.id) ORDER BY id LIMIT %s",
        (limit,),
    )
    return cursor.fetchall()  # type: ignore[no-any-return]


def postpone(cursor: Any, parked_id: int, attempts: int) -> None:
    """Note that a message still waits; it is tried again after a pause that grows."""
    pause = min(FIRST_TRY_S * 2**attempts, LONGEST_PAUSE_S)
    cursor.execute(
        "UPDATE parked SET attempts = attempts + 1, "
        "next_try = clock_timestamp() + make_interval(secs => %s) WHERE id = %s",
        (pause, parked_id),
    )


def give_up(cursor: Any, parked_id: int, *, reason: str, error_id: str) -> None:
    """Park a waiting message for staff, with those behind it."""
    cursor.execute(
        "UPDATE parked SET waits_until = NULL, next_try = NULL, parked_at = clock_timestamp(), "
        "reason = CASE id WHEN %(id)s THEN %(reason)s ELSE reason END, "
        "error_id = CASE id WHEN %(id)s THEN %(error_id)s ELSE error_id END "
        "WHERE (upstream, subject) = (SELECT upstream, subject FROM parked WHERE id = %(id)s) "
        "AND waits_until IS NOT NULL",
        {"id": parked_id, "reason": reason, "error_id": error_id},
    )
