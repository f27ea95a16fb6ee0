"""The table ``support_codes``: which person met which error page."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg


class SupportCodes:
    """Reads and writes ``support_codes`` within a transaction."""

    def __init__(self, cursor: psycopg.Cursor[dict[str, Any]]) -> None:
        self._cursor = cursor

    def note(self, code: str, person_id: UUID, now: datetime, most: int) -> None:
        """Keep a code of a person; of each person only the newest ``most`` stay."""
        self._cursor.execute(
            "INSERT INTO support_codes (code, person_id, noted_at) VALUES (%s, %s, %s)"
            " ON CONFLICT (code, person_id) DO UPDATE SET noted_at = excluded.noted_at",
            (code, person_id, now),
        )
        self._cursor.execute(
            "DELETE FROM support_codes WHERE person_id = %s AND (noted_at, code) <"
            " (SELECT noted_at, code FROM support_codes WHERE person_id = %s"
            " ORDER BY noted_at DESC, code DESC LIMIT 1 OFFSET %s)",
            (person_id, person_id, most - 1),
        )

    def persons_of(self, code: str) -> list[UUID]:
        """Return who met the error page of a code: one that a browser chose may be of several."""
        self._cursor.execute(
            "SELECT person_id FROM support_codes WHERE code = %s ORDER BY noted_at DESC, person_id",
            (code,),
        )
        return [row["person_id"] for row in self._cursor.fetchall()]

    def of_person(self, person_id: UUID) -> list[tuple[str, datetime]]:
        """Return the codes that a person met, each with its time, the latest first."""
        self._cursor.execute(
            "SELECT code, noted_at FROM support_codes WHERE person_id = %s"
            " ORDER BY noted_at DESC, code",
            (person_id,),
        )
        return [(row["code"], row["noted_at"]) for row in self._cursor.fetchall()]

    def sweep(self, before: datetime) -> int:
        """Delete the codes from before a moment; return how many there were."""
        self._cursor.execute("DELETE FROM support_codes WHERE noted_at < %s", (before,))
        return self._cursor.rowcount
