"""What a service stores sealed under its key ring, and sealing it anew under the first key.

Only the wrapping changes. A row that is deleted meanwhile (an erased person) stays deleted; one
that somebody else has locked is left to the next pass, so nobody waits for this.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
from cryptography.exceptions import InvalidTag
from psycopg import sql

from shared.config import Settings
from shared.eventstore.postgres import PostgresStore
from shared.keys import KeyRing, UnknownKeyError
from shared.privacy import open_under, seal_under, sealing_id, unwrap, wrap, wrapping_id

BATCH = 500
"""Rows that are sealed anew in one transaction."""
PASSES = 5
"""How often it looks for rows that were locked or new."""
NO_ID = ""
"""Stands for the key of what was sealed before keys had ids."""


@dataclass(frozen=True)
class SealedColumn:
    """A column of sealed values, each bound to the primary key of its row.

    ``id_of`` returns the id of the key of a value, ``reseal`` the same under the first key.
    ``apart``: it is in the database of keys.
    """

    table: str
    key: str
    column: str
    purpose: str
    id_of: Callable[[Any], str]
    reseal: Callable[[KeyRing, Any, bytes], Any]
    apart: bool = False
    label: str = ""

    @property
    def name(self) -> str:
        """Return how staff are told of it."""
        return self.label or self.table

    def transaction(self, store: PostgresStore) -> AbstractContextManager[Any]:
        """Open a transaction where it is stored."""
        return store.data_keys.transaction() if self.apart else store.transaction()

    def ring(self, settings: Settings, service: str) -> KeyRing:
        """Return the keys that seal it."""
        return settings.keys_of(service, self.purpose)


def wrapped_keys(table: str, key: str, *, apart: bool = False, label: str = "") -> SealedColumn:
    """Return a column of wrapped keys."""

    def rewrap(ring: KeyRing, wrapped: bytes, subject: bytes) -> bytes:
        return wrap(ring.first, unwrap(ring, wrapped, subject), subject)

    return SealedColumn(table, key, "wrapped", "data-keys", wrapping_id, rewrap, apart, label)


def sealed_texts(table: str, key: str, column: str, purpose: str, field: str) -> SealedColumn:
    """Return a column of sealed texts of one field."""

    def reseal(ring: KeyRing, sealed: str, subject: bytes) -> str:
        return seal_under(ring, open_under(ring, sealed, subject, field), subject, field)

    return SealedColumn(table, key, column, purpose, sealing_id, reseal)


FORMER_KEYS = "data_keys beside the data"

BASE = (
    wrapped_keys("data_keys", "subject", apart=True),
    wrapped_keys("data_keys", "subject", label=FORMER_KEYS),
    wrapped_keys("hash_keys", "purpose"),
)
"""The sealed columns of every service."""


def keys_in_use(store: PostgresStore, column: SealedColumn) -> Counter[str]:
    """Return how many rows there are for each id of a key."""
    return Counter(
        column.id_of(value) for rows in _batches(store, column) for value in rows.values()
    )


def being_written(store: PostgresStore, columns: Sequence[SealedColumn]) -> str:
    """Return a table with rows that are not committed yet, or nothing once there are none.

    What one transaction has sealed, another cannot count before it is committed.
    """
    lock = sql.SQL("LOCK TABLE {} IN SHARE MODE")  # it waits for whoever writes, and is let go
    for column in columns:
        try:
            with column.transaction(store) as cursor:
                cursor.execute(lock.format(sql.Identifier(column.table)))
        except psycopg.errors.LockNotAvailable:
            return column.name
    return ""


def reseal_all(
    store: PostgresStore,
    settings: Settings,
    column: SealedColumn,
    progress: Callable[[int], None] = lambda _: None,
) -> tuple[int, int]:
    """Seal every row under the first key; return how many were, and how many nobody can open.

    ``progress`` is called with numbers of rows as they are read.
    """
    ring = column.ring(settings, store.service)
    ring.look()
    done = lost = 0
    for _ in range(PASSES):
        found = lost = 0
        for rows in _batches(store, column):
            old = {k: v for k, v in rows.items() if column.id_of(v) != ring.first.id}
            changed = list(_resealed(ring, column, old))
            found, lost = found + len(changed), lost + len(old) - len(changed)
            done += _write(store, column, changed)
            progress(len(rows))
        if not found:
            break
        progress = _nowhere  # each row counts once
    return done, lost


def _nowhere(_: int) -> None:
    """Show no progress."""


def _resealed(
    ring: KeyRing, column: SealedColumn, rows: Mapping[Any, Any]
) -> Iterator[tuple[Any, Any, Any]]:
    """Yield (new value, key, old value) of the rows that a key of the ring opens."""
    for key, value in rows.items():
        with suppress(InvalidTag, UnknownKeyError):
            yield column.reseal(ring, value, _bytes(key)), key, value


def _batches(store: PostgresStore, column: SealedColumn) -> Iterator[dict[Any, Any]]:
    """Yield the rows in the order of their keys: key -> value, each batch read anew.

    Not those in which nothing is sealed.
    """
    statement = sql.SQL(
        "SELECT {key} AS key, {column} AS value FROM {table} WHERE {column} IS NOT NULL {after}"
        " ORDER BY {key} LIMIT {limit}"
    )
    last: Any = None
    while True:
        after = sql.SQL("" if last is None else "AND {} > %s")
        query = statement.format(
            key=sql.Identifier(column.key),
            column=sql.Identifier(column.column),
            table=sql.Identifier(column.table),
            after=after.format(sql.Identifier(column.key)),
            limit=sql.Literal(BATCH),
        )
        with column.transaction(store) as cursor:
            rows = cursor.execute(query, () if last is None else (last,)).fetchall()
        if not rows:
            return
        yield {row["key"]: _plain(row["value"]) for row in rows}
        last = rows[-1]["key"]


def _write(store: PostgresStore, column: SealedColumn, changed: list[tuple[Any, Any, Any]]) -> int:
    statement = sql.SQL("UPDATE {} SET {} = %s WHERE {} = %s AND {} = %s").format(
        *map(sql.Identifier, (column.table, column.column, column.key, column.column))
    )
    free = sql.SQL(
        "SELECT {key} AS key FROM {table} WHERE {key} = ANY (%s) FOR UPDATE SKIP LOCKED"
    ).format(key=sql.Identifier(column.key), table=sql.Identifier(column.table))
    if not changed:
        return 0
    with column.transaction(store) as cursor:
        rows = cursor.execute(free, ([key for _, key, _ in changed],)).fetchall()
        mine = {row["key"] for row in rows}
        if not mine:
            return 0
        cursor.executemany(statement, [entry for entry in changed if entry[1] in mine])
        return int(cursor.rowcount)


def _plain(value: Any) -> Any:
    return bytes(value) if isinstance(value, memoryview) else value


def _bytes(key: UUID | str) -> bytes:
    return key.bytes if isinstance(key, UUID) else key.encode()
