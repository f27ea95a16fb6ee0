"""Parallel workers over the whole log, a range of streams at a time.

Each worker process has a connection of its own, reads one range after another, each in a snapshot
of its own, and sends the results to the parent, which adds up. A worker whose parent is killed ends
by itself: its pipe is broken.
"""

from __future__ import annotations

import gc
import itertools
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cached_property
from multiprocessing.connection import Connection, wait
from typing import Any, NamedTuple, TypeAlias, TypeVar
from uuid import UUID

import msgspec
import psycopg
from psycopg import IsolationLevel, sql
from psycopg.rows import dict_row
from psycopg.types.json import set_json_loads

from shared.errors import ServiceError, from_wire
from shared.eventstore.postgres import PostgresStore
from shared.logs import trace_of

R = TypeVar("R")

Progress: TypeAlias = Callable[[int], None]
"""Called with the number of events that have been read since the last call."""

Reading: TypeAlias = Callable[["Range"], "Range"]
"""What a process makes of a range before it reads it."""

BY_BLOCKS = "SET LOCAL enable_indexscan = off"
"""For rows that lie far apart, such as the events of an account, or accounts by their ids. An index
gives them in its order, and each block is waited for by itself, some several times; a bitmap gives
the blocks in theirs, read ahead. It holds until the transaction ends."""
FEW_EVENTS = 20_000
"""Below this it takes longer to start processes than to read the log in this one."""
REPORT_EVERY = 2_000
BLOCKS_IN_A_RANGE = 400
"""How many blocks of a table are read at once: 3 MiB, some twenty thousand rows."""
END_S = 10.0
"""How long a worker may take to end before it is killed."""

_LAST = "SELECT coalesce(max(notification_id), 0) AS position FROM events"
_BLOCKS = "SELECT pg_relation_size(%s::regclass) / current_setting('block_size')::integer AS blocks"
_ENDED = "a worker process has ended before its work was done"
_ID_COUNT = 1 << 128


class Range(NamedTuple):
    """Ids, or positions of the log, from the first to the last, both included."""

    first: Any
    last: Any


class Shares(NamedTuple):
    """Ranges that are divided among the processes before these begin.

    ``prepare(connection, share, progress)`` is called once in each process, with the ranges of its
    share; what it returns makes of each range the one that the work is given.
    """

    ranges: Sequence[Range]
    prepare: Callable[[psycopg.Connection[Any], Sequence[Range], Progress], Reading]
    progress: Progress


ALL_IDS = Range(UUID(int=0), UUID(int=_ID_COUNT - 1))


class WorkerFailedError(Exception):
    """A worker process ended or raised before its range was done."""


def quiet(_: int) -> None:
    """Ignore progress."""


def conninfo_of(store: PostgresStore) -> str:
    """Return the connection string with which another process reaches the database of a store."""
    conninfo = store.pool.conninfo
    return conninfo if isinstance(conninfo, str) else conninfo()


def last_position(cursor: Any) -> int:
    """Return the last position of the log, 0 for an empty one."""
    return int(cursor.execute(_LAST).fetchone()["position"])


def stream_ranges(count: int) -> list[Range]:
    """Return ranges that cover all stream ids; ids are UUIDv5, so the ranges are alike in size."""
    edges = [_ID_COUNT * part // count for part in range(count + 1)]
    return [Range(UUID(int=first), UUID(int=end - 1)) for first, end in itertools.pairwise(edges)]


def key_ranges(cursor: Any, table: str, key: str, whole: Range, size: int) -> Iterator[Range]:
    """Yield ranges of a table's key that cover ``whole``, each of ``size`` values of the key.

    The key is a bigint or a uuid with an index. The cursor is used between the ranges.
    """
    query = sql.SQL(
        "SELECT {key} AS last FROM {table} WHERE {key} BETWEEN %s AND %s "
        "ORDER BY {key} OFFSET %s LIMIT 1"
    ).format(key=sql.Identifier(key), table=sql.Identifier(table))
    first = whole.first
    while row := cursor.execute(query, (first, whole.last, size - 1)).fetchone():
        yield Range(first, row["last"])
        if row["last"] == whole.last:
            return
        first = _next(row["last"])
    yield Range(first, whole.last)


def block_ranges(cursor: Any, table: str) -> Iterator[Range]:
    """Yield ranges of ``ctid`` that cover a table as it lies: its rows in the order they came in.

    For a table whose rows are not changed: where one is, it may be seen twice, or not at all.
    """
    row = cursor.execute(_BLOCKS, (table,)).fetchone()
    for first in range(0, row["blocks"], BLOCKS_IN_A_RANGE):
        yield Range(f"({first},0)", f"({first + BLOCKS_IN_A_RANGE - 1},65535)")


def _next(key: Any) -> Any:
    return UUID(int=key.int + 1) if isinstance(key, UUID) else key + 1


@contextmanager
def opened_connection(conninfo: str) -> Iterator[psycopg.Connection[Any]]:
    """Open a connection whose statements may take long, each with a snapshot of its own."""
    with psycopg.connect(conninfo, autocommit=True, row_factory=dict_row) as connection:
        set_json_loads(msgspec.json.decode, connection)
        connection.execute("SET statement_timeout = 0")
        yield connection


def over_ranges(
    work: Callable[[psycopg.Connection[Any], Range, Progress], R],
    conninfo: str,
    ranges: Sequence[Range],
    events: int,
    progress: Progress = quiet,
    workers: int | None = None,
    *,
    parent_reads: bool = False,
    shares: Shares | None = None,
) -> Iterator[R]:
    """Yield ``work(connection, range, progress)`` of each range, in any order.

    ``work`` is a function of a module (or a partial of one), its result can be pickled; each range
    has a REPEATABLE READ transaction of its own. ``events`` is an estimate of their number; below
    FEW_EVENTS the parent does the work itself. ``workers`` is their number (None: one for each
    core). With ``parent_reads`` the parent is one of them: for whoever has little to do with the
    results; but with ``shares``, which are further ranges, it only waits. Raises WorkerFailedError,
    and a ServiceError where another process has refused to prepare its share.
    """
    divided = shares.ranges if shares else ()
    count = min(workers or len(os.sched_getaffinity(0)), len(ranges) + len(divided))
    if count <= 1 or (workers is None and events < FEW_EVENTS):
        with ExitStack() as opened:
            reader = _Reader(work, conninfo, opened, shares)
            for part in (*ranges, *divided):
                yield reader.read(part, progress)
        return
    left = _Left(ranges, divided, count)
    own = [shares and shares._replace(ranges=share) for share in left.shares()]
    # It would not hear the others while it prepares.
    parent_reads = parent_reads and shares is None
    pool = _Workers(work, conninfo, own[: count - parent_reads])
    prepared = shares.progress if shares else quiet
    try:
        if parent_reads:
            with ExitStack() as opened:
                reader = _Reader(work, conninfo, opened, None)
                yield from pool.run(left, progress, prepared, reader)
        else:
            yield from pool.run(left, progress, prepared)
    finally:
        pool.stop()


class _Left:
    """The ranges that no process has taken yet."""

    def __init__(self, ranges: Sequence[Range], divided: Sequence[Range], processes: int) -> None:
        self._anybodys = deque(ranges)
        edges = [len(divided) * each // processes for each in range(processes + 1)]
        self._shares = [deque(divided[first:end]) for first, end in itertools.pairwise(edges)]

    def shares(self) -> list[Sequence[Range]]:
        """Return the share of each process."""
        return [tuple(share) for share in self._shares]

    def take(self, process: int) -> Range:
        """Return the next range for a process that has one."""
        return (self._anybodys or self._shares[process]).popleft()

    def of(self, process: int) -> int:
        """Return how many ranges there are that a process may take."""
        return len(self._anybodys) + len(self._shares[process])


class _Workers:
    """Processes that take one range after another; spawned, because a fork copies locks."""

    def __init__(
        self, work: Callable[..., Any], conninfo: str, shares: Sequence[Shares | None]
    ) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._processes = []
        self._pipes: list[Connection[Any, Any]] = []
        for own in shares:
            ours, theirs = spawn.Pipe()
            process = spawn.Process(
                target=_serve,
                args=(work, conninfo, theirs, own and own._replace(progress=quiet)),
                daemon=True,
            )
            process.start()
            theirs.close()
            self._processes.append(process)
            self._pipes.append(ours)

    def run(
        self,
        left: _Left,
        progress: Progress,
        prepared: Progress,
        parent: _Reader | None = None,
    ) -> Iterator[Any]:
        """Yield the results of all ranges; the parent's reader takes some of them, if it is given.

        While the parent reads, each process has one range more in its pipe.
        """
        given = dict.fromkeys(self._pipes, 0)
        deep = 1 if parent is None else 2
        parents = len(given)
        while True:
            for process, pipe in enumerate(given):
                # Near the end nobody takes a second range that another could begin.
                while (some := left.of(process)) and given[pipe] < (
                    deep if some > 2 * len(given) else 1
                ):
                    _send(pipe, left.take(process))
                    given[pipe] += 1
            reads = parent is not None and left.of(parents) > 0
            if parent is not None and reads:
                yield _read(parent, left.take(parents), progress)
            busy = [pipe for pipe, count in given.items() if count]
            if not busy and not reads:
                return
            for pipe in list[Any](wait(busy, 0 if reads else None)):
                for kind, value in _received(pipe):
                    if kind in ("progress", "prepared"):
                        (progress if kind == "progress" else prepared)(value)
                        continue
                    if kind == "failed":
                        raise WorkerFailedError(value)
                    if kind == "refused":
                        raise from_wire(value)
                    given[pipe] -= 1
                    yield value

    def stop(self) -> None:
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.join(END_S)
            if process.is_alive():  # it may be stopped, or wait for a disk
                process.kill()


def _received(pipe: Any) -> Iterator[tuple[str, Any]]:
    """Yield what a worker has sent so far."""
    try:
        while pipe.poll():
            kind, value = pipe.recv()
            yield kind, value
    except (EOFError, ConnectionResetError):
        raise WorkerFailedError(_ENDED) from None


def _send(pipe: Any, part: Range) -> None:
    try:
        pipe.send(part)
    except (BrokenPipeError, ConnectionResetError):
        raise WorkerFailedError(_ENDED) from None


def _read(reader: _Reader, part: Range, progress: Progress) -> Any:
    """Do the work of a range in the parent; a failure is that of a worker."""
    try:
        return reader.read(part, progress)
    except Exception as error:  # noqa: BLE001 - whatever it is, the caller is told the same
        # Without its text, which may quote a row.
        raise WorkerFailedError(f"{type(error).__name__}\n{trace_of(error)}") from None


def _serve(work: Callable[..., Any], conninfo: str, pipe: Any, shares: Shares | None) -> None:
    # The terminal's Ctrl-C reaches the whole group; the parent then stops its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    own = shares and shares._replace(progress=lambda n: pipe.send(("prepared", n)))
    with ExitStack() as opened:
        reader = _Reader(work, conninfo, opened, own)
        try:
            try:
                reader.prepare()
            except ServiceError as error:
                pipe.send(("refused", error.as_wire()))
                return
            while True:
                part = pipe.recv()
                try:
                    result = ("done", reader.read(part, lambda n: pipe.send(("progress", n))))
                except (EOFError, BrokenPipeError):
                    raise
                except Exception as error:  # noqa: BLE001 - whatever it is, the parent raises it
                    # Without its text, which may quote a row.
                    result = ("failed", f"{type(error).__name__}\n{trace_of(error)}")
                pipe.send(result)
        except (EOFError, BrokenPipeError):
            return  # the parent is done, or gone


class _Reader:
    """Does the work of one process, on a connection that is opened for the first range."""

    def __init__(
        self, work: Callable[..., Any], conninfo: str, opened: ExitStack, shares: Shares | None
    ) -> None:
        self._work = work
        self._conninfo = conninfo
        self._opened = opened
        self._shares = shares

    def prepare(self) -> None:
        """Do what is to be done before the first range, if it is not done yet."""
        _ = self._reading

    def read(self, part: Range, progress: Progress) -> Any:
        part = self._reading(part)
        with self._connection.transaction(), gc_disabled():
            return self._work(self._connection, part, progress)

    @cached_property
    def _reading(self) -> Reading:
        if self._shares is None:
            return lambda part: part
        ranges, prepare, progress = self._shares
        return prepare(self._connection, ranges, progress)

    @cached_property
    def _connection(self) -> psycopg.Connection[Any]:
        connection = self._opened.enter_context(opened_connection(self._conninfo))
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        # A range is sorted by streams.
        for setting in ("work_mem = '64MB'", "jit = off"):
            connection.execute(sql.SQL("SET ") + sql.SQL(setting))
        return connection


@contextmanager
def one_snapshot(cursor: Any) -> Iterator[None]:
    """Read in one snapshot for the length of a block, on a connection in autocommit mode."""
    with cursor.connection.transaction():
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        yield


@contextmanager
def gc_disabled() -> Iterator[None]:
    """Disable Python's cyclic garbage collector: it takes half of the time, and finds nothing.

    Events and accounts make no cycles; any others are collected once it is enabled again.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
