"""The table ``farewells``: where the last letter to an erased person goes, sealed, for days."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
import psycopg


class Farewell(msgspec.Struct, frozen=True, kw_only=True):
    """The sealed address of the last letter, and its language."""

    email: str
    language: str


class Farewells:
    """Reads and writes ``farewells`` within a transaction."""

    def __init__(self, cursor: psycopg.Cursor[dict[str, Any]]) -> None:
        self._cursor = cursor

    def keep(self, person_id: UUID, farewell: Farewell, until: datetime) -> None:
        """Keep where the last letter goes until a time."""
        self._cursor.execute(
            "INSERT INTO farewells (person_id, email, language, until) VALUES (%s, %s, %s, %s)",
            (person_id, farewell.email, farewell.language, until),
        )

    def take(self, person_id: UUID, until: datetime) -> Farewell | None:
        """Return where an erased person's last letter goes, which is kept until then at most."""
        row = self._cursor.execute(
            "UPDATE farewells SET until = least(until, %s) WHERE person_id = %s"
            " RETURNING email, language",
            (until, person_id),
        ).fetchone()
        return None if row is None else Farewell(**row)

    def expire(self, now: datetime, most: int) -> list[UUID]:
        """Delete what is kept no longer; return whose it was."""
        self._cursor.execute(
            "DELETE FROM farewells WHERE person_id IN (SELECT person_id FROM farewells"
            " WHERE until <= %s ORDER BY until LIMIT %s FOR UPDATE SKIP LOCKED)"
            " RETURNING person_id",
            (now, most),
        )
        return [row["person_id"] for row in self._cursor.fetchall()]
