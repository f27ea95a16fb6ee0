"""Rebuild of the read model from the log, beside the live one, while payments go on.

Parallel workers replay each stream and compare its rows. Rows that are right stay; the right
versions of the others go into shadow tables (``rebuilt_*``), and from there in the place of the
live ones, some hundred at a time. Each slice is a short transaction that holds the log's append
lock, as every writer does before it takes a row: nobody waits longer than for a large command, and
there is no deadlock. Streams with new events since their rows were made are replayed again there.

A command that decided on a live row just before it was replaced may still write what follows from
the old one. So the streams that got events meanwhile are compared once more, until none is wrong.

A process killed at any point leaves rows that are right or as they were: the next rebuild goes on.
Rows are replaced, never tables: nobody waits for a table lock, and the rights of the runtime role
are enough.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import groupby
from typing import Any

import msgspec
import psycopg

from services.ledger.domain import Account
from services.ledger.replay.book import put_book_right, wrong_rows
from services.ledger.replay.comparison import AT_ONCE as COMPARED_AT_ONCE
from services.ledger.replay.comparison import (
    Deviation,
    deviations,
    in_batches,
    orphan_postings,
    orphan_rows,
    posting_ranges,
)
from services.ledger.replay.parallel import (
    Progress,
    Range,
    conninfo_of,
    last_position,
    one_snapshot,
    opened_connection,
    quiet,
)
from services.ledger.replay.streams import (
    EVENTS_IN_A_RANGE,
    Difference,
    Replayed,
    over_streams,
    read_streams,
    read_streams_of,
    replay_stream,
)
from services.ledger.replay.swap import Swap, clear_shadow_tables, keep_right_rows
from services.ledger.tables.book_rows import BOOK_TABLES
from services.ledger.tables.columns import TABLES
from shared.errors import Conflict
from shared.eventstore.postgres import PostgresStore

PASSES = 10
"""How often streams with new events are compared again at most, before the rest is left."""

_LOCK = "SELECT pg_try_advisory_lock(hashtextextended(current_schema() || '.rebuild', 0)) AS mine"
_WITH_NEW_EVENTS = """
SELECT DISTINCT originator_id AS id FROM events WHERE notification_id BETWEEN %s AND %s
"""


class PostingRange(Range):
    """A range of the postings of payments, beside ranges of streams."""

    __slots__ = ()


class Rebuilt(msgspec.Struct):
    """What a rebuild has covered, and how many rows of each table were wrong.

    ``differences`` names them in a comparison, and in any case the streams that cannot be
    replayed: then nothing is swapped. ``replayed_again`` counts the rows that were made again,
    because their streams had new events meanwhile.
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
    sorting: Progress | None = None,
    before_slice: Callable[[], None] = lambda: None,
) -> Rebuilt:
    """Make the read model agree with the log; ``compare_only`` reports the differences instead.

    ``before_slice`` is called before rows are swapped, each time. Raises Conflict
    ``rebuild_under_way`` when another rebuild is running. ``sorting``: see over_streams.
    """
    with _exclusive(conninfo_of(store)) as connection:
        clear_shadow_tables(connection)
        cursor = connection.cursor()
        began_at = last_position(cursor)
        work = partial(rebuild_part, compare_only=compare_only)
        total = Rebuilt()
        postings = [PostingRange(*part) for part in posting_ranges(cursor)]
        with_orphans = []
        for found in over_streams(store, work, progress, workers, postings, sorting):
            match found:
                case Rebuilt():
                    total.add(found)
                case PostingRange():
                    with_orphans.append(found)
        # Once the right rows of all streams are kept: a row at a wrong position is an orphan, too.
        for part in with_orphans:
            _record(cursor, orphan_postings(cursor, part), total, compare_only)
        for row in wrong_rows(cursor):
            total.wrong[row.table] += 1
            total.differences += row.differences() if compare_only else ()
        if compare_only or total.broken:
            return total
        swap = Swap(store, connection, before_slice)
        swap.run()
        for _ in range(PASSES):
            ended_at = last_position(cursor)
            again = _compare_again(connection, Range(began_at + 1, ended_at))
            total.differences += again.differences
            total.broken += again.broken
            if not any(again.wrong.values()):
                break
            swap.run()
            began_at = ended_at
        put_book_right(store, connection)
        total.replayed_again = swap.replayed_again
        total.swapped = True
        return total


def rebuild_part(
    connection: psycopg.Connection[Any], part: Range, progress: Progress, *, compare_only: bool
) -> Rebuilt | PostingRange | None:
    """Rebuild a range of streams; return a range of postings if some have no event."""
    if isinstance(part, PostingRange):
        return part if _has_orphans(connection, part) else None
    return rebuild_range(connection, part, progress, compare_only=compare_only)


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
        _compare(cursor, batch, total, compare_only)
    _record(cursor, orphan_rows(cursor, part), total, compare_only)
    return total


def _has_orphans(connection: psycopg.Connection[Any], part: PostingRange) -> bool:
    try:
        with connection.transaction(), connection.cursor() as cursor:
            return any(True for _ in orphan_postings(cursor, part))
    except psycopg.DataError:
        return True  # whoever looks again says which


def _compare(
    cursor: Any, streams: Sequence[Replayed], total: Rebuilt, compare_only: bool = False
) -> None:
    for stream in streams:
        if stream.broken:
            total.broken += 1
            total.differences += stream.differences
    _record(cursor, deviations(cursor, streams), total, compare_only)


def _record(cursor: Any, found: Iterable[Deviation], total: Rebuilt, compare_only: bool) -> None:
    """Count the wrong rows, and write the right ones to the shadow tables, or report them."""
    for table, same in groupby(found, key=lambda deviation: deviation.table):
        rows = list(same)
        total.wrong[table] += len(rows)
        if compare_only:
            for deviation in rows:
                total.differences += deviation.differences()
        else:
            keep_right_rows(cursor, table, rows)


def _compare_again(connection: psycopg.Connection[Any], positions: Range) -> Rebuilt:
    """Compare the streams that have events at these positions; make the rows that are wrong."""
    total, cursor = Rebuilt(), connection.cursor()
    for first in range(positions.first, positions.last + 1, EVENTS_IN_A_RANGE):
        last = min(first + EVENTS_IN_A_RANGE - 1, positions.last)
        ids = [row["id"] for row in cursor.execute(_WITH_NEW_EVENTS, (first, last)).fetchall()]
        for at in range(0, len(ids), COMPARED_AT_ONCE):
            with one_snapshot(cursor):
                streams = read_streams_of(connection, ids[at : at + COMPARED_AT_ONCE])
                _compare(cursor, [replay_stream(*read) for read in streams], total)
    return total


@contextmanager
def _exclusive(conninfo: str) -> Iterator[psycopg.Connection[Any]]:
    """Open a connection that holds the lock of the only rebuild."""
    with opened_connection(conninfo) as connection:
        row = connection.execute(_LOCK).fetchone()
        if row is None or not row["mine"]:
            raise Conflict("rebuild_under_way", "Another rebuild is under way; wait for its end.")
        yield connection
