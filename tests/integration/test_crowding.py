"""The relay says that Saldo's own readers are behind, as long as they are at work."""

from __future__ import annotations

import threading
from pathlib import Path

import pika
import pytest

from services.ledger.publishing import publish
from shared.bus.crowding import CROWDED
from shared.bus.relay import Relay
from shared.bus.topology import connect, declare_listening, declare_publishing
from shared.bus.worker import Worker
from tests.conftest import Database
from tests.integration.bus_ends import relayed
from tests.integration.ledger.import_harness import ImportHarness
from tests.waiting import eventually

pytestmark = pytest.mark.nodes

ACCOUNTS = 4 * CROWDED
QUEUE = "payments.from.ledger"
_CROWDED = """
SELECT count(*) FROM pg_locks, (SELECT hashtextextended('ledger.crowded', 0) AS key) AS wanted
 WHERE locktype = 'advisory' AND granted AND objsubid = 1
   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
   AND classid::bigint << 32 | objid::bigint = key
"""


class SlowReader:
    """Takes a message now and then from the queue of payments, until it may hurry."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.hurry = threading.Event()
        self.ended = threading.Event()
        self._thread = threading.Thread(target=self._read)

    def __enter__(self) -> SlowReader:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.hurry.set()
        self.ended.set()
        self._thread.join()

    def _read(self) -> None:
        connection = pika.BlockingConnection(pika.URLParameters(self._url))
        channel = connection.channel()
        channel.basic_qos(prefetch_count=10)
        for method, _, _ in channel.consume(QUEUE, inactivity_timeout=0.1):
            if self.ended.is_set():
                break
            if method is not None:
                channel.basic_ack(method.delivery_tag)
                self.hurry.wait(0.02)
        connection.close()


@pytest.fixture
def opened(clean_bus: None, database: Database, tmp_path: Path, amqp_url: str) -> Database:
    """A log of many events that none has read, and the queue of a reader."""
    numbers = [f"{number:06}" for number in range(ACCOUNTS)]
    ImportHarness(database, tmp_path).opens(*numbers)
    with connect(amqp_url, name="test", heartbeat=0) as broker:
        declare_publishing(broker, "ledger", database.settings)
        declare_listening(broker, "payments", "ledger")
    return database


def is_crowded(database: Database) -> bool:
    with database.owner("ledger") as owner:
        row = owner.execute(_CROWDED).fetchone()
        return row is not None and row[0] == 1


def test_relay_says_that_a_reader_is_behind_until_it_is_not(
    opened: Database, worker: Worker, amqp_url: str
) -> None:
    relay = Relay(opened.settings, opened.opened[-1], publish, worker.stop)
    with SlowReader(amqp_url) as reader:
        worker.start("relay", relay.run)
        eventually(lambda: is_crowded(opened), "the reader is behind")
        reader.hurry.set()
        eventually(lambda: not is_crowded(opened), "the reader has read")
        assert relayed(opened) == ACCOUNTS + 2


def test_end_of_the_relay_is_the_end_of_what_it_says(
    opened: Database, worker: Worker, amqp_url: str
) -> None:
    relay = Relay(opened.settings, opened.opened[-1], publish, worker.stop)
    with SlowReader(amqp_url):
        worker.start("relay", relay.run)
        eventually(lambda: is_crowded(opened), "the reader is behind")
        worker.join()
        eventually(lambda: not is_crowded(opened), "nobody says so any more")


def test_queue_without_a_reader_is_not_crowded(opened: Database, worker: Worker) -> None:
    relay = Relay(opened.settings, opened.opened[-1], publish, worker.stop)
    worker.start("relay", relay.run)
    eventually(lambda: relayed(opened) == ACCOUNTS + 2, "all is published")
    assert not is_crowded(opened)
