"""The schedule of polls of the acquirer.

Mutable, and not part of the event log: when we poll is not something that happened to a payment.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Cursor


class PollSchedule:
    """The table `polls`, within one transaction."""

    def __init__(self, cursor: Cursor[dict[str, Any]]) -> None:
        self._cursor = cursor

    def put(
        self,
        payment_id: UUID,
        since: datetime,
        attempts: int,
        due_at: datetime | None,
        outcome: str,
    ) -> None:
        """Set the time of the next poll; None ends polling and leaves the payment to staff."""
        self._cursor.execute(
            "INSERT INTO polls (payment_id, since, attempts, due_at, outcome)"
            " VALUES (%s, %s, %s, %s, %s) ON CONFLICT (payment_id) DO UPDATE SET"
            " since = excluded.since, attempts = excluded.attempts, due_at = excluded.due_at,"
            " outcome = excluded.outcome",
            (payment_id, since, attempts, due_at, outcome),
        )

    def find(self, payment_id: UUID) -> dict[str, Any] | None:
        """Return {since, attempts, due_at, outcome}; None when the outcome is known."""
        self._cursor.execute(
            "SELECT since, attempts, due_at, outcome FROM polls WHERE payment_id = %s",
            (payment_id,),
        )
        return self._cursor.fetchone()

    def record_outcome(self, payment_id: UUID, outcome: str) -> None:
        """Keep the outcome of a poll between two times of the schedule."""
        self._cursor.execute(
            "UPDATE polls SET outcome = %s WHERE payment_id = %s", (outcome, payment_id)
        )

    def due(self, now: datetime, limit: int) -> list[dict[str, Any]]:
        """Return the rows of `payments` to poll now, the longest overdue first."""
        self._cursor.execute(
            "SELECT payments.* FROM polls JOIN payments USING (payment_id)"
            " WHERE due_at <= %s ORDER BY due_at, payment_id LIMIT %s",
            (now, limit),
        )
        return self._cursor.fetchall()

    def remove(self, payment_id: UUID) -> None:
        """Stop polling."""
        self._cursor.execute("DELETE FROM polls WHERE payment_id = %s", (payment_id,))
