"""Parallel workers over the whole log, a range of streams at a time.

Each worker process reads a range over its own connection, in one snapshot, and sends the result to
the parent, which adds up. A worker whose parent is killed ends by itself: its pipe is broken.
"""

from __future__ import annotations

import gc
import itertools
import multiprocessing
import os
import signal
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from typing import Any, NamedTuple, TypeAlias, TypeVar
from uuid import UUID

import msgspec
import psycopg
from psycopg import IsolationLevel, sql
from psycopg.rows import dict_row
from psycopg.types.json import set_json_loads

from shared.eventstore.postgres import PostgresStore

R = TypeVar("R")

Progress: TypeAlias = Callable[[int], None]
"""Called with the number of events that have been read since the last call."""

FEW_EVENTS = 20_000
"""Below this it takes longer to start processes than to read the log in this one."""
REPORT_EVERY = 2_000

_ALL_IDS = 1 << 128


class Range(NamedTuple):
    """Ids of streams, or positions of the log, from the first to the last, both included."""

    first: Any
    last: Any


class WorkerFailedError(Exception):
    """A worker process ended or raised before its range was done."""


def quiet(_: int) -> None:
    """Ignore progress."""


def conninfo_of(store: PostgresStore) -> str:
    """Return the connection string with which another process reaches the database of a store."""
    conninfo = store.pool.conninfo
    return conninfo if isinstance(conninfo, str) else conninfo()


def stream_ranges(count: int) -> list[Range]:
    """Return ranges that cover all stream ids; ids are UUIDv5, so the ranges are alike in size."""
    edges = [_ALL_IDS * part // count for part in range(count + 1)]
    return [Range(UUID(int=first), UUID(int=end - 1)) for first, end in itertools.pairwise(edges)]


def over_ranges(
    work: Callable[[psycopg.Connection[Any], Range, Progress], R],
    conninfo: str,
    ranges: Sequence[Range],
    events: int,
    progress: Progress = quiet,
    workers: int | None = None,
) -> Iterator[R]:
    """Yield ``work(connection, range, progress)`` of each range, in any order.

    ``work`` is a function of a module (or a partial of one), its result can be pickled; it runs
    in one REPEATABLE READ transaction. ``events`` is an estimate of their number; below FEW_EVENTS
    the parent does the work itself. ``workers`` is their number (None: one for each core). Raises
    WorkerFailedError.
    """
    count = min(workers or len(os.sched_getaffinity(0)), len(ranges))
    if count <= 1 or (workers is None and events < FEW_EVENTS):
        for part in ranges:
            yield _on_connection(work, conninfo, part, progress)
        return
    pool = _Workers(work, conninfo, count)
    try:
        yield from pool.run(ranges, progress)
    finally:
        pool.stop()


class _Workers:
    """Processes that take one range after another; spawned, because a fork copies locks."""

    def __init__(self, work: Callable[..., Any], conninfo: str, count: int) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._processes = []
        self._pipes: list[Connection[Any, Any]] = []
        for _ in range(count):
            ours, theirs = spawn.Pipe()
            process = spawn.Process(target=_serve, args=(work, conninfo, theirs), daemon=True)
            process.start()
            theirs.close()
            self._processes.append(process)
            self._pipes.append(ours)

    def run(self, ranges: Sequence[Range], progress: Progress) -> Iterator[Any]:
        left = list(reversed(ranges))
        busy: set[Any] = set()
        for pipe in self._pipes:
            pipe.send(left.pop())
            busy.add(pipe)
        while busy:
            for pipe in list[Any](wait(list(busy))):
                kind, value = _receive(pipe)
                if kind == "progress":
                    progress(value)
                    continue
                if kind == "failed":
                    raise WorkerFailedError(value)
                if left:
                    pipe.send(left.pop())
                else:
                    busy.discard(pipe)
                yield value

    def stop(self) -> None:
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.join()


def _receive(pipe: Any) -> tuple[str, Any]:
    try:
        kind, value = pipe.recv()
    except (EOFError, ConnectionResetError):
        raise WorkerFailedError("a worker process has ended before its work was done") from None
    return kind, value


def _serve(work: Callable[..., Any], conninfo: str, pipe: Any) -> None:
    # The terminal's Ctrl-C reaches the whole group; the parent then stops its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        while True:
            part = pipe.recv()
            try:
                result = (
                    "done",
                    _on_connection(work, conninfo, part, lambda n: pipe.send(("progress", n))),
                )
            except (EOFError, BrokenPipeError):
                raise
            except Exception:  # noqa: BLE001 - whatever it is, the parent raises it
                result = ("failed", traceback.format_exc())
            pipe.send(result)
    except (EOFError, BrokenPipeError):
        return  # the parent is done, or gone


def _on_connection(work: Callable[..., R], conninfo: str, part: Range, progress: Progress) -> R:
    with psycopg.connect(conninfo, row_factory=dict_row) as connection:
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        set_json_loads(msgspec.json.decode, connection)
        # A large log takes longer than any request may, and is sorted by streams.
        for setting in ("statement_timeout = 0", "work_mem = '64MB'", "jit = off"):
            connection.execute(sql.SQL("SET LOCAL ") + sql.SQL(setting))
        with gc_disabled():
            return work(connection, part, progress)


@contextmanager
def gc_disabled() -> Iterator[None]:
    """Disable Python's cyclic garbage collector: it takes half of the time, and finds nothing.

    Events and accounts make no cycles; any others are collected between the ranges.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
            gc.collect()
