"""The tables ``letters`` and ``choices``, derived from the events, and their queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from psycopg import Cursor

from services.notifications.bounced_letters import BouncedLetters
from services.notifications.choice_table import ChoiceTable
from services.notifications.choices import ChoicesErased, LettersChosen
from services.notifications.domain import (
    LetterBounced,
    LetterDelayed,
    LetterFailed,
    LetterQueued,
    LetterRequeued,
    LetterSent,
)
from services.notifications.letter_lists import LetterLists
from services.notifications.mailing_tables import Mailings
from services.notifications.outbox import Outbox
from shared.eventstore import Aggregate, Recorded
from shared.eventstore.lost_events import LostLog

_COLUMNS = "letter_id, kind, person_id, state, queued_at, position, refs"
_INSERT = (
    f"INSERT INTO letters ({_COLUMNS})"
    f" SELECT {_COLUMNS} FROM json_populate_recordset(NULL::letters, %s::json)"
)


class ReadModel:
    """The tables of notifications within one transaction."""

    writes_only = True

    def __init__(self, cursor: Cursor[dict[str, Any]]) -> None:
        self._cursor = cursor
        self.lost = LostLog(cursor)
        self.outbox = Outbox(cursor)
        self.bounces = BouncedLetters(cursor)
        self.lists = LetterLists(cursor)
        self.mailings = Mailings(cursor)
        self.choices = ChoiceTable(cursor)

    def project(self, recorded: Sequence[Recorded], aggregates: Mapping[UUID, Aggregate]) -> None:
        """Apply events to `letters`."""
        queued = [(entry, e) for entry in recorded if isinstance(e := entry.event, LetterQueued)]
        self._insert(queued)
        for entry in recorded:
            match entry.event:
                case LetterSent():
                    self._send(entry, entry.event)
                case LetterFailed(reason=reason):
                    self._fail(entry.originator_id, reason)
                case LetterDelayed(status=status):
                    self.bounces.delay(entry.originator_id, status)
                case LetterBounced(status=status, hard=hard):
                    self.bounces.bounce(entry.originator_id, status, entry.recorded_at, hard=hard)
                case LetterRequeued(kind=kind):
                    self._requeue(entry.originator_id, kind)
                case LettersChosen(kind=kind, wanted=wanted):
                    self.choices.put(entry.originator_id, kind, entry.recorded_at, wanted=wanted)
                case ChoicesErased():
                    self.choices.erase(entry.originator_id)

    def letters_of(self, person_id: UUID, limit: int) -> list[dict[str, Any]]:
        """Return a person's letters, newest first.

        Each has letter_id, kind, state, reason, queued_at, sent_at.
        """
        self._cursor.execute(
            "SELECT letter_id, kind, state, reason, queued_at, sent_at FROM letters"
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

    def _insert(self, queued: Sequence[tuple[Recorded, LetterQueued]]) -> None:
        # One statement, however many rows: the log is locked meanwhile, and a code waits for it.
        rows = [
            {
                "letter_id": entry.originator_id,
                "kind": event.kind,
                "person_id": event.person_id,
                "state": "queued",
                "queued_at": entry.recorded_at,
                "position": entry.position,
                "refs": event.refs,
            }
            for entry, event in queued
        ]
        if rows:
            self._cursor.execute(_INSERT, (msgspec.json.encode(rows).decode(),))

    def _send(self, entry: Recorded, sent: LetterSent) -> None:
        self._cursor.execute(
            "UPDATE letters SET state = 'sent', sent_at = %s, kind = %s,"
            " person_id = coalesce(%s, person_id) WHERE letter_id = %s",
            (entry.recorded_at, sent.kind, sent.person_id, entry.originator_id),
        )

    def _requeue(self, letter_id: UUID, kind: str) -> None:
        self._cursor.execute(
            "UPDATE letters SET state = 'queued', kind = %s, reason = NULL, sent_at = NULL,"
            " bounced_at = NULL, report_status = NULL, bounced_hard = false WHERE letter_id = %s",
            (kind, letter_id),
        )

    def _fail(self, letter_id: UUID, reason: str) -> None:
        self._cursor.execute(
            "UPDATE letters SET state = 'failed', reason = %s WHERE letter_id = %s",
            (reason, letter_id),
        )
