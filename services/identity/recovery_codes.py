"""The table ``recovery_codes``: stretched keyed digests of the codes that are left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
import psycopg


class CodeDigests(msgspec.Struct, frozen=True, kw_only=True):
    """Codes that are issued together: digests, stretched by one recipe (`stretching`)."""

    recipe: str
    digests: Sequence[bytes]


class RecoveryCodes:
    """Reads and writes ``recovery_codes`` within a transaction."""

    def __init__(self, cursor: psycopg.Cursor[dict[str, Any]]) -> None:
        self._cursor = cursor

    def replace(self, person_id: UUID, issued: CodeDigests, now: datetime) -> None:
        """Replace all codes of a person."""
        self.remove(person_id)
        self._cursor.executemany(
            "INSERT INTO recovery_codes (person_id, digest, recipe, issued_at)"
            " VALUES (%s, %s, %s, %s)",
            [(person_id, digest, issued.recipe, now) for digest in issued.digests],
        )

    def spend(self, person_id: UUID, digest: bytes) -> bool:
        """Delete a code that is used; return False if there is no such code."""
        self._cursor.execute(
            "DELETE FROM recovery_codes WHERE person_id = %s AND digest = %s", (person_id, digest)
        )
        return self._cursor.rowcount == 1

    def recipe_of(self, person_id: UUID) -> str | None:
        """Return how a person's codes are stretched; None without codes, and for plain ones."""
        row = self._cursor.execute(
            "SELECT recipe FROM recovery_codes WHERE person_id = %s LIMIT 1", (person_id,)
        ).fetchone()
        return None if row is None else row["recipe"]

    def plain(self) -> tuple[UUID, list[bytes]] | None:
        """Return a person whose codes are not stretched, with their digests; None without one."""
        rows = self._cursor.execute(
            "SELECT person_id, digest FROM recovery_codes WHERE recipe IS NULL AND person_id ="
            " (SELECT person_id FROM recovery_codes WHERE recipe IS NULL LIMIT 1)"
        ).fetchall()
        return (rows[0]["person_id"], [row["digest"] for row in rows]) if rows else None

    def stretch(self, person_id: UUID, recipe: str, digests: Mapping[bytes, bytes]) -> int:
        """Replace plain digests by stretched ones; return how many were still there."""
        self._cursor.executemany(
            "UPDATE recovery_codes SET digest = %s, recipe = %s"
            " WHERE person_id = %s AND digest = %s AND recipe IS NULL",
            [(slow, recipe, person_id, plain) for plain, slow in digests.items()],
        )
        return self._cursor.rowcount

    def left(self, person_id: UUID) -> tuple[int, datetime | None]:
        """Return how many codes a person has left, and when they were issued."""
        row = self._cursor.execute(
            "SELECT count(*) AS number, max(issued_at) AS issued_at FROM recovery_codes"
            " WHERE person_id = %s",
            (person_id,),
        ).fetchone()
        return (0, None) if row is None else (row["number"], row["issued_at"])

    def has(self, person_id: UUID) -> bool:
        """Return whether a person has a code left."""
        self._cursor.execute(
            "SELECT 1 FROM recovery_codes WHERE person_id = %s LIMIT 1", (person_id,)
        )
        return self._cursor.fetchone() is not None

    def remove(self, person_id: UUID) -> None:
        """Delete all codes of a person."""
        self._cursor.execute("DELETE FROM recovery_codes WHERE person_id = %s", (person_id,))
