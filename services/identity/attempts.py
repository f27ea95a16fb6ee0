"""The table ``attempts``: counters of recent attempts, by the keyed hash of their subject."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Any

import psycopg

from services.identity.limits import Delay, Limit


class Attempts:
    """Counts attempts in windows, as part of the transaction, which must be committed."""

    def __init__(self, cursor: psycopg.Cursor[dict[str, Any]]) -> None:
        self._cursor = cursor

    def take(
        self, limit: Limit, subject: bytes, now: datetime, *, owner: bytes | None = None
    ) -> int:
        """Count one attempt; return 0 if it is allowed, else the seconds until the next one.

        Concurrent attempts of a subject wait for each other, so that they cannot exceed the limit.
        """
        row = self._cursor.execute(
            """
            INSERT INTO attempts AS stored (scope, subject, owner, taken, closes_at)
            VALUES (%(scope)s, %(subject)s, %(owner)s, 1, %(closes)s)
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
                "owner": owner,
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

    def left(self, limit: Limit, subject: bytes, now: datetime) -> int:
        """Return how many attempts are allowed in the open window."""
        row = self._cursor.execute(
            "SELECT taken FROM attempts WHERE scope = %s AND subject = %s AND closes_at > %s",
            (limit.scope, subject, now),
        ).fetchone()
        return limit.most if row is None else max(0, limit.most - row["taken"])

    def slow(self, delay: Delay, subject: bytes, owner: bytes, now: datetime) -> int:
        """Count one attempt; return 0 if it is allowed, else the seconds until the next one.

        Concurrent attempts of a subject wait for each other. One that comes too early is not
        counted, so that whoever waits as long as he was asked to is let through.
        """
        closes_at = now + delay.forgotten_after
        row = self._cursor.execute(
            """
            INSERT INTO attempts AS stored (scope, subject, owner, taken, closes_at)
            VALUES (%s, %s, %s, 0, %s)
            ON CONFLICT (scope, subject) DO UPDATE SET taken = stored.taken
            RETURNING taken, opens_at, closes_at
            """,
            (delay.scope, subject, owner, closes_at),
        ).fetchone()
        if row is None:
            raise RuntimeError("an upsert returned no row")
        if row["opens_at"] is not None and row["opens_at"] > now:
            return _seconds(row["opens_at"] - now)
        taken = 1 if row["closes_at"] <= now else row["taken"] + 1
        pause = delay.after(taken)
        self._cursor.execute(
            "UPDATE attempts SET taken = %s, opens_at = %s, closes_at = %s"
            " WHERE scope = %s AND subject = %s",
            # Without a pause no time at all: one that waited for this one began before it.
            (taken, now + pause if pause else None, closes_at, delay.scope, subject),
        )
        return 0

    def clear(self, limit: Limit | Delay, subject: bytes) -> None:
        """Delete a subject's attempts."""
        self._cursor.execute(
            "DELETE FROM attempts WHERE scope = %s AND subject = %s", (limit.scope, subject)
        )

    def clear_of(self, owner: bytes) -> None:
        """Delete all attempts at an address, from every network and device."""
        self._cursor.execute("DELETE FROM attempts WHERE owner = %s", (owner,))

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
