"""The relay on real nodes: every event at least once, in the order of the log."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pika
import psycopg
import pytest

from services.ledger.publishing import publish
from shared import context
from shared.bus.messages import read_message
from shared.bus.relay import Relay
from shared.bus.topology import log_exchange
from shared.bus.worker import Worker
from tests.conftest import Database
from tests.integration.bus_ends import (
    WAIT_S,
    Reader,
    deliveries,
    end,
    open_one,
    pay,
    publish_all,
    relayed,
)
from tests.waiting import eventually

pytestmark = pytest.mark.usefixtures("clean_bus")


@pytest.fixture
def reader(amqp_url: str) -> Iterator[Reader]:
    made = Reader(amqp_url)
    yield made
    made.connection.close()


def test_every_event_reaches_a_plain_consumer_in_order(
    database: Database, worker: Worker, reader: Reader
) -> None:
    ledger = database.store("ledger")
    open_one(ledger)
    publish_all(worker, database, ledger)
    pay(ledger, 30)
    got = reader.read(31)
    assert [headers["saldo_position"] for _, headers, _ in got] == list(range(1, 32))
    assert [headers["saldo_predecessor"] for _, headers, _ in got] == list(range(31))
    routing_key, headers, _ = got[1]
    assert routing_key == headers["cloudEvents_type"] == "payment_posted"
    assert headers["cloudEvents_specversion"] == "1.0"
    assert headers["cloudEvents_source"] == "/saldo/ledger"
    assert headers["cloudEvents_id"] == f"ledger-{headers['saldo_epoch']}-2"


def test_stopped_relay_resumes_at_its_position(database: Database, reader: Reader) -> None:
    ledger = database.store("ledger")
    open_one(ledger)
    for expected in (6, 11):
        pay(ledger, 5)
        worker = Worker()
        publish_all(worker, database, ledger)
        reader.read(expected)
        end(worker, database.settings)
    assert [headers["saldo_position"] for _, headers, _ in reader.got] == list(range(1, 12))


def test_only_one_relay_publishes(database: Database, worker: Worker, reader: Reader) -> None:
    ledger = database.store("ledger")
    open_one(ledger)
    for _ in ("first", "second"):
        publish_all(worker, database, ledger)
    pay(ledger, 40)
    got = reader.read(41)
    assert [headers["saldo_position"] for _, headers, _ in got] == list(range(1, 42))


def test_relay_that_dies_before_it_advances_publishes_again(
    database: Database, amqp_url: str
) -> None:
    """Published and confirmed without the position written: at least once, still in order."""
    ledger = database.store("ledger")
    open_one(ledger)
    pay(ledger, 3)
    reader = Reader(amqp_url, exchange=log_exchange("ledger").name)

    class Dying(Relay):
        def _confirm(self, database: Any, publisher: Any, tag: int, *_: Any) -> None:
            publisher.wait_for(tag)
            raise psycopg.OperationalError("the process dies here")

    with pytest.raises(psycopg.OperationalError):
        Dying(database.settings, ledger, publish, threading.Event()).run()
    worker = Worker()
    worker.start("relay", Relay(database.settings, ledger, publish, worker.stop).run)
    got = reader.read(8)
    end(worker, database.settings)
    reader.connection.close()
    assert [headers["saldo_position"] for _, headers, _ in got] == [1, 2, 3, 4, 1, 2, 3, 4]


def test_stream_keeps_the_history_for_later_subscribers(
    database: Database, worker: Worker, amqp_url: str
) -> None:
    ledger = database.store("ledger")
    open_one(ledger)
    pay(ledger, 4)
    worker.start("relay", Relay(database.settings, ledger, publish, worker.stop).run)
    eventually(lambda: relayed(database) == 5, "the relay has published everything")
    channel = pika.BlockingConnection(pika.URLParameters(amqp_url)).channel()
    channel.basic_qos(prefetch_count=10)
    got: list[int] = []
    for method, properties, _ in channel.consume(
        "ledger.stream", arguments={"x-stream-offset": "first"}, inactivity_timeout=WAIT_S
    ):
        assert method is not None
        got.append(properties.headers["saldo_position"])
        channel.basic_ack(method.delivery_tag)
        if len(got) == 5:
            break
    channel.connection.close()
    assert got == [1, 2, 3, 4, 5]


def test_message_is_read_back_as_it_was_sent(database: Database) -> None:
    ledger = database.store("ledger")
    with context.bind(correlation_id="journey-7"):
        open_one(ledger)
    [only] = deliveries(ledger)
    message = read_message(only.headers, only.body)
    assert (message.source, message.type, message.correlation_id) == (
        "ledger",
        "account_opened",
        "journey-7",
    )
    assert message.time.tzinfo is not None
