"""The table ``sign_in_links``: links that sign in once, sent by letter; a token only as SHA-256."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg


class SignInLinks:
    """Reads and writes ``sign_in_links`` within a transaction."""

    def __init__(self, cursor: psycopg.Cursor[dict[str, Any]]) -> None:
        self._cursor = cursor

    def open(self, link_id: UUID, person_id: UUID, expires_at: datetime) -> None:
        """Add a link whose letter is due."""
        self._cursor.execute(
            "INSERT INTO sign_in_links (link_id, person_id, expires_at) VALUES (%s, %s, %s)",
            (link_id, person_id, expires_at),
        )

    def issue(self, link_id: UUID, token_digest: bytes, expires_at: datetime) -> UUID | None:
        """Store the token for the letter being written; return its person, None without a link."""
        row = self._cursor.execute(
            "UPDATE sign_in_links SET token_digest = %s, expires_at = %s WHERE link_id = %s"
            " RETURNING person_id",
            (token_digest, expires_at, link_id),
        ).fetchone()
        return None if row is None else row["person_id"]

    def is_open(self, link_id: UUID) -> bool:
        """Return whether a link has not been used."""
        found = self._cursor.execute(
            "SELECT 1 FROM sign_in_links WHERE link_id = %s", (link_id,)
        ).fetchone()
        return found is not None

    def take(self, token_digest: bytes, now: datetime) -> UUID | None:
        """Use a link up; return its person, None if there is none or it is too old.

        Of two that use it at once the second one waits, and gets None.
        """
        row = self._cursor.execute(
            "DELETE FROM sign_in_links WHERE token_digest = %s AND expires_at > %s"
            " RETURNING person_id",
            (token_digest, now),
        ).fetchone()
        return None if row is None else row["person_id"]

    def drop_all(self, person_id: UUID) -> None:
        """Delete a person's links."""
        self._cursor.execute("DELETE FROM sign_in_links WHERE person_id = %s", (person_id,))

    def sweep(self, now: datetime) -> int:
        """Delete the expired ones; return how many there were."""
        self._cursor.execute(
            "DELETE FROM sign_in_links WHERE link_id IN (SELECT link_id FROM sign_in_links"
            " WHERE expires_at <= %s FOR UPDATE SKIP LOCKED)",
            (now,),
        )
        return self._cursor.rowcount
