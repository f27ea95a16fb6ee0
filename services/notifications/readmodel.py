"""The table ``letters``, derived from the events, and its queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Cursor

from services.notifications.domain import LetterFailed, LetterQueued, LetterSent
from services.notifications.outbox import Outbox
from shared.eventstore import Aggregate, Recorded


class ReadModel:
    """The tables of notifications within one transaction."""

    def __init__(self, cursor: Cursor[dict[str, Any]]) -> None:
        self._cursor = cursor
        self.outbox = Outbox(cursor)

    def project(self, recorded: Sequence[Recorded], aggregates: Mapping[UUID, Aggregate]) -> None:
        """Apply events to `letters`."""
        for entry in recorded:
            match entry.event:
                case LetterQueued(kind=kind, person_id=person_id):
                    self._insert(entry, kind, person_id)
                case LetterSent():
                    self._end(entry.originator_id, "sent", sent_at=entry.recorded_at)
                case LetterFailed(reason=reason):
                    self._end(entry.originator_id, "failed", reason=reason)

    def letters_of(self, person_id: UUID, limit: int) -> list[dict[str, Any]]:
        """Return a person's letters, newest first: letter_id, kind, state, queued_at, sent_at."""
        self._cursor.execute(
            "SELECT letter_id, kind, state, queued_at, sent_at FROM letters"
            " WHERE person_id = %s ORDER BY position DESC LIMIT %s",
            (person_id, limit),
        )
        return self._cursor.fetchall()

    def forget_letters(self, before: datetime, most: int) -> int:
        """Delete letters queued before a moment, unless they still wait; return how many."""
        self._cursor.execute(
            "DELETE FROM letters WHERE letter_id IN (SELECT letter_id FROM letters"
            " WHERE queued_at < %s AND state <> 'queued' ORDER BY queued_at LIMIT %s)",
            (before, most),
        )
        return self._cursor.rowcount

    def _insert(self, entry: Recorded, kind: str, person_id: UUID | None) -> None:
        self._cursor.execute(
            "INSERT INTO letters (letter_id, kind, person_id, state, queued_at, position)"
            " VALUES (%s, %s, %s, 'queued', %s, %s)",
            (entry.originator_id, kind, person_id, entry.recorded_at, entry.position),
        )

    def _end(
        self,
        letter_id: UUID,
        state: str,
        *,
        sent_at: datetime | None = None,
        reason: str | None = None,
    ) -> None:
        self._cursor.execute(
            "UPDATE letters SET state = %s, sent_at = %s, reason = %s WHERE letter_id = %s",
            (state, sent_at, reason, letter_id),
        )
