"""The table of attachments, which RPCs fill, and events only when a message takes a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg

from services.helpdesk.attachment import Attachment

_COLUMNS = (
    "attachment_id, owner, state, name, file_key, digest, media_type, parts, size, begun_at,"
    " question_id, position"
)
_FORGET = "state = 'gone', name = NULL, file_key = NULL, digest = NULL, media_type = NULL"


class Attachments:
    """The attachments within one transaction."""

    def __init__(self, cursor: psycopg.Cursor[dict[str, Any]]) -> None:
        self._cursor = cursor

    def lock_owner(self, owner: str) -> None:
        """Let nobody else begin a file of this owner until the transaction ends."""
        self._cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended('attachments ' || %s, 0))", (owner,)
        )

    def begun(self, owner: str, since: datetime, nth: int) -> datetime | None:
        """Return when the nth newest file after an instant was begun; None: they are fewer."""
        self._cursor.execute(
            "SELECT begun_at FROM attachments WHERE owner = %s AND begun_at > %s"
            " ORDER BY begun_at DESC OFFSET %s LIMIT 1",
            (owner, since, nth - 1),
        )
        row = self._cursor.fetchone()
        return None if row is None else row["begun_at"]

    def note_erased(self, owner: str) -> None:
        """Note that an owner is erased."""
        self._cursor.execute(
            "INSERT INTO erased_owners (owner) VALUES (%s) ON CONFLICT DO NOTHING", (owner,)
        )

    def is_erased(self, owner: str) -> bool:
        """Return whether an owner is erased."""
        self._cursor.execute("SELECT FROM erased_owners WHERE owner = %s", (owner,))
        return self._cursor.fetchone() is not None

    def add(self, new: Attachment) -> None:
        """Add a file of which nothing has arrived."""
        self._cursor.execute(
            "INSERT INTO attachments (attachment_id, owner, state, name, file_key, begun_at)"
            " VALUES (%s, %s, 'arriving', %s, %s, %s)",
            (new.attachment_id, new.owner, new.name, new.file_key, new.begun_at),
        )

    def note_part(self, attachment_id: UUID, parts: int, size: int, media_type: str) -> None:
        """Note how much of a file has arrived."""
        self._cursor.execute(
            "UPDATE attachments SET parts = %s, size = %s, media_type = %s"
            " WHERE attachment_id = %s",
            (parts, size, media_type, attachment_id),
        )

    def note_whole(self, attachment_id: UUID, name: str, digest: str) -> None:
        """Note that a file is whole; name and digest are sealed."""
        self._cursor.execute(
            "UPDATE attachments SET state = 'ready', name = %s, digest = %s"
            " WHERE attachment_id = %s",
            (name, digest, attachment_id),
        )

    def locked(self, ids: Sequence[UUID]) -> list[Attachment]:
        """Return files, locked until the transaction ends."""
        return self._found("WHERE attachment_id = ANY(%s) ORDER BY attachment_id FOR UPDATE", ids)

    def of_ids(self, ids: Sequence[UUID]) -> list[Attachment]:
        """Return files by their ids."""
        return self._found("WHERE attachment_id = ANY(%s)", ids)

    def of_questions(self, question_ids: Sequence[UUID]) -> list[Attachment]:
        """Return the files of questions, in the order of their messages and of each message."""
        return self._found(
            "WHERE question_id = ANY(%s) AND state = 'taken'"
            " ORDER BY question_id, position, place, attachment_id",
            question_ids,
        )

    def unused_of(self, owner: str) -> list[UUID]:
        """Return the files of an owner that no message has, nor lost."""
        self._cursor.execute(
            "SELECT attachment_id FROM attachments WHERE owner = %s"
            " AND state IN ('arriving', 'ready')",
            (owner,),
        )
        return [row["attachment_id"] for row in self._cursor]

    def take(self, ids: Sequence[UUID], question_id: UUID, position: int) -> None:
        """Give files to the message of an event, in this order."""
        self._cursor.execute(
            "UPDATE attachments SET state = 'taken', question_id = %s, position = %s,"
            " place = array_position(%s, attachment_id)"
            " WHERE attachment_id = ANY(%s) AND state = 'ready'",
            (question_id, position, list(ids), list(ids)),
        )

    def forget(self, ids: Sequence[UUID]) -> None:
        """Forget what is known of files; their content is removed after that."""
        self._cursor.execute(
            f"UPDATE attachments SET {_FORGET} WHERE attachment_id = ANY(%s)", (list(ids),)
        )

    def expired(self, before: datetime, most: int) -> list[UUID]:
        """Return files begun before an instant that no message has, and lock them."""
        self._cursor.execute(
            "SELECT attachment_id FROM attachments WHERE state IN ('arriving', 'ready')"
            " AND begun_at < %s ORDER BY begun_at LIMIT %s FOR UPDATE SKIP LOCKED",
            (before, most),
        )
        return [row["attachment_id"] for row in self._cursor]

    def to_remove(self, most: int) -> list[UUID]:
        """Return forgotten files whose content is in the folder still."""
        self._cursor.execute(
            "SELECT attachment_id FROM attachments WHERE state = 'gone' AND removed_at IS NULL"
            " LIMIT %s",
            (most,),
        )
        return [row["attachment_id"] for row in self._cursor]

    def note_removed(self, ids: Sequence[UUID], now: datetime) -> None:
        """Note that the content of files has been removed."""
        self._cursor.execute(
            "UPDATE attachments SET removed_at = %s WHERE attachment_id = ANY(%s)", (now, list(ids))
        )

    def delete_removed(self, before: datetime) -> None:
        """Delete the rows of removed files that count for no limit any more."""
        self._cursor.execute(
            "DELETE FROM attachments WHERE state = 'gone' AND removed_at IS NOT NULL"
            " AND begun_at < %s",
            (before,),
        )

    def _found(self, condition: str, ids: Sequence[UUID]) -> list[Attachment]:
        self._cursor.execute(f"SELECT {_COLUMNS} FROM attachments {condition}", (list(ids),))
        return [_attachment(row) for row in self._cursor]


def _attachment(row: Mapping[str, Any]) -> Attachment:
    return Attachment(**row)
