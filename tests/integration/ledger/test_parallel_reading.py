"""Ranges of the log are read by several processes; the benchmarks' data is sound."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import active_children
from typing import Any

import pytest

from services.ledger.replay.parallel import (
    Progress,
    Range,
    Reading,
    Shares,
    WorkerFailedError,
    conninfo_of,
    over_ranges,
    stream_ranges,
)
from services.ledger.replay.rebuild import rebuild
from shared.eventstore.postgres import PostgresStore
from tests.bench.billing_run import bills_of, post
from tests.bench.company import Bench, populate, resident
from tests.conftest import Database
from tests.waiting import eventually

A_ROW = "Petrova owes 100 roubles"
ANYWHERE = 0
"""An estimate of the events, which does not matter where the number of workers is given."""


@pytest.fixture
def store(database: Database) -> PostgresStore:
    return database.store("ledger")


def who_reads(connection: Any, part: Range, progress: Progress) -> tuple[Range, int]:
    connection.execute("SELECT pg_sleep(0.05)")
    return part, os.getpid()


def name_reader(connection: Any, part: Range, progress: Progress) -> int:
    return os.getpid()


def refuse(connection: Any, part: Range, progress: Progress) -> None:
    raise ValueError(A_ROW)


@pytest.mark.parametrize("parent_reads", [False, True])
def test_every_range_is_read_once(store: PostgresStore, parent_reads: bool) -> None:
    ranges = stream_ranges(40)

    read = list(
        over_ranges(
            who_reads,
            conninfo_of(store),
            ranges,
            ANYWHERE,
            workers=2,
            parent_reads=parent_reads,
        )
    )

    assert sorted(part for part, _ in read) == ranges
    assert (os.getpid() in {reader for _, reader in read}) == parent_reads


def as_it_is(connection: Any, share: Sequence[Range], progress: Progress) -> Reading:
    progress(len(share))
    return lambda part: part


@pytest.mark.parametrize("workers", [1, 3])
def test_every_range_of_the_shares_is_prepared_and_read_once(
    store: PostgresStore, workers: int
) -> None:
    ranges, prepared = stream_ranges(41), list[int]()
    read = over_ranges(
        who_reads,
        conninfo_of(store),
        [],
        ANYWHERE,
        workers=workers,
        parent_reads=True,
        shares=Shares(ranges, as_it_is, prepared.append),
    )
    assert sorted(part for part, _ in read) == ranges
    assert sum(prepared) == len(ranges)
    assert len(prepared) == workers


def test_a_parent_that_fails_quotes_no_row(store: PostgresStore) -> None:
    reading = over_ranges(
        refuse, conninfo_of(store), stream_ranges(4), ANYWHERE, workers=2, parent_reads=True
    )

    with pytest.raises(WorkerFailedError, match="ValueError") as raised:
        list(reading)

    assert A_ROW not in str(raised.value)


def test_a_worker_that_ends_between_two_ranges_is_told_as_such(store: PostgresStore) -> None:
    reading = over_ranges(name_reader, conninfo_of(store), stream_ranges(8), ANYWHERE, workers=2)

    def kill() -> None:
        reader = next(reading)
        os.kill(reader, signal.SIGKILL)
        eventually(lambda: reader not in [one.pid for one in active_children()], "it has ended")

    with pytest.raises(WorkerFailedError, match="has ended"):
        kill_and_read(reading, kill)


def kill_and_read(reading: Iterator[int], kill: Callable[[], None]) -> None:
    kill()
    list(reading)


def test_copies_of_an_account_agree_with_their_events(
    database: Database, store: PostgresStore
) -> None:
    events = populate(Bench(database.settings, store), resident(2), 3)

    rebuilt = rebuild(store, compare_only=True)

    assert rebuilt.events == events
    assert rebuilt.differences == []


def test_a_billing_run_is_posted_whole(database: Database, store: PostgresStore) -> None:
    assert post(Bench(database.settings, store), bills_of(3)) > 0

    rebuilt = rebuild(store, compare_only=True)

    assert rebuilt.accounts == 3
    assert rebuilt.differences == []
