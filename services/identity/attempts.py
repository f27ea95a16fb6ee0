"""The table ``attempts``: how often something was tried lately, by keyed hash of who tried."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

import psycopg

from services.identity.limits import Limit


class Attempts:
    """Counts attempts in windows; the count is part of the transaction, so commit it."""

    def __init__(self, cursor: psycopg.Cursor[dict[str, Any]]) -> None:
        self._cursor = cursor

    def take(self, limit: Limit, subject: bytes, now: datetime) -> int:
        """Count one attempt; answers 0 when it is allowed, else the seconds until the next may be.

        Attempts of the same subject wait for each other: of many at once no more pass than may.
        """
        row = self._cursor.execute(
            """
            INSERT INTO attempts AS kept (scope, subject, taken, closes_at)
            VALUES (%(scope)s, %(subject)s, 1, %(closes)s)
            ON CONFLICT (scope, subject) DO UPDATE SET
                taken = CASE WHEN kept.closes_at <= %(now)s THEN 1
                             ELSE least(kept.taken, %(most)s) + 1 END,
                closes_at = CASE WHEN kept.closes_at <= %(now)s THEN excluded.closes_at
                                 ELSE kept.closes_at END
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
            raise RuntimeError("an upsert answered no row")
        if row["taken"] <= limit.most:
            return 0
        closes_at: datetime = row["closes_at"]
        return max(1, math.ceil((closes_at - now).total_seconds()))

    def give_back(self, limit: Limit, subject: bytes) -> None:
        """Take back one attempt that turned out to be a right one."""
        self._cursor.execute(
            "UPDATE attempts SET taken = taken - 1 WHERE scope = %s AND subject = %s AND taken > 0",
            (limit.scope, subject),
        )

    def clear(self, limit: Limit, subject: bytes) -> None:
        """Forget a subject's attempts."""
        self._cursor.execute(
            "DELETE FROM attempts WHERE scope = %s AND subject = %s", (limit.scope, subject)
        )

    def sweep(self, now: datetime) -> int:
        """Delete the windows that are closed; answers how many."""
        # Skipping what others hold: a sweep must never be part of a deadlock.
        self._cursor.execute(
            "DELETE FROM attempts WHERE (scope, subject) IN (SELECT scope, subject FROM attempts"
            " WHERE closes_at <= %s FOR UPDATE SKIP LOCKED)",
            (now,),
        )
        return self._cursor.rowcount
