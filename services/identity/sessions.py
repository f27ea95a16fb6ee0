"""The table ``sessions``; of a token only the SHA-256 is stored."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import psycopg


class SignedIn(msgspec.Struct, frozen=True, kw_only=True):
    """A session; whether its person has a temporary password, and which documents accepted."""

    session_id: UUID
    person_id: UUID
    device: str
    device_digest: bytes | None
    network_index: bytes | None
    how: str
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    second_step_at: datetime | None
    temporary: bool
    person_type: str
    rules_version: str
    consent_version: str


_COLUMNS = """session_id, person_id, device, device_digest, network_index, how, created_at,
    last_seen_at, sessions.expires_at, second_step_at, temporary, person_type, rules_version,
    consent_version"""
_FROM_LIVE = """
    FROM sessions JOIN credentials USING (person_id) JOIN persons USING (person_id)
    WHERE sessions.expires_at > %s AND last_seen_at > %s
"""
_LIVE = f"SELECT {_COLUMNS} {_FROM_LIVE}"


class Sessions:
    """Reads and writes ``sessions`` within a transaction."""

    def __init__(self, cursor: psycopg.Cursor[dict[str, Any]]) -> None:
        self._cursor = cursor

    def open(
        self,
        session_id: UUID,
        person_id: UUID,
        token_digest: bytes,
        *,
        device: str,
        device_digest: bytes,
        network_index: bytes,
        how: str,
        now: datetime,
        expires_at: datetime,
        second_step_at: datetime | None,
    ) -> None:
        """Add a session."""
        self._cursor.execute(
            "INSERT INTO sessions (session_id, person_id, token_digest, device, device_digest,"
            " network_index, how, created_at, last_seen_at, expires_at, second_step_at)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (
                session_id,
                person_id,
                token_digest,
                device,
                device_digest,
                network_index,
                how,
                now,
                now,
                expires_at,
                second_step_at,
            ),
        )

    def of_token(self, token_digest: bytes, now: datetime, idle: timedelta) -> SignedIn | None:
        """Return the live session of a token; one unused for ``idle`` is not live."""
        row = self._cursor.execute(
            f"{_LIVE} AND token_digest = %s", (now, now - idle, token_digest)
        ).fetchone()
        return None if row is None else SignedIn(**row)

    def of_tokens(
        self, token_digests: Sequence[bytes], now: datetime, idle: timedelta
    ) -> dict[bytes, SignedIn]:
        """Return the live sessions of tokens, by their digests."""
        self._cursor.execute(
            f"SELECT token_digest, {_COLUMNS} {_FROM_LIVE} AND token_digest = ANY(%s)",
            (now, now - idle, list(token_digests)),
        )
        return {bytes(row.pop("token_digest")): SignedIn(**row) for row in self._cursor.fetchall()}

    def of_person(self, person_id: UUID, now: datetime, idle: timedelta) -> list[SignedIn]:
        """Return a person's live sessions, last seen first."""
        self._cursor.execute(
            f"{_LIVE} AND person_id = %s ORDER BY last_seen_at DESC, created_at DESC, session_id",
            (now, now - idle, person_id),
        )
        return [SignedIn(**row) for row in self._cursor.fetchall()]

    def seen(self, session_id: UUID, now: datetime) -> None:
        """Store when the session was last seen."""
        self._cursor.execute(
            "UPDATE sessions SET last_seen_at = %s WHERE session_id = %s", (now, session_id)
        )

    def second_step_taken(self, session_id: UUID, now: datetime) -> None:
        """Store that the second step was taken in a session."""
        self._cursor.execute(
            "UPDATE sessions SET second_step_at = %s WHERE session_id = %s", (now, session_id)
        )

    def extend(self, session_id: UUID, expires_at: datetime) -> None:
        """Change when a session expires."""
        self._cursor.execute(
            "UPDATE sessions SET expires_at = %s WHERE session_id = %s", (expires_at, session_id)
        )

    def renew_token(self, session_id: UUID, token_digest: bytes) -> None:
        """Give a session another token: the old one opens nothing any more."""
        self._cursor.execute(
            "UPDATE sessions SET token_digest = %s WHERE session_id = %s",
            (token_digest, session_id),
        )

    def end(self, person_id: UUID, session_id: UUID) -> bool:
        """End one session of a person; return False if there is no such session."""
        self._cursor.execute(
            "DELETE FROM sessions WHERE person_id = %s AND session_id = %s",
            (person_id, session_id),
        )
        return self._cursor.rowcount == 1

    def end_all(self, person_id: UUID, *, but: UUID | None = None) -> None:
        """End a person's sessions, except one."""
        self._cursor.execute(
            "DELETE FROM sessions WHERE person_id = %s AND session_id IS DISTINCT FROM %s",
            (person_id, but),
        )

    def sweep(self, now: datetime, idle: timedelta) -> int:
        """Delete the sessions that are not live; return how many there were."""
        # Locked rows are skipped, so that a sweep is never part of a deadlock.
        self._cursor.execute(
            "DELETE FROM sessions WHERE session_id IN (SELECT session_id FROM sessions"
            " WHERE expires_at <= %s OR last_seen_at <= %s FOR UPDATE SKIP LOCKED)",
            (now, now - idle),
        )
        return self._cursor.rowcount
