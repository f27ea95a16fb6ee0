"""The tables ``challenges`` and ``spent_nonces``: what waits for a factor, once and for minutes."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec
import psycopg

Purpose = Literal["second_step", "add_passkey", "add_totp"]


class Challenge(msgspec.Struct, frozen=True, kw_only=True):
    """What a person has to respond to; see the columns of the table."""

    challenge_id: UUID
    purpose: Purpose
    person_id: UUID
    bound_to: bytes
    nonce: bytes
    sealed: str | None
    attempts_left: int
    expires_at: datetime


_COLUMNS = "challenge_id, purpose, person_id, bound_to, nonce, sealed, attempts_left, expires_at"


class Challenges:
    """Reads and writes ``challenges`` and ``spent_nonces`` within a transaction."""

    def __init__(self, cursor: psycopg.Cursor[dict[str, Any]]) -> None:
        self._cursor = cursor

    def open(self, challenge: Challenge) -> None:
        """Add a challenge."""
        self._cursor.execute(
            f"INSERT INTO challenges ({_COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",  # noqa: S608
            msgspec.structs.astuple(challenge),
        )

    def pending(self, challenge_id: UUID, purpose: Purpose, now: datetime) -> Challenge | None:
        """Return a challenge of this purpose that has not expired."""
        row = self._cursor.execute(
            f"SELECT {_COLUMNS} FROM challenges"  # noqa: S608 - constant
            " WHERE challenge_id = %s AND purpose = %s AND expires_at > %s",
            (challenge_id, purpose, now),
        ).fetchone()
        return None if row is None else Challenge(**row)

    def miss(self, challenge_id: UUID) -> None:
        """Count a wrong attempt."""
        self._cursor.execute(
            "UPDATE challenges SET attempts_left = attempts_left - 1 WHERE challenge_id = %s",
            (challenge_id,),
        )

    def close(self, challenge_id: UUID) -> None:
        """Delete a challenge: it serves once."""
        self._cursor.execute("DELETE FROM challenges WHERE challenge_id = %s", (challenge_id,))

    def close_all(self, person_id: UUID) -> None:
        """Delete all challenges of a person."""
        self._cursor.execute("DELETE FROM challenges WHERE person_id = %s", (person_id,))

    def spend(self, nonce: bytes, expires_at: datetime) -> bool:
        """Note that a nonce was used; return False if it was used before."""
        self._cursor.execute(
            "INSERT INTO spent_nonces (nonce, expires_at) VALUES (%s, %s) ON CONFLICT DO NOTHING",
            (nonce, expires_at),
        )
        return self._cursor.rowcount == 1

    def sweep(self, now: datetime) -> int:
        """Delete what has expired; return how many rows there were."""
        # Locked rows are skipped, so that a sweep is never part of a deadlock.
        self._cursor.execute(
            "DELETE FROM challenges WHERE challenge_id IN (SELECT challenge_id FROM challenges"
            " WHERE expires_at <= %s FOR UPDATE SKIP LOCKED)",
            (now,),
        )
        expired = self._cursor.rowcount
        self._cursor.execute(
            "DELETE FROM spent_nonces WHERE nonce IN (SELECT nonce FROM spent_nonces"
            " WHERE expires_at <= %s FOR UPDATE SKIP LOCKED)",
            (now,),
        )
        return expired + self._cursor.rowcount
