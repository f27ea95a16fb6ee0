"""The live feed: what other systems bind stops neither Saldo nor another subscriber."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pika
import pytest

from services.ledger.publishing import publish
from shared.bus import live
from shared.bus.live import Handoff, LiveFeed
from shared.bus.messages import Envelope
from shared.bus.publisher import ConfirmedPublisher
from shared.bus.relay import Relay, next_window, read_window
from shared.bus.topology import connect, event_exchange, reaction_queue, stream_queue
from shared.bus.worker import Worker
from shared.config import Settings, user_of
from tests.conftest import Database
from tests.integration.bus_ends import Reader, leading, open_one, pay, publish_all
from tests.waiting import eventually

pytestmark = pytest.mark.usefixtures("clean_bus")

REFUSING = {"x-max-length": 3, "x-overflow": "reject-publish"}


@pytest.fixture
def readers(amqp_url: str) -> Iterator[list[Reader]]:
    """A healthy subscriber, and one whose queue refuses what is beyond three messages."""
    both = [Reader(amqp_url, "healthy"), Reader(amqp_url, "refusing", arguments=REFUSING)]
    yield both
    for reader in both:
        reader.connection.close()


def position(database: Database, table: str) -> int:
    with database.owner("ledger") as owner:
        row = owner.execute(f"SELECT position FROM {table}").fetchone()
        return int(row[0]) if row else 0


def in_stream(amqp_url: str) -> int:
    with connect(amqp_url, name="test", heartbeat=0) as broker:
        return int(broker.channel().queue_declare("ledger.stream", passive=True)[1])


def positions(reader: Reader, count: int) -> list[int]:
    return [headers["saldo_position"] for _, headers, _ in reader.read(count)]


def test_a_queue_that_refuses_stops_neither_the_relay_nor_a_neighbour(
    database: Database, worker: Worker, readers: list[Reader], amqp_url: str
) -> None:
    healthy, refusing = readers
    ledger = database.store("ledger")
    open_one(ledger)
    publish_all(worker, database, ledger)
    pay(ledger, 59)
    assert positions(healthy, 60) == list(range(1, 61))
    assert positions(refusing, 3) == [1, 2, 3]
    eventually(lambda: position(database, "relay") == 60, "the relay has published everything")
    eventually(lambda: position(database, "live") == 60, "the feed has got to the end")
    eventually(lambda: in_stream(amqp_url) == 60, "the stream has each event once")
    assert healthy.channel.basic_get("healthy")[0] is None, "nothing is sent twice"


class RefusedByItsFirstChannel(ConfirmedPublisher):
    """A publisher whose first channel stays refused, as by a queue whose leader's node was lost."""

    opened = 0

    def __init__(self, *words: Any, **options: Any) -> None:
        super().__init__(*words, **options)
        RefusedByItsFirstChannel.opened += 1
        self._is_refused = RefusedByItsFirstChannel.opened == 1

    def publish(self, exchange: str, envelope: Envelope) -> int:
        if not self._is_refused:
            return super().publish(exchange, envelope)
        self._sent += 1
        self._refused += 1
        self._advance()
        return self._sent


def test_after_a_refusal_the_next_events_go_by_another_channel(
    database: Database,
    worker: Worker,
    readers: list[Reader],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    healthy, _ = readers
    monkeypatch.setattr(RefusedByItsFirstChannel, "opened", 0)
    monkeypatch.setattr(live, "ConfirmedPublisher", RefusedByItsFirstChannel)
    monkeypatch.setattr(live, "NEW_CHANNEL_S", 0.0)
    ledger = database.store("ledger")
    open_one(ledger)
    publish_all(worker, database, ledger)
    eventually(lambda: position(database, "live") == 1, "the feed has gone on")
    pay(ledger, 2)
    assert positions(healthy, 2) == [2, 3]
    assert [headers["saldo_predecessor"] for _, headers, _ in healthy.got] == [1, 2]
    assert RefusedByItsFirstChannel.opened == 2, "one that was not refused is kept"


def test_a_subscriber_queue_may_vanish_and_come_back(
    database: Database, worker: Worker, readers: list[Reader]
) -> None:
    healthy, refusing = readers
    ledger = database.store("ledger")
    open_one(ledger)
    publish_all(worker, database, ledger)
    assert positions(healthy, 1) == [1]
    refusing.channel.queue_delete("refusing")
    pay(ledger, 10)
    assert positions(healthy, 11) == list(range(1, 12))
    refusing.channel.queue_declare("refusing", exclusive=True)
    refusing.channel.queue_bind("refusing", "ledger.events", "#")
    refusing.got.clear()
    pay(ledger, 2)
    assert positions(healthy, 13) == list(range(1, 14))
    assert positions(refusing, 2) == [12, 13]


def test_deleting_the_exchange_of_subscribers_leaves_the_house_alone(
    database: Database, worker: Worker, amqp_url: str
) -> None:
    ledger = database.store("ledger")
    open_one(ledger)
    publish_all(worker, database, ledger)
    eventually(lambda: position(database, "live") == 1, "the feed has begun")
    with connect(amqp_url, name="test", heartbeat=0) as broker:
        event_exchange("ledger")(broker.channel()).delete()
    pay(ledger, 5)
    eventually(lambda: position(database, "relay") == 6, "the relay goes on")
    eventually(lambda: position(database, "live") == 6, "the feed has declared it again")


def test_a_feed_in_another_process_reads_the_log(
    database: Database, worker: Worker, readers: list[Reader]
) -> None:
    healthy, _ = readers
    ledger = database.store("ledger")
    open_one(ledger)
    pay(ledger, 9)
    worker.start("relay", Relay(database.settings, ledger, publish, worker.stop).run)
    feed = LiveFeed(database.settings, ledger, publish, worker.stop, Handoff())
    worker.start("live", feed.run)
    assert positions(healthy, 10) == list(range(1, 11))
    assert [headers["saldo_predecessor"] for _, headers, _ in healthy.got] == list(range(10))


def test_a_feed_sends_nothing_that_the_relay_has_not_published(database: Database) -> None:
    ledger = database.store("ledger")
    open_one(ledger)
    pay(ledger, 3)
    feed = LiveFeed(database.settings, ledger, publish, threading.Event(), Handoff())
    sent = _drained(feed, database)
    assert sent == 0
    with database.owner("ledger") as owner:
        owner.execute("UPDATE relay SET position = 3, published = 3")
    assert _drained(feed, database) == 3
    assert position(database, "live") == 3


def _drained(feed: LiveFeed, database: Database) -> int:
    with (
        connect(database.settings.amqp_url, name="test", heartbeat=0) as broker,
        leading(database, "ledger", "live") as lead,
    ):
        channel = broker.channel()
        event_exchange("ledger")(channel).declare()
        user = user_of(database.settings.amqp_url)
        sent = feed.drain(lead, ConfirmedPublisher(channel, user, forgiving=True))
        lead.note_all()
        return sent


def test_a_feed_that_is_ahead_of_what_a_lost_relay_has_noted_sends_each_event_once(
    database: Database, readers: list[Reader]
) -> None:
    healthy, _ = readers
    ledger = database.store("ledger")
    open_one(ledger)
    pay(ledger, 2)
    handoff = Handoff()
    feed = LiveFeed(database.settings, ledger, publish, threading.Event(), handoff)
    with leading(database, "ledger", "relay") as lost:
        window = read_window(lost, ledger, publish, 0, 10, 0)
    assert window is not None
    handoff.put(window)
    assert _drained(feed, database) == 3, "it is published, though that is not noted"
    assert (position(database, "relay"), position(database, "live")) == (0, 3)
    pay(ledger, 2)
    with leading(database, "ledger", "relay") as next_one:
        again = next_window(next_one, ledger, publish, 10)
        assert again is not None
        handoff.put(again)
        assert _drained(feed, database) == 0, "it begins before what was sent"
        next_one.note(
            "UPDATE relay SET position = 5, published = 5 WHERE position = %(after)s",
            {"after": again.after},
        )
    assert _drained(feed, database) == 2
    assert positions(healthy, 5) == [1, 2, 3, 4, 5]
    assert [headers["saldo_predecessor"] for _, headers, _ in healthy.got] == [0, 1, 2, 3, 4]
    assert healthy.channel.basic_get("healthy")[0] is None


def test_windows_are_handed_on_up_to_a_bound(database: Database) -> None:
    ledger = database.store("ledger")
    open_one(ledger)
    pay(ledger, 5)
    handoff, after, predecessor = Handoff(kept=2), 0, 0
    with leading(database, "ledger", "relay") as lead:
        while (window := read_window(lead, ledger, publish, after, 2, predecessor)) is not None:
            handoff.put(window)
            log, after, predecessor = window.log, window.position, window.published
    assert handoff.take(0, log) is None, "the oldest of three windows was dropped"
    taken = handoff.take(2, log)
    assert taken is not None
    assert (taken.position, len(taken.envelopes)) == (4, 2)
    assert handoff.take(3, log) is None, "a window is taken from its own beginning only"


def test_a_feed_that_has_read_past_a_window_does_not_spin_on_it(database: Database) -> None:
    ledger = database.store("ledger")
    open_one(ledger)
    pay(ledger, 3)
    handoff = Handoff()
    with leading(database, "ledger", "relay") as lead:
        window = read_window(lead, ledger, publish, 0, 4, 0)
    assert window is not None
    handoff.put(window._replace(after=1))
    with database.owner("ledger") as owner:
        owner.execute("UPDATE relay SET position = 4, published = 4")
    feed = LiveFeed(database.settings, ledger, publish, threading.Event(), handoff)
    assert _drained(feed, database) == 4
    assert handoff.take(1, window.log) is None, "wait() would return at once, for ever"


def test_queues_of_an_older_version_leave_the_exchange_of_subscribers(
    database: Database, worker: Worker, amqp_url: str
) -> None:
    ledger = database.store("ledger")
    open_one(ledger)
    connection = pika.BlockingConnection(pika.URLParameters(amqp_url))
    channel = connection.channel()
    channel.exchange_declare("ledger.events", "topic", durable=True)
    with connect(amqp_url, name="test", heartbeat=0) as broker:
        queue = reaction_queue("payments", "ledger")
        queue(broker.channel()).declare()
    for name in ("ledger.stream", queue.name):
        arguments = {"x-queue-type": "stream"} if name == "ledger.stream" else queue.queue_arguments
        channel.queue_declare(name, durable=True, arguments=arguments)
        channel.queue_bind(name, "ledger.events", "#")
    publish_all(worker, database, ledger)
    eventually(lambda: position(database, "live") == 1, "the feed has sent the event")
    eventually(lambda: in_stream(amqp_url) == 1, "the stream has it once")
    connection.close()


def test_the_stream_keeps_no_more_than_the_settings_allow(
    database: Database, worker: Worker, amqp_url: str
) -> None:
    ledger = database.store("ledger")
    small = Settings(
        **{**vars(database.settings), "stream_max_bytes": 2**20, "stream_max_age": "1h"}
    )
    assert stream_queue("ledger", small).queue_arguments["x-max-age"] == "1h", "hours to wait for"
    open_one(ledger)
    worker.start("relay", Relay(small, ledger, publish, worker.stop).run)
    eventually(lambda: position(database, "relay") == 1, "the first event is in the stream")
    connection = pika.BlockingConnection(pika.URLParameters(amqp_url))
    channel = connection.channel()
    channel.confirm_delivery()
    for _ in range(24):
        channel.basic_publish("ledger.log", "filler", b"x" * 2**17)
    eventually(lambda: not _still_first(connection), "the oldest segment was deleted")
    connection.close()


def _still_first(connection: pika.BlockingConnection) -> bool:
    """Return whether the stream still begins with the first event."""
    channel = connection.channel()
    channel.basic_qos(prefetch_count=1)
    offset = {"x-stream-offset": "first"}
    method, properties, _ = next(
        channel.consume("ledger.stream", arguments=offset, inactivity_timeout=10)
    )
    assert method is not None, "the stream is not empty"
    channel.close()
    return "saldo_position" in (properties.headers or {})
