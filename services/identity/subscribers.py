"""The tables ``subscribers`` and ``subscriber_changes``; of a token only the SHA-256 is stored."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec
import psycopg

Change = Literal["added", "granted", "rotated"]


class Subscriber(msgspec.Struct, frozen=True, kw_only=True):
    """Another system, and what it may see (`shared.bus.grants`)."""

    name: str
    token_digest: bytes
    grants: Sequence[str]
    persons: bool
    created_at: datetime
    last_used_at: datetime | None


_ALL = "SELECT name, token_digest, grants, persons, created_at, last_used_at FROM subscribers"


class Subscribers:
    """Reads and writes both tables within a transaction.

    ``subscriber_changes`` gets each change of ``subscribers``, with the login that makes it.
    """

    def __init__(self, cursor: psycopg.Cursor[dict[str, Any]]) -> None:
        self._cursor = cursor

    def of_token(self, token_digest: bytes) -> Subscriber | None:
        """Return the subscriber with this digest of a token."""
        row = self._cursor.execute(f"{_ALL} WHERE token_digest = %s", (token_digest,)).fetchone()
        return None if row is None else Subscriber(**row)

    def find(self, name: str) -> Subscriber | None:
        """Return a subscriber by name, locked until the transaction ends."""
        row = self._cursor.execute(f"{_ALL} WHERE name = %s FOR UPDATE", (name,)).fetchone()
        return None if row is None else Subscriber(**row)

    def listing(self) -> list[Subscriber]:
        """Return all subscribers by name."""
        self._cursor.execute(f"{_ALL} ORDER BY name")
        return [Subscriber(**row) for row in self._cursor.fetchall()]

    def put(
        self,
        name: str,
        token_digest: bytes,
        grants: Sequence[str],
        *,
        persons: bool,
        change: Change,
        reason: str,
    ) -> None:
        """Add a subscriber, or replace what is known of it."""
        self._cursor.execute(
            "INSERT INTO subscribers (name, token_digest, grants, persons) VALUES (%s, %s, %s, %s)"
            " ON CONFLICT (name) DO UPDATE SET token_digest = excluded.token_digest,"
            " grants = excluded.grants, persons = excluded.persons",
            (name, token_digest, list(grants), persons),
        )
        self._record(name, change, grants, persons, reason)

    def used(self, name: str, now: datetime) -> None:
        """Store when a subscriber last read."""
        self._cursor.execute(
            "UPDATE subscribers SET last_used_at = %s WHERE name = %s", (now, name)
        )

    def remove(self, name: str, reason: str) -> bool:
        """Delete a subscriber; return False if there is none of this name."""
        row = self._cursor.execute(
            "DELETE FROM subscribers WHERE name = %s RETURNING grants, persons", (name,)
        ).fetchone()
        if row is None:
            return False
        self._record(name, "removed", row["grants"], row["persons"], reason)
        return True

    def _record(
        self, name: str, change: str, grants: Sequence[str], persons: bool, reason: str
    ) -> None:
        self._cursor.execute(
            "INSERT INTO subscriber_changes (name, change, grants, persons, reason)"
            " VALUES (%s, %s, %s, %s, %s)",
            (name, change, list(grants), persons, reason),
        )
