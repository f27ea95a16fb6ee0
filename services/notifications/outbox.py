"""The outbox: sealed letters that wait for the mail server.

It is mutable on purpose, and so not part of the event log: sent letters must not be kept, least of
all codes and passwords.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Cursor

from services.notifications.application import QueuedLetter


class Outbox:
    """The table `outbox`, within one transaction."""

    def __init__(self, cursor: Cursor[dict[str, Any]]) -> None:
        self._cursor = cursor

    def add(self, letter: QueuedLetter) -> None:
        """Add a letter; the caller has checked, by the letter's stream, that its id is new."""
        self._cursor.execute(
            "INSERT INTO outbox (letter_id, sealed, secret_topic, stale_at, correlation_id,"
            " attempts, queued_at, next_attempt_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
            (
                letter.letter_id,
                letter.sealed,
                letter.secret_topic,
                letter.stale_at,
                letter.correlation_id,
                letter.attempts,
                letter.queued_at,
                letter.next_attempt_at,
            ),
        )

    def due(self, now: datetime, limit: int) -> list[QueuedLetter]:
        """Return the letters to send now: those with a secret first, then the longest overdue."""
        self._cursor.execute(
            "SELECT letter_id, sealed, secret_topic, stale_at, correlation_id, attempts,"
            " queued_at, next_attempt_at FROM outbox WHERE next_attempt_at <= %s"
            " ORDER BY (stale_at IS NULL), next_attempt_at, letter_id LIMIT %s",
            (now, limit),
        )
        return [QueuedLetter(**row) for row in self._cursor.fetchall()]

    def with_secret(self, topic: str) -> list[UUID]:
        """Return the letters with a secret of a topic."""
        self._cursor.execute("SELECT letter_id FROM outbox WHERE secret_topic = %s", (topic,))
        return [row["letter_id"] for row in self._cursor.fetchall()]

    def of_person(self, person_id: UUID) -> list[UUID]:
        """Return the letters that wait for a person."""
        self._cursor.execute(
            "SELECT letter_id FROM outbox JOIN letters USING (letter_id) WHERE person_id = %s",
            (person_id,),
        )
        return [row["letter_id"] for row in self._cursor.fetchall()]

    def postpone(self, letter_id: UUID, until: datetime) -> None:
        """Count a failed attempt, and retry at `until`."""
        self._cursor.execute(
            "UPDATE outbox SET attempts = attempts + 1, next_attempt_at = %s WHERE letter_id = %s",
            (until, letter_id),
        )

    def erase(self, letter_id: UUID) -> None:
        """Delete a letter with its address and content."""
        self._cursor.execute("DELETE FROM outbox WHERE letter_id = %s", (letter_id,))
