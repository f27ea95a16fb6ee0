"""The data keys of a service, in a database apart from the data that they open.

A key is committed before anything that it seals, so nothing is ever sealed under a key that a crash
has lost. It is destroyed after the event that says so, again and again until it is gone: a row of
``destroyed_keys`` beside the log remembers it, also for the day on which an older dump of the keys
is restored.

The table ``data_keys`` beside the log is where keys were kept before; what is left there is moved
(:mod:`shared.eventstore.key_jobs`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import Any
from uuid import UUID

from psycopg_pool import ConnectionPool

from shared.config import Settings
from shared.database import STATEMENT_TIMEOUT_MS, Login, autocommit_cursor, open_pool
from shared.eventstore.arrays import byteas, uuids
from shared.privacy import KeyDestroyedError, new_key, open_field, seal_field, unwrap, wrap

_FIND = "SELECT subject, wrapped FROM data_keys WHERE subject = ANY(%s)"
_KEEP = (
    "INSERT INTO data_keys (subject, wrapped) SELECT * FROM unnest(%s::uuid[], %s::bytea[]) "
    "ON CONFLICT DO NOTHING RETURNING subject"
)
DELETE = "DELETE FROM data_keys WHERE subject = ANY(%s)"
_FORMER_LEFT = "SELECT EXISTS (SELECT FROM data_keys) AS found"
_WAS_DESTROYED = "SELECT subject FROM destroyed_keys WHERE subject = ANY(%s)"
_REMEMBER = (
    "INSERT INTO destroyed_keys (subject) VALUES (%s) "
    "ON CONFLICT (subject) DO UPDATE SET asked_at = excluded.asked_at, done_at = NULL"
)


class DataKeys:
    """The database of the data keys of one service; each statement is committed by itself."""

    def __init__(self, settings: Settings, service: str, login: Login | None, size: int) -> None:
        self.ring = settings.keys_of(service, "data-keys")
        self._settings = settings
        self._service = service
        self._login = login
        self._size = size
        self._pool: ConnectionPool[Any] | None = None
        self._opening = Lock()
        self.former_left = True
        """Whether keys may be left in the place of before; nobody adds any there."""

    @property
    def pool(self) -> ConnectionPool[Any]:
        """The connections; opened at first use: not every process meets personal data."""
        with self._opening:  # two at once would open two pools, and close one
            if self._pool is None:
                self._pool = open_pool(
                    self._login or self._settings.keys_database_url_of(self._service),
                    keys_schema(self._service),
                    size=self._size,
                    kept=0,  # it is seldom asked, and each connection takes memory of its server
                    statement_timeout_ms=STATEMENT_TIMEOUT_MS,
                )
            return self._pool

    @property
    def is_open(self) -> bool:
        """Whether the connections have been opened."""
        return self._pool is not None

    def close(self) -> None:
        """Close the connections, if there are any."""
        if self._pool is not None:
            self._pool.close()

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        """Open a transaction in the database of the keys, and yield its cursor."""
        with (
            self.pool.connection() as connection,
            connection.transaction(),
            connection.cursor() as cursor,
        ):
            yield cursor

    def find(self, subjects: Sequence[UUID]) -> dict[UUID, bytes]:
        """Return the keys of those subjects that have one."""
        with autocommit_cursor(self.pool) as cursor:
            return self.unwrapped(cursor.execute(_FIND, (uuids(subjects),)).fetchall())

    def unwrapped(self, rows: Sequence[Mapping[str, Any]]) -> dict[UUID, bytes]:
        """Return the keys of rows of a table ``data_keys``."""
        return {
            row["subject"]: unwrap(self.ring, bytes(row["wrapped"]), row["subject"].bytes)
            for row in rows
        }

    def make(self, subjects: Sequence[UUID]) -> dict[UUID, bytes]:
        """Return new keys of subjects; where somebody was faster, the one that he has made."""
        first = self.ring.first
        made = {subject: new_key() for subject in subjects}
        kept = self.keep({s: wrap(first, key, s.bytes) for s, key in made.items()})
        others = made.keys() - kept
        return made | (self.find(list(others)) if others else {})

    def keep(self, wrapped: Mapping[UUID, bytes]) -> set[UUID]:
        """Store wrapped keys; return the subjects that had none yet."""
        with autocommit_cursor(self.pool) as cursor:
            cursor.execute(_KEEP, (uuids(wrapped), byteas(list(wrapped.values()))))
            return {row["subject"] for row in cursor.fetchall()}

    def destroy(self, subjects: Sequence[UUID]) -> None:
        """Delete keys for good."""
        with autocommit_cursor(self.pool) as cursor:
            cursor.execute(DELETE, (list(subjects),))


class PostgresVault:
    """The vault of one unit of work; it knows keys no longer than that.

    ``cursor`` is that of the data's transaction.
    """

    def __init__(self, cursor: Any, keys: DataKeys) -> None:
        self._cursor = cursor
        self._keys = keys
        self._known: dict[UUID, bytes | None] = {}
        self._destroyed: set[UUID] = set()

    def seal(self, subject: UUID, text: str, field: str) -> str:
        return seal_field(self.key_of(subject), text, subject, field)

    def reveal(self, subject: UUID, sealed: str, field: str) -> str | None:
        if subject not in self._known:
            self.fetch_keys([subject])
        key = self._known[subject]
        return None if key is None else open_field(key, sealed, subject, field)

    def key_of(self, subject: UUID) -> bytes:
        """Return the key of a subject, made and committed at the first call."""
        if key := self._known.get(subject):
            return key
        self.new_keys([subject])
        key = self._known[subject]
        if key is None:
            raise RuntimeError("a data key was made and cannot be found")
        return key

    def fetch_keys(self, subjects: Sequence[UUID]) -> None:
        unknown = [subject for subject in subjects if subject not in self._known]
        if not unknown:
            return
        # A key that is to be destroyed may be there still, or again: from a restored dump.
        rows = self._cursor.execute(_WAS_DESTROYED, (uuids(unknown),)).fetchall()
        self._destroyed |= {row["subject"] for row in rows}
        wanted = [subject for subject in unknown if subject not in self._destroyed]
        found = self._keys.find(wanted) if wanted else {}
        if missing := [subject for subject in wanted if subject not in found]:
            found |= self._former(missing)
        self._known |= {subject: found.get(subject) for subject in unknown}

    def new_keys(self, subjects: Sequence[UUID]) -> None:
        self.fetch_keys(subjects)
        missing = list(dict.fromkeys(s for s in subjects if self._known[s] is None))
        if not self._destroyed.isdisjoint(missing):
            raise KeyDestroyedError
        if missing:
            self._known |= self._keys.make(missing)

    def destroy(self, subject: UUID) -> None:
        self._cursor.execute(DELETE, ([subject],))
        self._cursor.execute(_REMEMBER, (subject,))
        self._known[subject] = None
        self._destroyed.add(subject)

    def _former(self, subjects: Sequence[UUID]) -> dict[UUID, bytes]:
        """Return keys that have not been moved yet, or were a moment ago."""
        if not self._keys.former_left:
            return {}
        rows = self._cursor.execute(_FIND, (uuids(subjects),)).fetchall()
        if len(rows) == len(subjects):
            return self._keys.unwrapped(rows)
        if not rows and not self._cursor.execute(_FORMER_LEFT).fetchone()["found"]:
            # Old snapshots aside: what this transaction does not see any more was moved before.
            self._keys.former_left = False
        return self._keys.unwrapped(rows) | self._keys.find(subjects)


def keys_schema(service: str) -> str:
    """Return the schema of a service's keys, in the database of keys."""
    return f"{service}_keys"
