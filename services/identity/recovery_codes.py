"""The table ``recovery_codes``: keyed digests of the codes that are left."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg


class RecoveryCodes:
    """Reads and writes ``recovery_codes`` within a transaction."""

    def __init__(self, cursor: psycopg.Cursor[dict[str, Any]]) -> None:
        self._cursor = cursor

    def replace(self, person_id: UUID, digests: Sequence[bytes], now: datetime) -> None:
        """Replace all codes of a person."""
        self.remove(person_id)
        self._cursor.executemany(
            "INSERT INTO recovery_codes (person_id, digest, issued_at) VALUES (%s, %s, %s)",
            [(person_id, digest, now) for digest in digests],
        )

    def spend(self, person_id: UUID, digest: bytes) -> bool:
        """Delete a code that is used; return False if there is no such code."""
        self._cursor.execute(
            "DELETE FROM recovery_codes WHERE person_id = %s AND digest = %s", (person_id, digest)
        )
        return self._cursor.rowcount == 1

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
