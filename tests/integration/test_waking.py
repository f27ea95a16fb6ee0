"""Appends notify the relay, but not one that is awake: that one looks for them itself."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import psycopg
import pytest
from psycopg import sql

from services.ledger.publishing import publish
from shared.bus import waking
from shared.bus.relay import Relay
from shared.bus.waking import BUSY, FREQUENT, Waking
from shared.bus.worker import Worker
from shared.eventstore.postgres import PostgresStore
from tests.conftest import Database
from tests.integration.bus_ends import leading, open_one, pay, relayed
from tests.waiting import eventually


@pytest.fixture
def ledger(database: Database) -> PostgresStore:
    store = database.store("ledger")
    open_one(store)
    return store


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Count appends as following each other on a machine under load, too."""
    monkeypatch.setattr(waking, "BUSY_S", 60.0)


@contextmanager
def listening(database: Database, store: PostgresStore) -> Iterator[psycopg.Connection[object]]:
    with psycopg.connect(database.settings.database_url_of("ledger"), autocommit=True) as made:
        made.execute(sql.SQL("LISTEN {}").format(sql.Identifier(store.recorder.channel)))
        yield made


def notified(connection: psycopg.Connection[object]) -> int:
    return len(list(connection.notifies(timeout=0.2)))


def test_appends_notify_unless_the_relay_is_awake(
    database: Database, ledger: PostgresStore
) -> None:
    with listening(database, ledger) as listener:
        pay(ledger, 1)
        assert notified(listener) == 1
        with leading(database, "ledger", "relay") as lead:
            relay = Waking(lead.connection, ledger.recorder)
            for _ in range(BUSY):
                pay(ledger, 1)
                relay.wait(1)
            assert relay.awake
            notified(listener)
            pay(ledger, 3)
            assert notified(listener) == 0
            relay.wait(3)
            assert notified(listener) == 1, "the others are notified by the relay, of all at once"
            pay(ledger, 1)
        # Its connection has ended, and the lock with it.
        pay(ledger, 1)
        assert notified(listener) == 1


def test_relay_falls_asleep_after_a_while_without_appends(
    database: Database, ledger: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with leading(database, "ledger", "relay") as lead, listening(database, ledger) as listener:
        relay = Waking(lead.connection, ledger.recorder)
        for _ in range(BUSY):
            pay(ledger, 1)
            relay.wait(1)
        relay.wait(0)
        assert relay.awake, "appends follow each other"
        monkeypatch.setattr(waking, "BUSY_S", 0.0)
        relay.wait(0)
        assert not relay.awake
        notified(listener)
        pay(ledger, 1)
        assert notified(listener) == 1


def test_relay_stays_awake_while_an_append_would_notify_nobody(
    database: Database, ledger: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with leading(database, "ledger", "relay") as lead:
        relay = Waking(lead.connection, ledger.recorder)
        for _ in range(BUSY):
            pay(ledger, 1)
            relay.wait(1)
        monkeypatch.setattr(waking, "BUSY_S", 0.0)
        with ledger.transaction() as appending:
            ledger.recorder.lock_tail(appending)
            relay.wait(0)
            assert relay.awake
        relay.wait(0)
        assert not relay.awake


def test_one_that_is_about_to_notify_is_waited_for(
    database: Database, ledger: PostgresStore
) -> None:
    with leading(database, "ledger", "relay") as lead:
        relay = Waking(lead.connection, ledger.recorder)
        for _ in range(BUSY - 1):
            pay(ledger, 1)
            relay.wait(1)
        with ledger.transaction() as appending:
            ledger.recorder.lock_tail(appending)
            relay.wait(1)
            assert not relay.awake
        relay.wait(1)
        assert relay.awake


@pytest.mark.usefixtures("clean_bus")
def test_a_busy_relay_publishes_all_and_wakes_up_again(
    database: Database, worker: Worker, ledger: PostgresStore
) -> None:
    worker.start("relay", Relay(database.settings, ledger, publish, worker.stop).run)
    pay(ledger, 4 * BUSY)
    eventually(lambda: relayed(database) == 4 * BUSY + 1, "all is published")
    with database.owner("ledger") as owner:
        row = owner.execute("SELECT count(*) FROM events").fetchone()
        assert row == (4 * BUSY + 1,)
    pay(ledger, 1)
    eventually(lambda: relayed(database) == 4 * BUSY + 2, "the last one is, too")


def test_append_while_the_relay_reads_the_log_wakes_it_at_once(
    database: Database, ledger: PostgresStore
) -> None:
    """It reads the log by a pipeline, and not again before it waits."""
    with leading(database, "ledger", "relay") as lead:
        relay, patience = Waking(lead.connection, ledger.recorder), 60.0
        with lead.connection.pipeline():
            lead.connection.execute("SELECT 1")
            pay(ledger, 1)
        began = time.monotonic()
        relay.wait(0, patience)
        assert time.monotonic() - began < patience / 2


def test_appends_that_follow_each_other_are_gathered(
    database: Database, ledger: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        pay(ledger, 1)  # the next append

    monkeypatch.setattr(waking, "time", SimpleNamespace(monotonic=time.monotonic, sleep=sleep))
    with leading(database, "ledger", "relay") as lead:
        relay = Waking(lead.connection, ledger.recorder)
        pay(ledger, 1)
        relay.wait(FREQUENT - 1)
        assert pauses == [], "a lone payment is published at once"
        monkeypatch.setattr(waking, "FREQUENT_S", 60.0)
        pay(ledger, 1)
        relay.wait(1)
        assert pauses == [waking.GATHER_S]
        assert list(lead.connection.notifies(timeout=0.2)) == [], "both are one reason to read"
