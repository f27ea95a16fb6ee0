"""The table ``subscribers``; of a token only the SHA-256 is stored."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
import psycopg


class Subscriber(msgspec.Struct, frozen=True, kw_only=True):
    """Another system, and what it may see (`shared.bus.grants`)."""

    name: str
    token_digest: bytes
    grants: Sequence[str]
    persons: bool
    created_at: datetime
    changed_by: str
    last_used_at: datetime | None


_ALL = (
    "SELECT name, token_digest, grants, persons, created_at, changed_by, last_used_at"
    " FROM subscribers"
)


class Subscribers:
    """Reads and writes ``subscribers`` within a transaction."""

    def __init__(self, cursor: psycopg.Cursor[dict[str, Any]]) -> None:
        self._cursor = cursor

    def of_token(self, token_digest: bytes) -> Subscriber | None:
        """Return the subscriber with this digest of a token."""
        row = self._cursor.execute(f"{_ALL} WHERE token_digest = %s", (token_digest,)).fetchone()
        return None if row is None else Subscriber(**row)

    def find(self, name: str) -> Subscriber | None:
        """Return a subscriber by name."""
        row = self._cursor.execute(f"{_ALL} WHERE name = %s", (name,)).fetchone()
        return None if row is None else Subscriber(**row)

    def listing(self) -> list[Subscriber]:
        """Return all subscribers by name."""
        self._cursor.execute(f"{_ALL} ORDER BY name")
        return [Subscriber(**row) for row in self._cursor.fetchall()]

    def put(self, name: str, token_digest: bytes, grants: Sequence[str], *, persons: bool) -> None:
        """Add a subscriber, or replace what is known of it."""
        self._cursor.execute(
            "INSERT INTO subscribers (name, token_digest, grants, persons) VALUES (%s, %s, %s, %s)"
            " ON CONFLICT (name) DO UPDATE SET token_digest = excluded.token_digest,"
            " grants = excluded.grants, persons = excluded.persons, changed_by = session_user,"
            " changed_at = clock_timestamp()",
            (name, token_digest, list(grants), persons),
        )

    def used(self, name: str, now: datetime) -> None:
        """Store when a subscriber last read."""
        self._cursor.execute(
            "UPDATE subscribers SET last_used_at = %s WHERE name = %s", (now, name)
        )

    def remove(self, name: str) -> bool:
        """Delete a subscriber; return False if there is none of this name."""
        self._cursor.execute("DELETE FROM subscribers WHERE name = %s", (name,))
        return self._cursor.rowcount == 1
