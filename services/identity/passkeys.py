"""The table ``passkeys``: the public keys of authenticators, by the ids of their credentials."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
import psycopg


class Passkey(msgspec.Struct, frozen=True, kw_only=True):
    """A passkey; its name is sealed.

    One that ``needs_password`` does not sign in alone: the password was recovered since it was
    last used.
    """

    passkey_id: UUID
    person_id: UUID
    credential_id: bytes
    public_key: bytes
    sign_count: int
    name: str
    added_at: datetime
    last_used_at: datetime | None = None
    needs_password: bool = False


_COLUMNS = (
    "passkey_id, person_id, credential_id, public_key, sign_count, name, added_at, last_used_at,"
    " needs_password"
)


class Passkeys:
    """Reads and writes ``passkeys`` within a transaction."""

    def __init__(self, cursor: psycopg.Cursor[dict[str, Any]]) -> None:
        self._cursor = cursor

    def add(self, passkey: Passkey) -> bool:
        """Add a passkey; return False if its credential is known already, whosever it is."""
        self._cursor.execute(
            f"INSERT INTO passkeys ({_COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"  # noqa: S608
            " ON CONFLICT DO NOTHING",
            msgspec.structs.astuple(passkey),
        )
        return self._cursor.rowcount == 1

    def of_person(self, person_id: UUID) -> list[Passkey]:
        """Return a person's passkeys, the oldest first."""
        self._cursor.execute(
            f"SELECT {_COLUMNS} FROM passkeys WHERE person_id = %s"  # noqa: S608 - constant
            " ORDER BY added_at, passkey_id",
            (person_id,),
        )
        return [Passkey(**row) for row in self._cursor.fetchall()]

    def has(self, person_id: UUID) -> bool:
        """Return whether a person has a passkey."""
        self._cursor.execute("SELECT 1 FROM passkeys WHERE person_id = %s LIMIT 1", (person_id,))
        return self._cursor.fetchone() is not None

    def owners(self, person_ids: Collection[UUID]) -> set[UUID]:
        """Return who of these persons has a passkey."""
        self._cursor.execute(
            "SELECT DISTINCT person_id FROM passkeys WHERE person_id = ANY(%s)", (list(person_ids),)
        )
        return {row["person_id"] for row in self._cursor.fetchall()}

    def of_credential(self, credential_id: bytes) -> Passkey | None:
        """Return the passkey of a credential."""
        row = self._cursor.execute(
            f"SELECT {_COLUMNS} FROM passkeys WHERE credential_id = %s",  # noqa: S608 - constant
            (credential_id,),
        ).fetchone()
        return None if row is None else Passkey(**row)

    def used(self, passkey_id: UUID, sign_count: int, now: datetime) -> None:
        """Store the counter of an authenticator that has just been used, as it may be."""
        self._cursor.execute(
            "UPDATE passkeys SET sign_count = %s, last_used_at = %s, needs_password = false"
            " WHERE passkey_id = %s",
            (sign_count, now, passkey_id),
        )

    def need_password(self, person_id: UUID) -> None:
        """Have a person's passkeys sign in only after the password, until each was used so."""
        self._cursor.execute(
            "UPDATE passkeys SET needs_password = true WHERE person_id = %s", (person_id,)
        )

    def remove(self, person_id: UUID, passkey_id: UUID) -> bool:
        """Remove one of a person's passkeys; return False if there is no such passkey."""
        self._cursor.execute(
            "DELETE FROM passkeys WHERE person_id = %s AND passkey_id = %s",
            (person_id, passkey_id),
        )
        return self._cursor.rowcount == 1

    def remove_all(self, person_id: UUID) -> None:
        """Remove all passkeys of a person."""
        self._cursor.execute("DELETE FROM passkeys WHERE person_id = %s", (person_id,))
