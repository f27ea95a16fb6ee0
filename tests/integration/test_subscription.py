"""A subscription yields the log from a position on, in the order of commit, until it ends."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from threading import Thread
from uuid import uuid4

import psycopg
import pytest
from eventsourcing.persistence import Notification, OperationalError, StoredEvent

from shared.eventstore import subscription
from shared.eventstore.postgres import PostgresStore
from shared.eventstore.subscription import LogSubscription
from tests.conftest import Database, role_of
from tests.waiting import eventually

LISTENING = (
    "SELECT pid FROM pg_stat_activity WHERE usename = %s AND query LIKE 'LISTEN%%' "
    "AND datname = current_database()"
)
PATCHED = """
import eventlet; eventlet.monkey_patch()
from eventsourcing.persistence import NotSupportedError
from shared.eventstore.subscription import LogSubscription
try:
    LogSubscription(None, "", "saldo_ledger")
except NotSupportedError as error:
    print(error)
"""


class Reading:
    """A thread that reads a subscription, and what it has read."""

    def __init__(self, opened: LogSubscription) -> None:
        self.opened = opened
        self.read: list[Notification] = []
        self.error: Exception | None = None
        self._thread = Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        try:
            with self.opened as notifications:
                self.read.extend(notifications)
        except OperationalError as error:
            self.error = error

    def has(self, *positions: int) -> bool:
        return [one.id for one in self.read] == list(positions)

    def close(self) -> None:
        self.opened.stop()
        self._thread.join()


@pytest.fixture
def store(database: Database) -> PostgresStore:
    return database.store("ledger")


def append(store: PostgresStore, *topics: str) -> None:
    for topic in topics:
        store.recorder.insert_events([StoredEvent(uuid4(), 1, topic, b"{}")])


def listener(database: Database) -> int | None:
    with database.owner("ledger") as owner:
        row = owner.execute(LISTENING, (role_of("ledger"),)).fetchone()
        return row[0] if row else None


def test_new_events_follow_those_of_the_log(store: PostgresStore) -> None:
    append(store, "one", "two")
    with closing(Reading(store.recorder.subscribe(gt=1))) as reading:
        eventually(lambda: reading.has(2), "the log is read")
        append(store, "three")
        eventually(lambda: reading.has(2, 3), "the new event is read")


def test_topics_are_found_across_windows(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscription, "WINDOW", 2)
    append(store, *["other"] * 5, "wanted", "other", "wanted")
    with closing(Reading(store.recorder.subscribe(topics=["wanted"]))) as reading:
        eventually(lambda: reading.has(6, 8), "the log is read")
        append(store, "other", "wanted")
        eventually(lambda: reading.has(6, 8, 10), "the new event is read")


def test_a_notification_that_never_comes_is_made_up_for(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscription, "POLL_S", 0.1)
    monkeypatch.setattr(store.recorder, "channel", "saldo_of_nobody")
    with closing(Reading(store.recorder.subscribe())) as reading:
        append(store, "one")
        eventually(lambda: reading.has(1), "the event is read")
        append(store, "two")
        eventually(lambda: reading.has(1, 2), "the next event is read")


def test_a_lost_connection_ends_it_with_the_error_of_the_library(
    database: Database, store: PostgresStore
) -> None:
    with closing(Reading(store.recorder.subscribe())) as reading:
        pid = eventually(lambda: listener(database), "it listens")
        with database.owner("ledger") as owner:
            owner.execute("SELECT pg_terminate_backend(%s)", (pid,))
        eventually(lambda: reading.error is not None, "it has ended")
        assert reading.error is not None
        assert isinstance(reading.error.__cause__, psycopg.OperationalError)


def test_a_process_that_eventlet_has_patched_is_refused() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PATCHED],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "a process of its own" in done.stdout
