"""The table ``farewells``: where the last letter to an erased person goes, sealed, for a day."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg


class Farewells:
    """Reads and writes ``farewells`` within a transaction."""

    def __init__(self, cursor: psycopg.Cursor[dict[str, Any]]) -> None:
        self._cursor = cursor

    def keep(self, person_id: UUID, email: str, until: datetime) -> None:
        """Keep a sealed address until a time."""
        self._cursor.execute(
            "INSERT INTO farewells (person_id, email, until) VALUES (%s, %s, %s)",
            (person_id, email, until),
        )

    def take(self, person_id: UUID, until: datetime) -> str | None:
        """Return the sealed address of an erased person, which is kept until then at most."""
        row = self._cursor.execute(
            "UPDATE farewells SET until = least(until, %s) WHERE person_id = %s RETURNING email",
            (until, person_id),
        ).fetchone()
        return None if row is None else row["email"]

    def expire(self, now: datetime, most: int) -> list[UUID]:
        """Delete what is kept no longer; return whose it was."""
        self._cursor.execute(
            "DELETE FROM farewells WHERE person_id IN (SELECT person_id FROM farewells"
            " WHERE until <= %s ORDER BY until LIMIT %s FOR UPDATE SKIP LOCKED)"
            " RETURNING person_id",
            (now, most),
        )
        return [row["person_id"] for row in self._cursor.fetchall()]
