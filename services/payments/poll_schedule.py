"""The schedule of polls of the acquirer.

Mutable, and not part of the event log: when we poll is not something that happened to a payment.
"""

from __future__ import annotations

from collections.abc import Sequence
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
        """Return {since, attempts, due_at, outcome, claimed_until}; None once it is decided."""
        self._cursor.execute(
            "SELECT since, attempts, due_at, outcome, claimed_until FROM polls"
            " WHERE payment_id = %s",
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

    def ask_soon(self, payment_id: UUID, at: datetime, outcome: str) -> None:
        """Have the acquirer asked at a time, or earlier where that is planned already.

        A payment that was decided is asked about again: the bank has news of it.
        """
        self._cursor.execute(
            "INSERT INTO polls (payment_id, since, attempts, due_at, outcome)"
            " VALUES (%s, %s, 0, %s, %s) ON CONFLICT (payment_id) DO UPDATE SET since = %s,"
            " attempts = 0, due_at = least(polls.due_at, excluded.due_at)",
            (payment_id, at, at, outcome, at),
        )

    def hasten(self, acquirers: Sequence[str], now: datetime) -> int:
        """Have acquirers that answer again asked now about what is unknown; return how many."""
        self._cursor.execute(
            "UPDATE polls SET due_at = %s FROM payments"
            " WHERE payments.payment_id = polls.payment_id AND payments.acquirer = ANY(%s)"
            " AND polls.outcome = ANY(%s) AND (polls.due_at IS NULL OR polls.due_at > %s)",
            (now, list(acquirers), ["unknown", "absent"], now),
        )
        return self._cursor.rowcount

    def claim(self, payment_id: UUID, now: datetime, until: datetime) -> bool:
        """Let one process register the order until a time; False where another one does."""
        self._cursor.execute(
            "UPDATE polls SET claimed_until = %s WHERE payment_id = %s"
            " AND (claimed_until IS NULL OR claimed_until <= %s)",
            (until, payment_id, now),
        )
        return self._cursor.rowcount == 1

    def release(self, payment_id: UUID, until: datetime) -> None:
        """End one's own claim, not that of whoever has taken it over since."""
        self._cursor.execute(
            "UPDATE polls SET claimed_until = NULL WHERE payment_id = %s AND claimed_until = %s",
            (payment_id, until),
        )

    def remove(self, payment_id: UUID) -> None:
        """Stop polling."""
        self._cursor.execute("DELETE FROM polls WHERE payment_id = %s", (payment_id,))
