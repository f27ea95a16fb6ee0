"""The outbox: letters that wait for the mail server, sealed.

This state is mutable on purpose, and so no part of the event log: what has been sent must not be
kept, least of all codes and passwords.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Cursor

from services.notifications.application import WaitingLetter


class Outbox:
    """The table `outbox`, within one transaction."""

    def __init__(self, cursor: Cursor[dict[str, Any]]) -> None:
        self._cursor = cursor

    def add(self, letter: WaitingLetter) -> None:
        """Let a letter wait; its id is new (the letter's stream says so)."""
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

    def due(self, now: datetime, limit: int) -> list[WaitingLetter]:
        """The letters to try now: those with a secret first, then the longest overdue."""
        self._cursor.execute(
            "SELECT letter_id, sealed, secret_topic, stale_at, correlation_id, attempts,"
            " queued_at, next_attempt_at FROM outbox WHERE next_attempt_at <= %s"
            " ORDER BY (stale_at IS NULL), next_attempt_at, letter_id LIMIT %s",
            (now, limit),
        )
        return [WaitingLetter(**row) for row in self._cursor.fetchall()]

    def with_secret(self, topic: str) -> list[UUID]:
        """The letters that wait with a secret of this topic."""
        self._cursor.execute("SELECT letter_id FROM outbox WHERE secret_topic = %s", (topic,))
        return [row["letter_id"] for row in self._cursor.fetchall()]

    def postpone(self, letter_id: UUID, until: datetime) -> None:
        """Count a failed attempt and try again at `until`."""
        self._cursor.execute(
            "UPDATE outbox SET attempts = attempts + 1, next_attempt_at = %s WHERE letter_id = %s",
            (until, letter_id),
        )

    def erase(self, letter_id: UUID) -> None:
        """Forget the address and the content."""
        self._cursor.execute("DELETE FROM outbox WHERE letter_id = %s", (letter_id,))
