"""The table ``choices``, derived from the events: what a person has switched on or off."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Cursor


class ChoiceTable:
    """Reads and writes ``choices`` within a transaction."""

    def __init__(self, cursor: Cursor[dict[str, Any]]) -> None:
        self._cursor = cursor

    def put(self, person_id: UUID, kind: str, at: datetime, *, wanted: bool) -> None:
        """Keep a choice in the place of the earlier one."""
        self._cursor.execute(
            "INSERT INTO choices (person_id, kind, wanted, chosen_at) VALUES (%s, %s, %s, %s)"
            " ON CONFLICT (person_id, kind)"
            " DO UPDATE SET wanted = excluded.wanted, chosen_at = excluded.chosen_at",
            (person_id, kind, wanted, at),
        )

    def erase(self, person_id: UUID) -> None:
        """Delete the choices of a person."""
        self._cursor.execute("DELETE FROM choices WHERE person_id = %s", (person_id,))

    def made_by(self, person_id: UUID) -> list[dict[str, Any]]:
        """Return a person's choices: kind, wanted, chosen_at."""
        self._cursor.execute(
            "SELECT kind, wanted, chosen_at FROM choices WHERE person_id = %s ORDER BY kind",
            (person_id,),
        )
        return self._cursor.fetchall()

    def unwanted_by(self, person_id: UUID) -> set[str]:
        """Return the kinds that a person has switched off."""
        return {kind for _, kind in self.unwanted([person_id])}

    def unwanted(self, person_ids: Collection[UUID]) -> set[tuple[UUID, str]]:
        """Return (person, kind) of all that these persons have switched off."""
        self._cursor.execute(
            "SELECT person_id, kind FROM choices WHERE person_id = ANY(%s) AND NOT wanted",
            (list(person_ids),),
        )
        return {(row["person_id"], row["kind"]) for row in self._cursor}
