"""The swap of a rebuild: the rows of the shadow tables take the place of the live ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql

from services.ledger.replay.comparison import Deviation
from services.ledger.replay.streams import read_streams_of, replay_stream
from services.ledger.tables.columns import (
    BALANCES,
    KEYS,
    NAMES,
    POSTINGS,
    TABLES,
    as_parameters,
    row_of,
)
from shared.database import JOB_HOLDS_LOG
from shared.eventstore.append_lock import hold_log_for
from shared.eventstore.postgres import PostgresStore

AT_ONCE = 200
"""How many rows are swapped in one transaction: it holds the append lock for some 20 ms."""
WAIT_FOR_THE_LOG = "10min"
"""How long the swap waits for the append lock, which an import holds until it ends."""

_MOVED_ON = sql.SQL("""
SELECT {key} AS id
  FROM {shadow} AS made
 WHERE {key} = ANY (%s)
   AND EXISTS (
        SELECT FROM events
         WHERE originator_id = made.{key} AND originator_version > made.version
       )
""")
# Two accounts may have each other's number: the rows of both are swapped together.
_IN_THE_WAY = """
SELECT live.account_id
  FROM rebuilt_balances AS made
  JOIN balances AS live ON live.number = made.number AND live.account_id <> made.account_id
 WHERE made.account_id = ANY (%(ids)s) AND live.account_id <> ALL (%(ids)s)
"""


class Swap:
    """Moves the rows of the shadow tables in the place of the live ones, a slice at a time.

    ``replayed_again`` counts the rows that were made again because their streams had new events.
    """

    def __init__(
        self,
        store: PostgresStore,
        connection: psycopg.Connection[Any],
        before_slice: Callable[[], None],
    ) -> None:
        self._lock = store.recorder.lock
        self._connection = connection
        self._before_slice = before_slice
        self.replayed_again = 0

    def run(self) -> None:
        """Swap all rows; a slice holds the append lock, so that what is right stays so."""
        for table in TABLES:
            while ids := self._next(table):
                self._before_slice()
                with self._connection.transaction(), self._connection.cursor() as cursor:
                    cursor.execute(sql.SQL("SET LOCAL lock_timeout = {}").format(WAIT_FOR_THE_LOG))
                    hold_log_for(cursor, JOB_HOLDS_LOG)
                    # As every writer does, before any row: no deadlock.
                    self._lock(cursor)
                    self._swap(cursor, table, ids)

    def _next(self, table: str) -> list[UUID]:
        shadow, (key, *_), _ = _names(table)
        query = sql.SQL("SELECT DISTINCT {0} AS id FROM {1} ORDER BY {0} LIMIT %s")
        rows = self._connection.execute(query.format(key, shadow), (AT_ONCE,)).fetchall()
        return [row["id"] for row in rows]

    def _swap(self, cursor: Any, table: str, ids: list[UUID]) -> None:
        if table == BALANCES:
            while others := cursor.execute(_IN_THE_WAY, {"ids": ids}).fetchall():
                ids += [row["account_id"] for row in others]
        if table != POSTINGS:
            self._replay_again(cursor, table, ids)
        for statement in (_remove_live(table), _move_in(table), _remove_shadow(table)):
            cursor.execute(statement, (ids,))

    def _replay_again(self, cursor: Any, table: str, ids: Sequence[UUID]) -> None:
        """Make those rows again whose streams have new events."""
        shadow, (key, *_), _ = _names(table)
        query = _MOVED_ON.format(shadow=shadow, key=key)
        moved = [row["id"] for row in cursor.execute(query, (ids,)).fetchall()]
        cursor.execute(_remove_shadow(table), (moved,))
        for id_, entries in read_streams_of(self._connection, moved):
            row = row_of(table, replay_stream(id_, entries).aggregate)
            if row is not None:
                right = _right_row(Deviation(table, (id_,), "", row, None))
                cursor.execute(_insert_shadow(table), right)
        self.replayed_again += len(moved)


def clear_shadow_tables(connection: psycopg.Connection[Any]) -> None:
    """Empty the shadow tables: a rebuild is done, or an earlier one was killed."""
    for table in TABLES:
        connection.execute(sql.SQL("DELETE FROM {}").format(_names(table)[0]))


def keep_right_rows(cursor: Any, table: str, wrong: Sequence[Deviation]) -> None:
    """Write the right rows to the shadow table, for those that are wrong."""
    cursor.executemany(_insert_shadow(table), [_right_row(deviation) for deviation in wrong])


def _right_row(deviation: Deviation) -> dict[str, Any]:
    """Return the row that replaces a live one; of version 0 where there should be none."""
    row = deviation.expected
    if row is None:
        place = "position" if deviation.table == POSTINGS else "version"
        row = {**(deviation.found or {}), place: 0}
    key = dict(zip(KEYS[deviation.table], deviation.key, strict=True))
    return as_parameters(deviation.table, {**key, **row})


def _names(table: str) -> tuple[sql.Identifier, list[sql.Identifier], list[sql.Identifier]]:
    """Return the shadow table of a live one, the columns of their key, and all their columns."""
    key = [sql.Identifier(name) for name in KEYS[table]]
    return (
        sql.Identifier(f"rebuilt_{table}"),
        key,
        [sql.Identifier(name) for name in NAMES[table]],
    )


def _insert_shadow(table: str) -> sql.Composed:
    shadow, key, names = _names(table)
    return sql.SQL("INSERT INTO {} ({}) VALUES ({}) ON CONFLICT ({}) DO NOTHING").format(
        shadow,
        sql.SQL(", ").join(names),
        sql.SQL(", ").join(sql.Placeholder(name) for name in NAMES[table]),
        sql.SQL(", ").join(key),
    )


def _remove_live(table: str) -> sql.Composed:
    shadow, key, _ = _names(table)
    same = sql.SQL(" AND ").join(sql.SQL("live.{0} = made.{0}").format(name) for name in key)
    return sql.SQL(
        "DELETE FROM {} AS live USING {} AS made WHERE {} AND made.{} = ANY (%s)"
    ).format(sql.Identifier(table), shadow, same, key[0])


def _move_in(table: str) -> sql.Composed:
    shadow, key, names = _names(table)
    place = sql.Identifier("position" if table == POSTINGS else "version")
    columns = sql.SQL(", ").join(names)
    return sql.SQL(
        "INSERT INTO {0} ({1}) SELECT {1} FROM {2} WHERE {3} > 0 AND {4} = ANY (%s)"
    ).format(sql.Identifier(table), columns, shadow, place, key[0])


def _remove_shadow(table: str) -> sql.Composed:
    shadow, key, _ = _names(table)
    return sql.SQL("DELETE FROM {} WHERE {} = ANY (%s)").format(shadow, key[0])
