"""The table ``attempts``: counters of recent attempts, by the keyed hash of their subject."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Any

import psycopg

from services.identity.limits import Limit


class Attempts:
    """Counts attempts in windows, as part of the transaction, which must be committed."""

    def __init__(self, cursor: psycopg.Cursor[dict[str, Any]]) -> None:
        self._cursor = cursor

    def take(self, limit: Limit, subject: bytes, now: datetime) -> int:
        """Count one attempt; return 0 if it is allowed, else the seconds until the next one.

        Concurrent attempts of a subject wait for each other, so that they cannot exceed the limit.
        """
        row = self._cursor.execute(
            """
            INSERT INTO attempts AS stored (scope, subject, taken, closes_at)
            VALUES (%(scope)s, %(subject)s, 1, %(closes)s)
            ON CONFLICT (scope, subject) DO UPDATE SET
                taken = CASE WHEN stored.closes_at <= %(now)s THEN 1
                             ELSE least(stored.taken, %(most)s) + 1 END,
                closes_at = CASE WHEN stored.closes_at <= %(now)s THEN excluded.closes_at
                                 ELSE stored.closes_at END
            RETURNING taken, closes_at
            """,
            {
                "scope": limit.scope,
                "subject": subject,
                "closes": now + limit.window,
                "now": now,
                "most": limit.most,
            },
        ).fetchone()
        if row is None:
            raise RuntimeError("an upsert returned no row")
        if row["taken"] <= limit.most:
            return 0
        return _seconds(row["closes_at"] - now)

    def wait(self, limit: Limit, subject: bytes, now: datetime) -> int:
        """Return the seconds until the next attempt is allowed, without counting one."""
        row = self._cursor.execute(
            "SELECT closes_at FROM attempts"
            " WHERE scope = %s AND subject = %s AND taken >= %s AND closes_at > %s",
            (limit.scope, subject, limit.most, now),
        ).fetchone()
        return 0 if row is None else _seconds(row["closes_at"] - now)

    def give_back(self, limit: Limit, subject: bytes) -> None:
        """Take back one attempt, which was successful."""
        self._cursor.execute(
            "UPDATE attempts SET taken = taken - 1 WHERE scope = %s AND subject = %s AND taken > 0",
            (limit.scope, subject),
        )

    def clear(self, limit: Limit, subject: bytes) -> None:
        """Delete a subject's attempts."""
        self._cursor.execute(
            "DELETE FROM attempts WHERE scope = %s AND subject = %s", (limit.scope, subject)
        )

    def sweep(self, now: datetime) -> int:
        """Delete the closed windows; return how many there were."""
        # Locked rows are skipped, so that a sweep is never part of a deadlock.
        self._cursor.execute(
            "DELETE FROM attempts WHERE (scope, subject) IN (SELECT scope, subject FROM attempts"
            " WHERE closes_at <= %s FOR UPDATE SKIP LOCKED)",
            (now,),
        )
        return self._cursor.rowcount


def _seconds(wait: timedelta) -> int:
    return max(1, math.ceil(wait.total_seconds()))
