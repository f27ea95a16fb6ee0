"""The log sorted by streams, for reads of all of it where it is larger than memory.

A replay needs the log by streams, and it lies in the order in which it was written: range by range,
each event is a block at random. So each process reads the log once in its own order, by windows,
and keeps the events of its share of the streams in a temporary table of its session, sorted by
range. A range is then read from there, in one piece of each window, together with what has been
appended since. That takes room for a second log on the server until the end.

Nobody else can write to a temporary table: an audit trusts what it has read of the log itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import psycopg

from services.ledger.replay.parallel import (
    Progress,
    Range,
    Reading,
    last_position,
    quiet,
)
from shared.errors import Conflict
from shared.eventstore.arrays import uuids
from shared.eventstore.postgres import PostgresStore

WINDOW = 200_000
"""How many events of the log are sorted at once, by all processes: some 200 MB in the server."""
FEW_SINCE = 10_000
"""How many events may have been appended since, before they are sorted, too: each range reads
them."""

_MEMORY = """
SELECT pg_table_size('events') AS log,
       pg_size_bytes(current_setting('effective_cache_size')) AS cache
"""
# A login that only reads may fill a temporary table, but makes it in a transaction that writes;
# which need not reach the disk, nor a standby.
_TABLE = (
    "SET TRANSACTION READ WRITE",
    "SET LOCAL synchronous_commit = off",
    """
    CREATE TEMPORARY TABLE sorted_log (
        range              integer NOT NULL,
        originator_id      uuid    NOT NULL,
        originator_version bigint  NOT NULL,
        notification_id    bigint  NOT NULL,
        topic              text    NOT NULL,
        state              bytea   NOT NULL
    )
    """,
    "CREATE INDEX sorted_log_range ON pg_temp.sorted_log (range)",
)
# The subquery is planned by itself: a window is read in the log's order, whatever the ids are.
_SORT = """
INSERT INTO pg_temp.sorted_log
SELECT width_bucket(originator_id, %(firsts)s::uuid[]) AS range,
       originator_id, originator_version, notification_id, topic, state
  FROM (
        SELECT originator_id, originator_version, notification_id, topic, state
          FROM events
         WHERE notification_id > %(after)s AND notification_id <= %(through)s
        OFFSET 0
       ) AS part_of_log
 WHERE originator_id BETWEEN %(first)s AND %(last)s
 ORDER BY 1
"""
_SORT_IN_MEMORY = "SET LOCAL work_mem = '192MB'"
_IN_ITS_ORDER = "SET LOCAL enable_seqscan = off"

_LOG_OF_RANGE = """
SELECT originator_id, originator_version, notification_id, topic, state
  FROM events
 WHERE originator_id BETWEEN %(first)s AND %(last)s
"""
_SORTED_LOG_OF_RANGE = """
SELECT originator_id, originator_version, notification_id, topic, state
  FROM pg_temp.sorted_log
 WHERE range = %(number)s
UNION ALL
SELECT originator_id, originator_version, notification_id, topic, state
  FROM (
        SELECT originator_id, originator_version, notification_id, topic, state
          FROM events
         WHERE notification_id > %(through)s
        OFFSET 0
       ) AS since
 WHERE originator_id BETWEEN %(first)s AND %(last)s
"""


class SortedRange(Range):
    """A range of streams whose events up to a position are under a number in the sorted log."""

    number: int
    through: int

    @classmethod
    def of(cls, part: Range, number: int, through: int) -> SortedRange:
        """Return a range of the sorted log."""
        found = cls(*part)
        found.number, found.through = number, through
        return found


def source_of(part: Range) -> tuple[str, dict[str, Any]]:
    """Return the query for the events of a range of streams, and its parameters.

    Its columns: originator_id, originator_version, notification_id, topic, state.
    """
    if isinstance(part, SortedRange):
        return _SORTED_LOG_OF_RANGE, {**part._asdict(), **vars(part)}
    return _LOG_OF_RANGE, part._asdict()


class LogSize(NamedTuple):
    """The size of the log, and of the memory that the server takes to have for it, in bytes."""

    log: int
    cache: int


def log_size(store: PostgresStore) -> LogSize:
    """Return how large the log is beside ``effective_cache_size``."""
    found = store.query(lambda session: session.cursor.execute(_MEMORY).fetchone())
    return LogSize(**found)


def sort_log(
    connection: psycopg.Connection[Any], share: Sequence[Range], progress: Progress
) -> Reading:
    """Sort the events of some adjoining ranges of streams; return what makes sorted ranges of them.

    A range that is not among them stays as it is: its events are read from the log. Raises Conflict
    ``log_cannot_be_sorted`` where the login may not make temporary tables, and
    ``no_room_to_sort_log``.
    """
    if not share:
        return lambda part: part
    try:
        with connection.transaction():
            for statement in _TABLE:
                connection.execute(statement)
        sorting = _SortedLog(connection, share)
        sorting.go_on(progress)
    except psycopg.errors.InsufficientPrivilege:
        raise Conflict(
            "log_cannot_be_sorted",
            "This login may not make temporary tables: read without --sort-log.",
        ) from None
    except psycopg.errors.DiskFull:
        raise Conflict(
            "no_room_to_sort_log",
            "The server has no room for a sorted log, which takes as much as the log: make room, "
            "or read without --sort-log.",
        ) from None
    return sorting.range_of


class _SortedLog:
    """The sorted events of some ranges, in the session of a connection."""

    def __init__(self, connection: psycopg.Connection[Any], share: Sequence[Range]) -> None:
        self._connection = connection
        self._numbers = {part: number for number, part in enumerate(share, start=1)}
        self._ids = {
            "firsts": uuids(part.first for part in share),
            "first": share[0].first,
            "last": share[-1].last,
        }
        self._through = 0
        self._is_full = False
        """Whether the server has no room left to sort what has been appended since."""

    def range_of(self, part: Range) -> Range:
        """Return a range as it is to be read: sorted, if it is among these."""
        number = self._numbers.get(part)
        if number is None:
            return part
        since = last_position(self._connection) - self._through
        if since > FEW_SINCE and not self._is_full:
            try:
                self.go_on(quiet)
            except psycopg.errors.DiskFull:
                # What was not sorted is read from the log, range by range: that only takes longer.
                self._is_full = True
        return SortedRange.of(part, number, self._through)

    def go_on(self, progress: Progress) -> None:
        """Sort what the log has and this has not; each window in a snapshot of its own."""
        last = last_position(self._connection)
        while self._through < last:
            through = min(self._through + WINDOW, last)
            with self._connection.transaction():
                self._connection.execute(_SORT_IN_MEMORY)
                self._connection.execute(_IN_ITS_ORDER)
                found = self._connection.execute(
                    _SORT, {**self._ids, "after": self._through, "through": through}
                )
            self._through = through
            progress(found.rowcount)
