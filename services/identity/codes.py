"""The table ``codes``: verification codes of registrations, as keyed digests."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec
import psycopg

Purpose = Literal["registration"]


class Code(msgspec.Struct, frozen=True, kw_only=True):
    """A code; it has no digest until its letter is written, or if none will be sent."""

    owner_id: UUID
    email_index: bytes
    digest: bytes | None
    expires_at: datetime
    attempts_left: int
    wrong: int = 0
    """Wrong attempts over all codes of the owner."""
    long: bool = False
    """Whether the next letter has twelve digits."""
    sent_long: bool = False


class Codes:
    """Reads and writes ``codes`` within a transaction."""

    def __init__(self, cursor: psycopg.Cursor[dict[str, Any]]) -> None:
        self._cursor = cursor

    def open(
        self,
        owner_id: UUID,
        purpose: Purpose,
        email_index: bytes,
        *,
        attempts: int,
        now: datetime,
        expires_at: datetime,
        long: bool,
    ) -> None:
        """Start counting the attempts, whether or not a letter will be sent."""
        self._cursor.execute(
            "INSERT INTO codes (owner_id, purpose, email_index, expires_at, attempts_left,"
            " created_at, long) VALUES (%s, %s, %s, %s, %s, %s, %s)",
            (owner_id, purpose, email_index, expires_at, attempts, now, long),
        )

    def set_long(self, owner_id: UUID, *, long: bool) -> None:
        """Store how long the code of the next letter is."""
        self._cursor.execute("UPDATE codes SET long = %s WHERE owner_id = %s", (long, owner_id))

    def readdress(self, owner_id: UUID, email_index: bytes) -> None:
        """Assign another address; a code that was sent to the earlier one is void."""
        self._cursor.execute(
            "UPDATE codes SET email_index = %s, digest = NULL WHERE owner_id = %s",
            (email_index, owner_id),
        )

    def issue(
        self, owner_id: UUID, digest: bytes | None, *, attempts: int, expires_at: datetime
    ) -> None:
        """Replace the code by a fresh one, or by none if no letter is sent."""
        self._cursor.execute(
            "UPDATE codes SET digest = %s, attempts_left = %s, expires_at = %s, sent_long = long"
            " WHERE owner_id = %s",
            (digest, attempts, expires_at, owner_id),
        )

    def lock(self, owner_id: UUID) -> Code | None:
        """Return a code, locked until the transaction ends: its attempts are made one by one."""
        row = self._cursor.execute(
            "SELECT owner_id, email_index, digest, expires_at, attempts_left, wrong, long,"
            " sent_long FROM codes WHERE owner_id = %s FOR UPDATE",
            (owner_id,),
        ).fetchone()
        return None if row is None else Code(**row)

    def miss(self, owner_id: UUID) -> None:
        """Count a wrong attempt."""
        self._cursor.execute(
            "UPDATE codes SET attempts_left = attempts_left - 1, wrong = wrong + 1"
            " WHERE owner_id = %s",
            (owner_id,),
        )

    def drop(self, owner_id: UUID) -> bool:
        """Delete a code; return False if it is gone already."""
        self._cursor.execute("DELETE FROM codes WHERE owner_id = %s", (owner_id,))
        return self._cursor.rowcount == 1

    def of_email(self, email_index: bytes, purpose: Purpose) -> list[UUID]:
        """Return the owners of the codes of an address, oldest first."""
        self._cursor.execute(
            "SELECT owner_id FROM codes WHERE email_index = %s AND purpose = %s"
            " ORDER BY created_at, owner_id",
            (email_index, purpose),
        )
        return [row["owner_id"] for row in self._cursor.fetchall()]

    def newest_of(self, email_index: bytes, purpose: Purpose) -> UUID | None:
        """Return the owner of the code of an address that was opened last."""
        row = self._cursor.execute(
            "SELECT owner_id FROM codes WHERE email_index = %s AND purpose = %s"
            " ORDER BY created_at DESC, owner_id LIMIT 1",
            (email_index, purpose),
        ).fetchone()
        return None if row is None else row["owner_id"]

    def opened_before(self, purpose: Purpose, instant: datetime, most: int) -> list[UUID]:
        """Return the owners of the codes opened before an instant, oldest first."""
        self._cursor.execute(
            "SELECT owner_id FROM codes WHERE purpose = %s AND created_at < %s"
            " ORDER BY created_at LIMIT %s",
            (purpose, instant, most),
        )
        return [row["owner_id"] for row in self._cursor.fetchall()]
