"""The tables of signing in as dictionaries; they behave like the SQL."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from services.identity.limits import DEVICE_LIFE, NETWORK_LIFE, Delay, Limit


def _seconds(wait: timedelta) -> int:
    return max(1, math.ceil(wait.total_seconds()))


class FakeAttempts:
    def __init__(self) -> None:
        self.rows: dict[tuple[str, bytes], tuple[int, datetime]] = {}
        self.opens: dict[tuple[str, bytes], datetime] = {}
        self.owners: dict[tuple[str, bytes], bytes | None] = {}

    def take(
        self, limit: Limit, subject: bytes, now: datetime, *, owner: bytes | None = None
    ) -> int:
        key = (limit.scope, subject)
        taken, closes_at = self.rows.get(key, (0, now))
        if closes_at <= now:
            taken, closes_at = 0, now + limit.window
        taken = min(taken, limit.most) + 1
        self.rows[key] = (taken, closes_at)
        self.owners[key] = owner
        return 0 if taken <= limit.most else _seconds(closes_at - now)

    def wait(self, limit: Limit, subject: bytes, now: datetime) -> int:
        taken, closes_at = self.rows.get((limit.scope, subject), (0, now))
        return _seconds(closes_at - now) if taken >= limit.most and closes_at > now else 0

    def left(self, limit: Limit, subject: bytes, now: datetime) -> int:
        taken, closes_at = self.rows.get((limit.scope, subject), (0, now))
        return max(0, limit.most - taken) if closes_at > now else limit.most

    def slow(self, delay: Delay, subject: bytes, owner: bytes, now: datetime) -> int:
        key = (delay.scope, subject)
        taken, closes_at = self.rows.get(key, (0, now))
        opens_at = self.opens.get(key, now)
        if opens_at > now:
            return _seconds(opens_at - now)
        taken = 1 if closes_at <= now else taken + 1
        self.rows[key] = (taken, now + delay.forgotten_after)
        self.opens.pop(key, None)
        if pause := delay.after(taken):
            self.opens[key] = now + pause
        self.owners[key] = owner
        return 0

    def clear(self, limit: Limit | Delay, subject: bytes) -> None:
        self._drop([(limit.scope, subject)])

    def clear_of(self, owner: bytes) -> None:
        self._drop([key for key, whose in self.owners.items() if whose == owner])

    def sweep(self, now: datetime) -> int:
        closed = [key for key, (_, closes_at) in self.rows.items() if closes_at <= now]
        self._drop(closed)
        return len(closed)

    def _drop(self, keys: Sequence[tuple[str, bytes]]) -> None:
        for key in keys:
            for table in (self.rows, self.opens, self.owners):
                table.pop(key, None)  # type: ignore[attr-defined]


class FakeDevices:
    def __init__(self) -> None:
        self.rows: dict[tuple[UUID, bytes | None], tuple[str, UUID, datetime]] = {}

    def is_known(self, person_id: UUID, digest: bytes | None, now: datetime) -> bool:
        row = self.rows.get((person_id, digest))
        return row is not None and row[2] > now - DEVICE_LIFE

    def is_issued(self, digest: bytes | None, now: datetime) -> bool:
        return any(self.is_known(who, digest, now) for who, _ in self.rows)

    def any_of(self, person_id: UUID) -> bool:
        return any(who == person_id for who, _ in self.rows)

    def keep(
        self, person_id: UUID, digest: bytes, name: str, session_id: UUID, now: datetime
    ) -> None:
        first = self.rows.get((person_id, digest), (name, session_id, now))[1]
        self.rows[person_id, digest] = (name, first, now)

    def of_person(self, person_id: UUID) -> list[dict[str, Any]]:
        return [
            {"name": name, "first_seen_at": seen, "last_seen_at": seen}
            for (who, _), (name, _, seen) in self.rows.items()
            if who == person_id
        ]

    def name_of(self, person_id: UUID, session_id: UUID) -> str | None:
        for (who, _), (name, first, _seen) in self.rows.items():
            if (who, first) == (person_id, session_id):
                return name
        return None

    def forget(self, person_id: UUID, digest: bytes) -> None:
        self.rows.pop((person_id, digest), None)

    def forget_all(self, person_id: UUID, *, but: bytes | None = None) -> None:
        for who, digest in list(self.rows):
            if who == person_id and digest != but:
                del self.rows[who, digest]

    def sweep(self, now: datetime) -> int:
        old = [key for key, row in self.rows.items() if row[2] <= now - DEVICE_LIFE]
        for key in old:
            del self.rows[key]
        return len(old)


class FakeNetworks:
    def __init__(self) -> None:
        self.rows: dict[tuple[UUID, bytes], datetime] = {}

    def is_known(self, person_id: UUID, network_index: bytes, now: datetime) -> bool:
        seen = self.rows.get((person_id, network_index))
        return seen is not None and seen > now - NETWORK_LIFE

    def seen(self, person_id: UUID) -> list[datetime]:
        return sorted((at for (who, _), at in self.rows.items() if who == person_id), reverse=True)

    def keep(self, person_id: UUID, network_index: bytes, now: datetime) -> None:
        self.rows[person_id, network_index] = now

    def forget_all(self, person_id: UUID, *, but: bytes | None = None) -> None:
        for who, network_index in list(self.rows):
            if who == person_id and network_index != but:
                del self.rows[who, network_index]

    def sweep(self, now: datetime) -> int:
        old = [key for key, seen in self.rows.items() if seen <= now - NETWORK_LIFE]
        for key in old:
            del self.rows[key]
        return len(old)


class FakeSignInLinks:
    def __init__(self) -> None:
        self.rows: dict[UUID, tuple[UUID, bytes | None, datetime]] = {}

    def open(self, link_id: UUID, person_id: UUID, expires_at: datetime) -> None:
        self.rows[link_id] = (person_id, None, expires_at)

    def issue(self, link_id: UUID, token_digest: bytes, expires_at: datetime) -> UUID | None:
        if link_id not in self.rows:
            return None
        self.rows[link_id] = (self.rows[link_id][0], token_digest, expires_at)
        return self.rows[link_id][0]

    def is_open(self, link_id: UUID) -> bool:
        return link_id in self.rows

    def take(self, token_digest: bytes, now: datetime) -> UUID | None:
        for link_id, (person_id, digest, expires_at) in self.rows.items():
            if digest == token_digest and expires_at > now:
                del self.rows[link_id]
                return person_id
        return None

    def drop_all(self, person_id: UUID) -> None:
        self.rows = {key: row for key, row in self.rows.items() if row[0] != person_id}

    def sweep(self, now: datetime) -> int:
        old = [link_id for link_id, row in self.rows.items() if row[2] <= now]
        for link_id in old:
            del self.rows[link_id]
        return len(old)
