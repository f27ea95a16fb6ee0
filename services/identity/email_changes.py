"""The table ``email_changes``: changes of an address under way, and the digests of their links."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec
import psycopg

Side = Literal["new", "old"]

_COLUMNS = (
    "change_id, person_id, way, email_index, session_id, new_digest, old_digest, new_confirmed_at,"
    " old_confirmed_at, due_at, expires_at"
)


class EmailChangeRow(msgspec.Struct, frozen=True, kw_only=True):
    """A change under way; ``due_at`` is None where both mailboxes have to confirm."""

    change_id: UUID
    person_id: UUID
    way: str
    email_index: bytes
    session_id: UUID | None
    new_digest: bytes | None = None
    old_digest: bytes | None = None
    new_confirmed_at: datetime | None = None
    old_confirmed_at: datetime | None = None
    due_at: datetime | None
    expires_at: datetime

    def side_of(self, token_digest: bytes) -> Side:
        """Return whose link it is."""
        return "new" if token_digest == self.new_digest else "old"


class EmailChanges:
    """Reads and writes ``email_changes`` within a transaction."""

    def __init__(self, cursor: psycopg.Cursor[dict[str, Any]]) -> None:
        self._cursor = cursor

    def open(self, row: EmailChangeRow) -> None:
        """Store a change; the person's earlier one has been dropped."""
        self._cursor.execute(
            "INSERT INTO email_changes (change_id, person_id, way, email_index, session_id, due_at,"
            " expires_at) VALUES (%s, %s, %s, %s, %s, %s, %s)",
            (
                row.change_id,
                row.person_id,
                row.way,
                row.email_index,
                row.session_id,
                row.due_at,
                row.expires_at,
            ),
        )

    def issue(
        self, change_id: UUID, side: Side, token_digest: bytes, *, until: datetime, due: datetime
    ) -> EmailChangeRow | None:
        """Store the link of a mailbox; return the change, or None if it needs none any more.

        The links work until a time at least. The first one to the old mailbox puts off what
        happens without it: it has the whole delay to refuse.
        """
        return self._one(
            f"UPDATE email_changes SET {side}_digest = %(digest)s,"  # noqa: S608 - constants
            " expires_at = greatest(expires_at, %(until)s), due_at = CASE"
            " WHEN due_at IS NULL OR old_digest IS NOT NULL OR %(side)s = 'new' THEN due_at"
            " ELSE greatest(due_at, %(due)s) END"
            f" WHERE change_id = %(change)s AND {side}_confirmed_at IS NULL RETURNING {_COLUMNS}",
            digest=token_digest,
            until=until,
            due=due,
            side=side,
            change=change_id,
        )

    def waits_for(self, change_id: UUID, side: Side) -> bool:
        """Return whether a change is under way that a mailbox has not confirmed."""
        found = self._cursor.execute(
            "SELECT 1 FROM email_changes"  # noqa: S608 - constants
            f" WHERE change_id = %s AND {side}_confirmed_at IS NULL",
            (change_id,),
        ).fetchone()
        return found is not None

    def of_person(self, person_id: UUID) -> EmailChangeRow | None:
        """Return a person's change under way."""
        return self._one(
            f"SELECT {_COLUMNS} FROM email_changes WHERE person_id = %s",  # noqa: S608 - constant
            person_id,
        )

    def of_token(self, token_digest: bytes, now: datetime) -> EmailChangeRow | None:
        """Return the change of a valid link."""
        return self._one(
            f"SELECT {_COLUMNS} FROM email_changes"  # noqa: S608 - constant
            " WHERE (new_digest = %s OR old_digest = %s) AND expires_at > %s",
            token_digest,
            token_digest,
            now,
        )

    def set_confirmed(self, change_id: UUID, side: Side, now: datetime) -> None:
        """Store that a mailbox has confirmed; its link is used."""
        self._cursor.execute(
            f"UPDATE email_changes SET {side}_confirmed_at = %s, {side}_digest = NULL"  # noqa: S608
            " WHERE change_id = %s",
            (now, change_id),
        )

    def drop(self, change_id: UUID) -> None:
        """Delete a change: it is done, refused or replaced."""
        self._cursor.execute("DELETE FROM email_changes WHERE change_id = %s", (change_id,))

    def due(self, now: datetime, most: int) -> list[UUID]:
        """Return whose changes wait for nothing but the time, which has come.

        Not those of whose old mailbox has not been written to: it can still refuse.
        """
        return self._persons(
            "SELECT person_id FROM email_changes WHERE new_confirmed_at IS NOT NULL"
            " AND old_digest IS NOT NULL AND due_at <= %s AND expires_at > %s LIMIT %s",
            (now, now, most),
        )

    def expired(self, now: datetime, most: int) -> list[UUID]:
        """Return whose changes were not confirmed in time."""
        return self._persons(
            "SELECT person_id FROM email_changes WHERE expires_at <= %s LIMIT %s", (now, most)
        )

    def _persons(self, statement: str, values: tuple[Any, ...]) -> list[UUID]:
        return [row["person_id"] for row in self._cursor.execute(statement, values).fetchall()]

    def _one(self, statement: str, *values: Any, **named: Any) -> EmailChangeRow | None:
        row = self._cursor.execute(statement, named or values).fetchone()
        return None if row is None else EmailChangeRow(**row)
