"""The table ``credentials``: the index of a person's address, and the hash of the password."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from psycopg.errors import UniqueViolation


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """How a person signs in; it has no hash until the first letter is written."""

    person_id: UUID
    email_index: bytes
    password_hash: str | None
    temporary: bool
    expires_at: datetime | None


_COLUMNS = "person_id, email_index, password_hash, temporary, expires_at"


class Credentials:
    """Reads and writes ``credentials`` within a transaction."""

    def __init__(self, cursor: psycopg.Cursor[dict[str, Any]]) -> None:
        self._cursor = cursor

    def claim(self, person_id: UUID, email_index: bytes) -> bool:
        """Assign an address to a person; return False if it is assigned already.

        Waits for a transaction that is claiming the same address.
        """
        self._cursor.execute(
            "INSERT INTO credentials (person_id, email_index) VALUES (%s, %s)"
            " ON CONFLICT DO NOTHING",
            (person_id, email_index),
        )
        return self._cursor.rowcount == 1

    def of_email(self, email_index: bytes) -> Credential | None:
        """Return the credential of an address."""
        return self._one(
            f"SELECT {_COLUMNS} FROM credentials WHERE email_index = %s",  # noqa: S608 - constant
            email_index,
        )

    def of_person(self, person_id: UUID) -> Credential | None:
        """Return a person's credential, without a lock."""
        return self._one(
            f"SELECT {_COLUMNS} FROM credentials WHERE person_id = %s",  # noqa: S608 - constant
            person_id,
        )

    def lock(self, person_id: UUID) -> Credential | None:
        """Return a person's credential, locked until the transaction ends."""
        return self._one(
            f"SELECT {_COLUMNS} FROM credentials WHERE person_id = %s FOR UPDATE",  # noqa: S608
            person_id,
        )

    def set_temporary(
        self, person_id: UUID, password_hash: str, fingerprint: bytes, expires_at: datetime
    ) -> None:
        """Store a password for the first sign-in, in place of any earlier one."""
        self._cursor.execute(
            "UPDATE credentials SET password_hash = %s, sent_password = %s, temporary = true,"
            " expires_at = %s WHERE person_id = %s",
            (password_hash, fingerprint, expires_at, person_id),
        )

    def sent_password(self, person_id: UUID) -> bytes | None:
        """Return the fingerprint of the last password that was sent to a person."""
        row = self._cursor.execute(
            "SELECT sent_password FROM credentials WHERE person_id = %s", (person_id,)
        ).fetchone()
        return None if row is None else row["sent_password"]

    def set_chosen(self, person_id: UUID, password_hash: str) -> None:
        """Store a password that the person chose."""
        self._cursor.execute(
            "UPDATE credentials SET password_hash = %s, temporary = false, expires_at = NULL"
            " WHERE person_id = %s",
            (password_hash, person_id),
        )

    def forget_password(self, person_id: UUID) -> None:
        """Let no password open the cabinet until the person has chosen another one."""
        self._cursor.execute(
            "UPDATE credentials SET password_hash = NULL, temporary = true, expires_at = NULL"
            " WHERE person_id = %s",
            (person_id,),
        )

    def rehash(self, person_id: UUID, password_hash: str) -> None:
        """Store a stronger hash of the same password."""
        self._cursor.execute(
            "UPDATE credentials SET password_hash = %s WHERE person_id = %s",
            (password_hash, person_id),
        )

    def set_email(self, person_id: UUID, email_index: bytes) -> bool:
        """Assign another address; return False if it is somebody's already.

        Waits for a transaction that is claiming the same address.
        """
        try:
            with self._cursor.connection.transaction():  # a savepoint: the transaction goes on
                self._cursor.execute(
                    "UPDATE credentials SET email_index = %s WHERE person_id = %s",
                    (email_index, person_id),
                )
        except UniqueViolation:
            return False
        return True

    def _one(self, statement: str, value: UUID | bytes) -> Credential | None:
        row = self._cursor.execute(statement, (value,)).fetchone()
        return None if row is None else Credential(**row)
