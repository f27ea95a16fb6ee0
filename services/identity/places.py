"""Where people sign in from: devices and networks that are known to be theirs."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg

from services.identity.commands import Command
from services.identity.limits import DEVICE_LIFE, DEVICES_PER_PERSON, NETWORK_LIFE


class Place(Command, frozen=True, kw_only=True):
    """Where somebody signs in from.

    ``device_digest`` is that of the token the device has sent, None without one; ``fresh_digest``
    that of the token it gets if it is not known.
    """

    device: str
    device_digest: bytes | None
    fresh_digest: bytes
    network_index: bytes


class Devices:
    """Reads and writes ``devices`` within a transaction; of a token only the SHA-256 is stored."""

    def __init__(self, cursor: psycopg.Cursor[dict[str, Any]]) -> None:
        self._cursor = cursor

    def is_known(self, person_id: UUID, digest: bytes | None, now: datetime) -> bool:
        """Return whether a person has signed in on a device within its life."""
        self._cursor.execute(
            "SELECT FROM devices WHERE person_id = %s AND device_digest = %s AND last_seen_at > %s",
            (person_id, digest, now - DEVICE_LIFE),
        )
        return self._cursor.rowcount == 1

    def is_issued(self, digest: bytes | None, now: datetime) -> bool:
        """Return whether a token is one of ours: people may share a device, and its token."""
        self._cursor.execute(
            "SELECT FROM devices WHERE device_digest = %s AND last_seen_at > %s LIMIT 1",
            (digest, now - DEVICE_LIFE),
        )
        return self._cursor.rowcount == 1

    def any_of(self, person_id: UUID) -> bool:
        """Return whether a person has any device."""
        self._cursor.execute("SELECT FROM devices WHERE person_id = %s LIMIT 1", (person_id,))
        return self._cursor.rowcount == 1

    def keep(
        self, person_id: UUID, digest: bytes, name: str, session_id: UUID, now: datetime
    ) -> None:
        """Remember a device, or that it was used again; above the limit the oldest is forgotten."""
        self._cursor.execute(
            "INSERT INTO devices (person_id, device_digest, name, session_id, first_seen_at,"
            " last_seen_at) VALUES (%s, %s, %s, %s, %s, %s)"
            " ON CONFLICT (person_id, device_digest) DO UPDATE SET name = excluded.name,"
            " last_seen_at = excluded.last_seen_at",
            (person_id, digest, name, session_id, now, now),
        )
        self._cursor.execute(
            "DELETE FROM devices WHERE person_id = %s AND device_digest IN (SELECT device_digest"
            " FROM devices WHERE person_id = %s ORDER BY last_seen_at DESC OFFSET %s)",
            (person_id, person_id, DEVICES_PER_PERSON),
        )

    def of_person(self, person_id: UUID) -> list[dict[str, Any]]:
        """Return {name, first_seen_at, last_seen_at} of a person's devices, the latest first."""
        self._cursor.execute(
            "SELECT name, first_seen_at, last_seen_at FROM devices WHERE person_id = %s"
            " ORDER BY last_seen_at DESC",
            (person_id,),
        )
        return self._cursor.fetchall()

    def name_of(self, person_id: UUID, session_id: UUID) -> str | None:
        """Return the name of the device that became known with a session."""
        row = self._cursor.execute(
            "SELECT name FROM devices WHERE person_id = %s AND session_id = %s",
            (person_id, session_id),
        ).fetchone()
        return None if row is None else str(row["name"])

    def forget(self, person_id: UUID, digest: bytes) -> None:
        """Forget one device of a person."""
        self._cursor.execute(
            "DELETE FROM devices WHERE person_id = %s AND device_digest = %s", (person_id, digest)
        )

    def forget_all(self, person_id: UUID, *, but: bytes | None = None) -> None:
        """Forget a person's devices, except one."""
        self._cursor.execute(
            "DELETE FROM devices WHERE person_id = %s AND device_digest IS DISTINCT FROM %s",
            (person_id, but),
        )

    def sweep(self, now: datetime) -> int:
        """Delete what was last used too long ago; return how many there were."""
        # Locked rows are skipped, so that a sweep is never part of a deadlock.
        self._cursor.execute(
            "DELETE FROM devices WHERE (person_id, device_digest) IN (SELECT person_id,"
            " device_digest FROM devices WHERE last_seen_at <= %s FOR UPDATE SKIP LOCKED)",
            (now - DEVICE_LIFE,),
        )
        return self._cursor.rowcount


class Networks:
    """Reads and writes ``networks`` within a transaction; of an address only a keyed hash."""

    def __init__(self, cursor: psycopg.Cursor[dict[str, Any]]) -> None:
        self._cursor = cursor

    def is_known(self, person_id: UUID, network_index: bytes, now: datetime) -> bool:
        """Return whether a person has signed in from a network within its life."""
        self._cursor.execute(
            "SELECT FROM networks WHERE person_id = %s AND network_index = %s"
            " AND last_seen_at > %s",
            (person_id, network_index, now - NETWORK_LIFE),
        )
        return self._cursor.rowcount == 1

    def seen(self, person_id: UUID) -> list[datetime]:
        """Return when each of a person's networks was last used, the latest first."""
        self._cursor.execute(
            "SELECT last_seen_at FROM networks WHERE person_id = %s ORDER BY last_seen_at DESC",
            (person_id,),
        )
        return [row["last_seen_at"] for row in self._cursor.fetchall()]

    def keep(self, person_id: UUID, network_index: bytes, now: datetime) -> None:
        """Remember a network, or that it was used again."""
        self._cursor.execute(
            "INSERT INTO networks (person_id, network_index, last_seen_at) VALUES (%s, %s, %s)"
            " ON CONFLICT (person_id, network_index) DO UPDATE SET"
            " last_seen_at = excluded.last_seen_at",
            (person_id, network_index, now),
        )

    def forget_all(self, person_id: UUID, *, but: bytes | None = None) -> None:
        """Forget a person's networks, except one."""
        self._cursor.execute(
            "DELETE FROM networks WHERE person_id = %s AND network_index IS DISTINCT FROM %s",
            (person_id, but),
        )

    def sweep(self, now: datetime) -> int:
        """Delete what was last used too long ago; return how many there were."""
        self._cursor.execute(
            "DELETE FROM networks WHERE (person_id, network_index) IN (SELECT person_id,"
            " network_index FROM networks WHERE last_seen_at <= %s FOR UPDATE SKIP LOCKED)",
            (now - NETWORK_LIFE,),
        )
        return self._cursor.rowcount
