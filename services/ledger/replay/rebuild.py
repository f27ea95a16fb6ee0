"""Rebuilding the read model from the log, beside the live one, while people pay.

On all cores, each stream is replayed and its rows made anew. Those that are right already are
left alone; those that are not go into tables beside the live ones (``rebuilt_*``). Then one
transaction, which holds the turn to append, replays the streams among them that have gone on
meanwhile, and puts them all in the place of the live rows.

Until that transaction commits nobody sees a difference, and a process killed at any point leaves
the live tables as they were. Rows are replaced, never the tables: a reader who began before the
swap keeps what he saw, nobody waits for a lock on a table, and the runtime role's rights are
enough. The swap takes as long as there are wrong rows: milliseconds where the model is right.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import groupby
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from services.ledger.domain import Account
from services.ledger.replay.comparison import (
    Deviation,
    deviations,
    in_batches,
    strange_postings,
    strangers,
)
from services.ledger.replay.parallel import Progress, Range, conninfo_of, quiet
from services.ledger.replay.streams import Difference, over_streams, read_streams, replay_stream
from services.ledger.tables.columns import BALANCES, KEYS, NAMES, POSTINGS, PROPOSALS, as_parameters
from shared.errors import Conflict
from shared.eventstore.postgres import PostgresStore

TABLES = (BALANCES, PROPOSALS, POSTINGS)
WAIT_FOR_THE_LOG = "10min"
"""How long the swap waits for its turn: an import holds it to its end."""

_LOCK = "SELECT pg_try_advisory_lock(hashtextextended('ledger.rebuild', 0)) AS mine"
_LAST = "SELECT coalesce(max(notification_id), 0) AS position FROM events"
_MOVED = """
SELECT DISTINCT originator_id
  FROM events
 WHERE notification_id > %s
   AND originator_id IN (
        SELECT account_id FROM rebuilt_balances UNION SELECT proposal_id FROM rebuilt_proposals
       )
"""


class Rebuilt(msgspec.Struct):
    """What a rebuild has looked at, and how many rows of each table were not right.

    ``differences`` names them in a comparison, and in any case the streams that cannot be
    replayed: then nothing is swapped. ``replayed_again`` counts the streams that went on
    meanwhile.
    """

    accounts: int = 0
    events: int = 0
    wrong: dict[str, int] = msgspec.field(default_factory=lambda: dict.fromkeys(TABLES, 0))
    differences: list[Difference] = msgspec.field(default_factory=list)
    broken: int = 0
    replayed_again: int = 0
    swapped: bool = False

    def add(self, other: Rebuilt) -> None:
        """Add what another range gave."""
        self.accounts += other.accounts
        self.events += other.events
        self.broken += other.broken
        self.differences += other.differences
        for table, count in other.wrong.items():
            self.wrong[table] += count


def rebuild(
    store: PostgresStore,
    progress: Progress = quiet,
    *,
    compare_only: bool = False,
    cores: int | None = None,
    before_swap: Callable[[], None] = lambda: None,
) -> Rebuilt:
    """Make the read model what the log says; ``compare_only`` names the differences instead.

    Raises Conflict ``rebuild_under_way`` when another process does the same.
    """
    with _alone(conninfo_of(store)) as connection:
        _forget(connection)
        began_at = (connection.execute(_LAST).fetchone() or {})["position"]
        work = partial(rebuild_range, compare_only=compare_only)
        total = Rebuilt()
        for part in over_streams(store, work, progress, cores):
            total.add(part)
        with connection.transaction():
            cursor = connection.cursor()
            _take(cursor, strange_postings(cursor), total, compare_only)
        if compare_only or total.broken:
            return total
        before_swap()
        if any(total.wrong.values()):
            total.replayed_again = _swap(store, connection, began_at)
        total.swapped = True
        return total


def rebuild_range(
    connection: psycopg.Connection[Any], part: Range, progress: Progress, *, compare_only: bool
) -> Rebuilt:
    """Replay the streams of a range, and keep the rows that are not right beside the live ones."""
    total, cursor = Rebuilt(), connection.cursor()
    streams = (
        replay_stream(id_, entries) for id_, entries in read_streams(connection, part, progress)
    )
    for batch in in_batches(streams):
        for stream in batch:
            total.accounts += isinstance(stream.aggregate, Account)
            total.events += stream.aggregate.version
            total.broken += stream.broken
            if stream.broken:
                total.differences += stream.differences
        _take(cursor, deviations(cursor, batch), total, compare_only)
    _take(cursor, strangers(cursor, part), total, compare_only)
    return total


def _take(cursor: Any, found: Iterable[Deviation], total: Rebuilt, compare_only: bool) -> None:
    """Count the rows that are not right, and keep the right ones beside them, or name them."""
    for table, same in groupby(found, key=lambda deviation: deviation.table):
        rows = list(same)
        total.wrong[table] += len(rows)
        if compare_only:
            for deviation in rows:
                total.differences += deviation.differences()
        else:
            cursor.executemany(_keep_beside(table), [_right_row(row) for row in rows])


def _right_row(deviation: Deviation) -> dict[str, Any]:
    """Return the row to put in the place of a live one: of version 0 where there should be none."""
    row = deviation.expected
    if row is None:
        place = "position" if deviation.table == POSTINGS else "version"
        row = {**(deviation.found or {}), place: 0}
    key = dict(zip(KEYS[deviation.table], deviation.key, strict=True))
    return as_parameters(deviation.table, {**key, **row})


def _swap(store: PostgresStore, connection: psycopg.Connection[Any], since: int) -> int:
    """Put the rebuilt rows in the place of the live ones; return how many streams had gone on.

    Nothing is appended meanwhile, so what is right now is right when this commits. The turn to
    append comes before any row, as it does for everybody who writes: no deadlock.
    """
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute(sql.SQL("SET LOCAL lock_timeout = {}").format(WAIT_FOR_THE_LOG))
        store.recorder.lock(cursor)
        moved = [row["originator_id"] for row in cursor.execute(_MOVED, (since,)).fetchall()]
        for id_ in moved:
            _replay_again(connection, id_)
        for table in TABLES:
            cursor.execute(_remove_live(table))
            cursor.execute(_move_in(table))
        _forget(connection)
    return len(moved)


def _replay_again(connection: psycopg.Connection[Any], id_: UUID) -> None:
    for _, entries in read_streams(connection, Range(id_, id_), quiet):
        aggregate = replay_stream(id_, entries).aggregate
        table = BALANCES if isinstance(aggregate, Account) else PROPOSALS
        deviation = Deviation(table, (id_,), "", aggregate.snapshot(), None)
        with connection.cursor() as cursor:
            beside, key = _names(table)[0], sql.Identifier(KEYS[table][0])
            cursor.execute(sql.SQL("DELETE FROM {} WHERE {} = %s").format(beside, key), (id_,))
            cursor.execute(_keep_beside(table), _right_row(deviation))


def _forget(connection: psycopg.Connection[Any]) -> None:
    """Empty the tables beside the live ones: a rebuild is done, or an earlier one was killed."""
    for table in TABLES:
        connection.execute(sql.SQL("DELETE FROM {}").format(_names(table)[0]))


@contextmanager
def _alone(conninfo: str) -> Iterator[psycopg.Connection[Any]]:
    """Open a connection that no other rebuild has beside it; the lock ends with it."""
    with psycopg.connect(conninfo, autocommit=True, row_factory=dict_row) as connection:
        connection.execute("SET statement_timeout = 0")
        row = connection.execute(_LOCK).fetchone()
        if row is None or not row["mine"]:
            raise Conflict("rebuild_under_way", "Another rebuild is under way; wait for its end.")
        yield connection


def _names(table: str) -> tuple[sql.Identifier, list[sql.Identifier], list[sql.Identifier]]:
    """Return the table beside a live one, the columns of their key, and all their columns."""
    key = [sql.Identifier(name) for name in KEYS[table]]
    return (
        sql.Identifier(f"rebuilt_{table}"),
        key,
        [sql.Identifier(name) for name in NAMES[table]],
    )


def _keep_beside(table: str) -> sql.Composed:
    beside, key, names = _names(table)
    return sql.SQL("INSERT INTO {} ({}) VALUES ({}) ON CONFLICT ({}) DO NOTHING").format(
        beside,
        sql.SQL(", ").join(names),
        sql.SQL(", ").join(sql.Placeholder(name) for name in NAMES[table]),
        sql.SQL(", ").join(key),
    )


def _remove_live(table: str) -> sql.Composed:
    beside, key, _ = _names(table)
    same = sql.SQL(" AND ").join(sql.SQL("live.{0} = made.{0}").format(name) for name in key)
    return sql.SQL("DELETE FROM {} AS live USING {} AS made WHERE {}").format(
        sql.Identifier(table), beside, same
    )


def _move_in(table: str) -> sql.Composed:
    beside, _, names = _names(table)
    place = sql.Identifier("position" if table == POSTINGS else "version")
    columns = sql.SQL(", ").join(names)
    return sql.SQL("INSERT INTO {0} ({1}) SELECT {1} FROM {2} WHERE {3} > 0").format(
        sql.Identifier(table), columns, beside, place
    )
