"""What the log has of payments: postings, refunds, reversals, found by day or by payment."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from shared.eventstore.recording_times import RECORDED_BY

_TOUCHED = f"""
SELECT notification_id AS position, topic, {RECORDED_BY} AS recorded_at, payment.id AS payment_id
  FROM events, LATERAL (SELECT convert_from(state, 'UTF8')::json AS json) AS event,
       LATERAL (SELECT (event.json ->> 'payment_id')::uuid AS id) AS payment
 WHERE notification_id > %(after)s AND notification_id <= %(up_to)s
   AND (topic = 'ledger.payment_posted.v1' AND event.json ->> 'effective_on' = %(day)s
        OR topic IN ('ledger.payment_refunded.v1', 'ledger.payment_reversed.v1')
           AND {RECORDED_BY} >= %(from)s AND {RECORDED_BY} < %(to)s)
 ORDER BY notification_id LIMIT %(limit)s
"""
_POSTED = """
SELECT p.payment_id, p.account, p.position, p.amount, p.penalty, e.originator_id, e.actor,
       convert_from(e.state, 'UTF8')::json AS state
  FROM payment_postings AS p JOIN events AS e ON e.notification_id = p.position
 WHERE p.payment_id = ANY(%s) ORDER BY p.position
"""
_TAKEN_BACK = """
SELECT topic, actor, convert_from(state, 'UTF8')::json AS state
  FROM events
 WHERE originator_id = ANY(%s)
   AND topic IN ('ledger.payment_refunded.v1', 'ledger.payment_reversed.v1')
 ORDER BY notification_id
"""


def last_position(cursor: Any) -> int:
    """Return the position of the newest event; 0: there is none."""
    cursor.execute("SELECT coalesce(max(notification_id), 0) AS last FROM events")
    return int(cursor.fetchone()["last"])


def touched(
    cursor: Any,
    after: int,
    up_to: int,
    day: date,
    recorded: tuple[datetime, datetime],
    limit: int,
) -> list[dict[str, Any]]:
    """Return the events of payments from one position to another, the oldest first.

    They are the postings of a day, and what was taken back between two instants, of whatever day.
    """
    begin, end = recorded
    cursor.execute(
        _TOUCHED,
        {
            "after": after,
            "up_to": up_to,
            "day": day.isoformat(),
            "from": begin,
            "to": end,
            "limit": limit,
        },
    )
    return cursor.fetchall()  # type: ignore[no-any-return]


def postings(cursor: Any, payment_ids: Collection[UUID]) -> list[dict[str, Any]]:
    """Return the postings of payments, with their events as ``state``."""
    cursor.execute(_POSTED, (list(payment_ids),))
    return cursor.fetchall()  # type: ignore[no-any-return]


def taken_back(cursor: Any, streams: Sequence[UUID]) -> list[dict[str, Any]]:
    """Return the refunds and reversals in the streams of accounts, with their events."""
    cursor.execute(_TAKEN_BACK, (list(streams),))
    return cursor.fetchall()  # type: ignore[no-any-return]
