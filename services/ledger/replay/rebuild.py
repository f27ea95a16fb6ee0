"""Rebuild of the read model from the log, beside the live one, while payments go on.

Parallel workers replay each stream and compare its rows. Rows that are right stay; the right
versions of the others go into shadow tables (``rebuilt_*``). Then one transaction, which holds the
log's append lock, replays those streams that have new events and swaps all shadow rows in.

Until that transaction commits nobody sees a difference, and a process killed at any point leaves
the live tables unchanged. Rows are replaced, never tables: a reader who began before the swap keeps
his snapshot, nobody waits for a table lock, and the rights of the runtime role are enough. The
swap's time grows with the number of wrong rows: milliseconds where the model is right.
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
from services.ledger.replay.book import rebuild_book, wrong_rows
from services.ledger.replay.comparison import (
    Deviation,
    deviations,
    in_batches,
    orphan_postings,
    orphan_rows,
)
from services.ledger.replay.parallel import Progress, Range, conninfo_of, quiet
from services.ledger.replay.streams import Difference, over_streams, read_streams, replay_stream
from services.ledger.tables.book_rows import BOOK_TABLES
from services.ledger.tables.columns import (
    BALANCES,
    KEYS,
    NAMES,
    POSTINGS,
    PROPOSALS,
    TABLES,
    as_parameters,
)
from shared.errors import Conflict
from shared.eventstore.postgres import PostgresStore

WAIT_FOR_THE_LOG = "10min"
"""How long the swap waits for the append lock, which an import holds until it ends."""

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
    """What a rebuild has covered, and how many rows of each table were wrong.

    ``differences`` names them in a comparison, and in any case the streams that cannot be
    replayed: then nothing is swapped. ``replayed_again`` counts the streams that had new events
    during the rebuild.
    """

    accounts: int = 0
    events: int = 0
    wrong: dict[str, int] = msgspec.field(
        default_factory=lambda: dict.fromkeys((*TABLES, *BOOK_TABLES), 0)
    )
    differences: list[Difference] = msgspec.field(default_factory=list)
    broken: int = 0
    replayed_again: int = 0
    swapped: bool = False

    def add(self, other: Rebuilt) -> None:
        """Add the result for another range."""
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
    workers: int | None = None,
    before_swap: Callable[[], None] = lambda: None,
) -> Rebuilt:
    """Make the read model agree with the log; ``compare_only`` reports the differences instead.

    Raises Conflict ``rebuild_under_way`` when another rebuild is running.
    """
    with _exclusive(conninfo_of(store)) as connection:
        _clear(connection)
        began_at = (connection.execute(_LAST).fetchone() or {})["position"]
        work = partial(rebuild_range, compare_only=compare_only)
        total = Rebuilt()
        for part in over_streams(store, work, progress, workers):
            total.add(part)
        with connection.transaction():
            cursor = connection.cursor()
            _record(cursor, orphan_postings(cursor), total, compare_only)
            for row in wrong_rows(cursor):
                total.wrong[row.table] += 1
                total.differences += row.differences() if compare_only else ()
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
    """Replay the streams of a range, and write the right rows for those that are wrong."""
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
        _record(cursor, deviations(cursor, batch), total, compare_only)
    _record(cursor, orphan_rows(cursor, part), total, compare_only)
    return total


def _record(cursor: Any, found: Iterable[Deviation], total: Rebuilt, compare_only: bool) -> None:
    """Count the wrong rows, and write the right ones to the shadow tables, or report them."""
    for table, same in groupby(found, key=lambda deviation: deviation.table):
        rows = list(same)
        total.wrong[table] += len(rows)
        if compare_only:
            for deviation in rows:
                total.differences += deviation.differences()
        else:
            cursor.executemany(_insert_shadow(table), [_right_row(row) for row in rows])


def _right_row(deviation: Deviation) -> dict[str, Any]:
    """Return the row that replaces a live one; of version 0 where there should be none."""
    row = deviation.expected
    if row is None:
        place = "position" if deviation.table == POSTINGS else "version"
        row = {**(deviation.found or {}), place: 0}
    key = dict(zip(KEYS[deviation.table], deviation.key, strict=True))
    return as_parameters(deviation.table, {**key, **row})


def _swap(store: PostgresStore, connection: psycopg.Connection[Any], since: int) -> int:
    """Swap the rebuilt rows in; return how many streams had new events.

    Nothing is appended under the lock, so what is right now is right when this commits. As every
    writer does, it takes the append lock before any row: no deadlock.
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
        rebuild_book(cursor)
        _clear(connection)
    return len(moved)


def _replay_again(connection: psycopg.Connection[Any], id_: UUID) -> None:
    for _, entries in read_streams(connection, Range(id_, id_), quiet):
        aggregate = replay_stream(id_, entries).aggregate
        table = BALANCES if isinstance(aggregate, Account) else PROPOSALS
        deviation = Deviation(table, (id_,), "", aggregate.snapshot(), None)
        with connection.cursor() as cursor:
            shadow, key = _names(table)[0], sql.Identifier(KEYS[table][0])
            cursor.execute(sql.SQL("DELETE FROM {} WHERE {} = %s").format(shadow, key), (id_,))
            cursor.execute(_insert_shadow(table), _right_row(deviation))


def _clear(connection: psycopg.Connection[Any]) -> None:
    """Empty the shadow tables: a rebuild is done, or an earlier one was killed."""
    for table in TABLES:
        connection.execute(sql.SQL("DELETE FROM {}").format(_names(table)[0]))


@contextmanager
def _exclusive(conninfo: str) -> Iterator[psycopg.Connection[Any]]:
    """Open a connection that holds the lock of the only rebuild."""
    with psycopg.connect(conninfo, autocommit=True, row_factory=dict_row) as connection:
        connection.execute("SET statement_timeout = 0")
        row = connection.execute(_LOCK).fetchone()
        if row is None or not row["mine"]:
            raise Conflict("rebuild_under_way", "Another rebuild is under way; wait for its end.")
        yield connection


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
    return sql.SQL("DELETE FROM {} AS live USING {} AS made WHERE {}").format(
        sql.Identifier(table), shadow, same
    )


def _move_in(table: str) -> sql.Composed:
    shadow, _, names = _names(table)
    place = sql.Identifier("position" if table == POSTINGS else "version")
    columns = sql.SQL(", ").join(names)
    return sql.SQL("INSERT INTO {0} ({1}) SELECT {1} FROM {2} WHERE {3} > 0").format(
        sql.Identifier(table), columns, shadow, place
    )
