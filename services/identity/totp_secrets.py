"""The table ``totp_secrets``: the sealed secrets that persons share with an authenticator app."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
import psycopg


class TotpSecret(msgspec.Struct, frozen=True, kw_only=True):
    """A secret, sealed, and the step of the last code that was accepted."""

    sealed: str
    last_step: int
    added_at: datetime
    last_used_at: datetime | None


class TotpSecrets:
    """Reads and writes ``totp_secrets`` within a transaction."""

    def __init__(self, cursor: psycopg.Cursor[dict[str, Any]]) -> None:
        self._cursor = cursor

    def add(self, person_id: UUID, sealed: str, last_step: int, now: datetime) -> bool:
        """Add the secret of a person; return False if there is one already."""
        self._cursor.execute(
            "INSERT INTO totp_secrets (person_id, sealed, last_step, added_at)"
            " VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
            (person_id, sealed, last_step, now),
        )
        return self._cursor.rowcount == 1

    def of_person(self, person_id: UUID) -> TotpSecret | None:
        """Return a person's secret."""
        row = self._cursor.execute(
            "SELECT sealed, last_step, added_at, last_used_at FROM totp_secrets"
            " WHERE person_id = %s",
            (person_id,),
        ).fetchone()
        return None if row is None else TotpSecret(**row)

    def has(self, person_id: UUID) -> bool:
        """Return whether a person has a secret."""
        self._cursor.execute(
            "SELECT 1 FROM totp_secrets WHERE person_id = %s LIMIT 1", (person_id,)
        )
        return self._cursor.fetchone() is not None

    def owners(self, person_ids: Collection[UUID]) -> set[UUID]:
        """Return who of these persons has a secret."""
        self._cursor.execute(
            "SELECT person_id FROM totp_secrets WHERE person_id = ANY(%s)", (list(person_ids),)
        )
        return {row["person_id"] for row in self._cursor.fetchall()}

    def used(self, person_id: UUID, step: int, now: datetime) -> None:
        """Store the step of a code that was accepted."""
        self._cursor.execute(
            "UPDATE totp_secrets SET last_step = %s, last_used_at = %s WHERE person_id = %s",
            (step, now, person_id),
        )

    def remove(self, person_id: UUID) -> bool:
        """Remove a person's secret; return False if there is none."""
        self._cursor.execute("DELETE FROM totp_secrets WHERE person_id = %s", (person_id,))
        return self._cursor.rowcount == 1
