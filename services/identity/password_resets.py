"""The table ``password_resets``: recoveries under way, and the digests of their links."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg


class PasswordResets:
    """Reads and writes ``password_resets`` within a transaction."""

    def __init__(self, cursor: psycopg.Cursor[dict[str, Any]]) -> None:
        self._cursor = cursor

    def open(self, reset_id: UUID, person_id: UUID | None, now: datetime) -> None:
        """Start a recovery; nobody's, if no letter will be sent."""
        self._cursor.execute(
            "INSERT INTO password_resets (reset_id, person_id, requested_at) VALUES (%s, %s, %s)",
            (reset_id, person_id, now),
        )

    def issue(self, reset_id: UUID, token_digest: bytes, expires_at: datetime) -> bool:
        """Store the link of a recovery; return False if the recovery is too old."""
        self._cursor.execute(
            "UPDATE password_resets SET token_digest = %s, expires_at = %s WHERE reset_id = %s",
            (token_digest, expires_at, reset_id),
        )
        return self._cursor.rowcount == 1

    def is_open(self, reset_id: UUID) -> bool:
        """Return whether a recovery is under way."""
        found = self._cursor.execute(
            "SELECT 1 FROM password_resets WHERE reset_id = %s", (reset_id,)
        ).fetchone()
        return found is not None

    def person_of(self, token_digest: bytes, now: datetime) -> UUID | None:
        """Return whose link it is, if it is valid."""
        row = self._cursor.execute(
            "SELECT person_id FROM password_resets WHERE token_digest = %s AND expires_at > %s",
            (token_digest, now),
        ).fetchone()
        return None if row is None else row["person_id"]

    def use(self, token_digest: bytes) -> UUID | None:
        """Delete a link; return its recovery, or None if it was used already."""
        row = self._cursor.execute(
            "DELETE FROM password_resets WHERE token_digest = %s RETURNING reset_id",
            (token_digest,),
        ).fetchone()
        return None if row is None else row["reset_id"]

    def drop_of(self, person_id: UUID) -> None:
        """Delete a person's links: the password has been changed."""
        self._cursor.execute("DELETE FROM password_resets WHERE person_id = %s", (person_id,))

    def sweep(self, before: datetime) -> int:
        """Delete the recoveries requested before an instant; return how many there were."""
        # Locked rows are skipped, so that a sweep is never part of a deadlock.
        self._cursor.execute(
            "DELETE FROM password_resets WHERE reset_id IN (SELECT reset_id FROM password_resets"
            " WHERE requested_at < %s FOR UPDATE SKIP LOCKED)",
            (before,),
        )
        return self._cursor.rowcount
