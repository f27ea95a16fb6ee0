"""The tables of attempts, which no event fills: counters, and a log for staff."""

from __future__ import annotations

from datetime import datetime
from math import ceil
from typing import Any
from uuid import UUID

import psycopg

from services.accounts.limiting import Attempt
from services.accounts.policy import Limit


class Attempts:
    """Counters of attempts, one per kind and subject, each within a window of its own.

    A window opens with the first attempt.
    """

    def __init__(self, cursor: psycopg.Cursor[dict[str, Any]]) -> None:
        self._cursor = cursor

    def lock(self, kind: str, subject: UUID, limit: Limit, now: datetime) -> tuple[int, int]:
        """Lock a counter until the transaction ends; return as `count`, and count nothing."""
        return self._add(0, kind, subject, limit, now)

    def count(self, kind: str, subject: UUID, limit: Limit, now: datetime) -> tuple[int, int]:
        """Count one attempt; return how many there were, and the seconds till the window closes."""
        return self._add(1, kind, subject, limit, now)

    def seen(self, kind: str, subject: UUID, limit: Limit, now: datetime) -> tuple[int, int]:
        """Return what `count` would, without counting and without waiting for others."""
        self._cursor.execute(
            "SELECT made, opened_at FROM attempts WHERE (kind, subject) = (%s, %s)"
            " AND opened_at > %s",
            (kind, subject, now - limit.window),
        )
        row = self._cursor.fetchone()
        return (0, 0) if row is None else _state(row, limit, now)

    def forget_person(self, person_id: UUID) -> None:
        """Delete the counters of a person."""
        self._cursor.execute("DELETE FROM attempts WHERE subject = %s", (person_id,))

    def forget(self, before: datetime) -> int:
        """Delete the counters whose window opened before an instant; return how many."""
        # Locked rows are skipped, so that this is never part of a deadlock.
        self._cursor.execute(
            "DELETE FROM attempts WHERE (kind, subject) IN (SELECT kind, subject FROM attempts"
            " WHERE opened_at < %s FOR UPDATE SKIP LOCKED)",
            (before,),
        )
        return self._cursor.rowcount

    def _add(
        self, more: int, kind: str, subject: UUID, limit: Limit, now: datetime
    ) -> tuple[int, int]:
        self._cursor.execute(
            "INSERT INTO attempts (kind, subject, opened_at, made)"
            " VALUES (%(k)s, %(s)s, %(n)s, %(m)s)"
            " ON CONFLICT (kind, subject) DO UPDATE SET"
            " made = CASE WHEN attempts.opened_at <= %(o)s THEN 0 ELSE attempts.made END + %(m)s,"
            " opened_at = CASE WHEN attempts.opened_at <= %(o)s THEN %(n)s"
            " ELSE attempts.opened_at END"
            " RETURNING made, opened_at",
            {"k": kind, "s": subject, "n": now, "o": now - limit.window, "m": more},
        )
        row = self._cursor.fetchone()
        if row is None:
            raise RuntimeError("an upsert returned no row")
        return _state(row, limit, now)


def _state(row: dict[str, Any], limit: Limit, now: datetime) -> tuple[int, int]:
    closes_at: datetime = row["opened_at"] + limit.window
    return row["made"], max(1, ceil((closes_at - now).total_seconds()))


class AttemptsLog:
    """Who tried to prove which account, as staff read it."""

    def __init__(self, cursor: psycopg.Cursor[dict[str, Any]]) -> None:
        self._cursor = cursor

    def add(self, attempt: Attempt, now: datetime) -> None:
        """Record an attempt."""
        self._cursor.execute(
            "INSERT INTO attempts_log (at, person_id, number, network, purpose, outcome)"
            " VALUES (%s, %s, %s, %s, %s, %s)",
            (
                now,
                attempt.person_id,
                attempt.number,
                attempt.network,
                attempt.purpose,
                attempt.outcome,
            ),
        )

    def newest(self, number: str | None, most: int) -> list[dict[str, Any]]:
        """Return the newest attempts, of one number or of all."""
        self._cursor.execute(
            "SELECT at, person_id, number, network, purpose, outcome FROM attempts_log"
            " WHERE %(number)s::text IS NULL OR number = %(number)s"
            " ORDER BY id DESC LIMIT %(most)s",
            {"number": number, "most": most},
        )
        return [
            {
                **row,
                "at": row["at"].isoformat(),
                "person_id": str(row["person_id"]),
                # Enough to see that two attempts came from one network.
                "network": str(row["network"])[:8],
            }
            for row in self._cursor
        ]

    def of_person(self, person_id: UUID) -> list[dict[str, Any]]:
        """Return all attempts of a person, the newest first."""
        self._cursor.execute(
            "SELECT at, number, purpose, outcome FROM attempts_log WHERE person_id = %s"
            " ORDER BY id DESC",
            (person_id,),
        )
        return [{**row, "at": row["at"].isoformat()} for row in self._cursor]

    def forget_person(self, person_id: UUID) -> None:
        """Delete the attempts of a person."""
        self._cursor.execute("DELETE FROM attempts_log WHERE person_id = %s", (person_id,))

    def forget(self, before: datetime) -> int:
        """Delete what is older than an instant; return how many."""
        self._cursor.execute("DELETE FROM attempts_log WHERE at < %s", (before,))
        return self._cursor.rowcount
