"""The security log of a service: who saw personal data, and what happened to a person's access.

A row stands in the transaction of what it tells of, so that neither is without the other. It holds
no personal data: a person is an id, and ``about`` names a thing by its number or id.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

import msgspec

from shared import context

MAX_ABOUT = 200
"""Characters of what an entry is about."""


class SecurityEntry(msgspec.Struct, frozen=True, kw_only=True):
    """Who did what, to whom, and why; ``about`` is the thing concerned, such as ``payment:<id>``.

    The actor is as in events: ``person:<id>``, ``staff:<name>``, ``service:<name>``.
    """

    id: int
    at: datetime
    actor: str
    action: str
    person_id: UUID | None
    about: str
    reason: str


class SecurityLog(Protocol):
    """The security log within a unit of work."""

    def note(
        self, action: str, *, person_id: UUID | None = None, about: str = "", reason: str = ""
    ) -> None:
        """Add an entry of whoever acts in this context."""
        ...

    def entries(
        self,
        *,
        limit: int,
        person_id: UUID | None = None,
        by: str | None = None,
        since: datetime | None = None,
    ) -> Sequence[SecurityEntry]:
        """Return the entries about a person, by an actor, from a moment on; the newest first."""
        ...

    def sweep(self, before: datetime, most: int) -> int:
        """Delete at most so many entries from before a moment; return how many there were.

        Those of the last 180 days stay, whoever asks.
        """
        ...


class PostgresSecurityLog:
    """The table ``security_log`` of a service."""

    def __init__(self, cursor: Any, now: datetime) -> None:
        self._cursor = cursor
        self._now = now

    def note(
        self, action: str, *, person_id: UUID | None = None, about: str = "", reason: str = ""
    ) -> None:
        request = context.current()
        self._cursor.execute(
            "INSERT INTO security_log (at, actor, action, person_id, about, reason, correlation_id)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s)",
            (self._now, request.actor, action, person_id, about[:MAX_ABOUT], reason,
             request.correlation_id),
        )  # fmt: skip

    def entries(
        self,
        *,
        limit: int,
        person_id: UUID | None = None,
        by: str | None = None,
        since: datetime | None = None,
    ) -> Sequence[SecurityEntry]:
        self._cursor.execute(
            "SELECT id, at, actor, action, person_id, about, reason FROM security_log"
            " WHERE (%(person)s::uuid IS NULL OR person_id = %(person)s)"
            " AND (%(by)s::text IS NULL OR actor = %(by)s)"
            " AND (%(since)s::timestamptz IS NULL OR at >= %(since)s)"
            " ORDER BY id DESC LIMIT %(limit)s",
            {"person": person_id, "by": by, "since": since, "limit": limit},
        )
        return [SecurityEntry(**row) for row in self._cursor.fetchall()]

    def sweep(self, before: datetime, most: int) -> int:
        row = self._cursor.execute(
            "SELECT sweep_security_log(%s, %s) AS swept", (before, most)
        ).fetchone()
        return int(row["swept"])


class MemorySecurityLog:
    """The security log of unit tests."""

    def __init__(self, kept: list[SecurityEntry], now: datetime) -> None:
        self._kept = kept
        self._now = now

    def note(
        self, action: str, *, person_id: UUID | None = None, about: str = "", reason: str = ""
    ) -> None:
        self._kept.append(
            SecurityEntry(
                id=len(self._kept) + 1,
                at=self._now,
                actor=context.current().actor,
                action=action,
                person_id=person_id,
                about=about[:MAX_ABOUT],
                reason=reason,
            )
        )

    def entries(
        self,
        *,
        limit: int,
        person_id: UUID | None = None,
        by: str | None = None,
        since: datetime | None = None,
    ) -> Sequence[SecurityEntry]:
        found = [
            entry
            for entry in reversed(self._kept)
            if person_id in (None, entry.person_id)
            and by in (None, entry.actor)
            and (since is None or entry.at >= since)
        ]
        return found[:limit]

    def sweep(self, before: datetime, most: int) -> int:
        old = [entry for entry in self._kept if entry.at < before][:most]
        for entry in old:
            self._kept.remove(entry)
        return len(old)
