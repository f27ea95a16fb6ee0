"""The time of the database is read with what is asked of it anyway."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import pytest

from services.ledger.application import OpenAccount, open_account
from services.ledger.domain.events import ServiceAmount
from shared import context, database_clock
from shared.eventstore.postgres import PostgresStore
from tests.conftest import Database

pytestmark = pytest.mark.nodes

NEVER, ALWAYS = timedelta(days=1), timedelta(0)
Work = Callable[[PostgresStore], Any]


def executed(store: PostgresStore) -> None:
    opening = (ServiceAmount("heating", 450_000),)
    number = f"01{uuid4().int % 10**8:08}"
    with context.bind(command_id=uuid4()):
        store.execute(
            open_account, OpenAccount(number=number, payer_kind="household", opening=opening)
        )


def transacted(store: PostgresStore) -> None:
    store.transact(lambda session, _: session.cursor.execute("DELETE FROM positions"), None)


def queried(store: PostgresStore) -> None:
    store.query(lambda session: session.cursor.execute("SELECT FROM positions").fetchall())


class Exchange(NamedTuple):
    """What a store and its server have told each other: by whom ("F" or "B"), and what."""

    messages: list[tuple[str, str]]

    @property
    def round_trips(self) -> int:
        return [side for side, _ in groupby(self.messages, lambda one: one[0])].count("B")

    def count(self, kind: str, text: str) -> int:
        return sum(side == "F" and kind in told and text in told for side, told in self.messages)


def exchange(store: PostgresStore, work: Work, file: Path) -> Exchange:
    """Return what is exchanged for some work; the store has one connection."""
    with file.open("wb+") as trace:
        with store.pool.connection() as connection:
            connection.pgconn.trace(trace.fileno())
        work(store)
        with store.pool.connection() as connection:
            connection.pgconn.untrace()
    lines = [line.split("\t", 2) for line in file.read_text(errors="replace").splitlines()]
    return Exchange([(line[1], line[2]) for line in lines if len(line) == 3])


@pytest.mark.parametrize("work", [executed, transacted, queried])
def test_reading_the_time_costs_no_round_trip(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, work: Work
) -> None:
    store = database.store("ledger", pool_size=1)
    work(store)  # what is prepared or fetched once
    monkeypatch.setattr(database_clock, "READ_EVERY", NEVER)
    without = exchange(store, work, tmp_path / "without")
    monkeypatch.setattr(database_clock, "READ_EVERY", ALWAYS)
    with_it = exchange(store, work, tmp_path / "with")
    question = "SELECT clock_timestamp()"
    assert (without.count("Parse", question), with_it.count("Parse", question)) == (0, 1)
    assert 0 < with_it.round_trips <= without.round_trips


def test_transaction_of_a_command_begins_once(database: Database, tmp_path: Path) -> None:
    store = database.store("ledger", pool_size=1)
    executed(store)
    told = exchange(store, executed, tmp_path / "trace")
    assert told.count("", "BEGIN") == 1
