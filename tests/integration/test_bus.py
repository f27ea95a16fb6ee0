"""Relay and reactions on real nodes: in order, without loss, exactly once in effect."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import uuid4

import pika
import psycopg
import pytest
from prometheus_client import REGISTRY

from services.ledger.application import (
    OpenAccount,
    PaidLine,
    PostPayment,
    open_account,
    post_payment,
)
from services.ledger.publishing import publish
from shared import context
from shared.bus import parked
from shared.bus.listen import Listener
from shared.bus.live import Handoff, LiveFeed
from shared.bus.messages import read_message
from shared.bus.principals import user_of
from shared.bus.reactions import Delivery, GapError, Reactions
from shared.bus.relay import Relay, published_after
from shared.bus.topology import connect, log_exchange, reaction_queue
from shared.bus.worker import Worker
from shared.config import Settings
from shared.errors import Unavailable
from shared.eventstore.postgres import PostgresStore
from tests.conftest import BrokerUser, Database, role_of
from tests.waiting import eventually

pytestmark = pytest.mark.usefixtures("clean_bus")

NUMBER = "0100000001"
WAIT_S = 20.0


def open_one(store: PostgresStore, number: str = NUMBER) -> None:
    store.execute(open_account, OpenAccount(number=number, payer_kind="household"))


def pay(store: PostgresStore, times: int, number: str = NUMBER) -> None:
    for _ in range(times):
        line = PaidLine(account=number, amount=100, penalty=0)
        with context.bind(command_id=uuid4()):
            store.execute(
                post_payment,
                PostPayment(payment_id=uuid4(), paid_on=date(2026, 11, 1), lines=(line,)),
            )


@dataclass
class Reader:
    """Another system: a plain pika consumer with a queue of its own."""

    url: str
    queue: str = "another-system"
    exchange: str = "ledger.events"
    arguments: dict[str, Any] | None = None
    got: list[tuple[str, dict[str, Any], bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.connection = pika.BlockingConnection(pika.URLParameters(self.url))
        self.channel = self.connection.channel()
        self.channel.exchange_declare(self.exchange, "topic", durable=True)
        self.channel.queue_declare(self.queue, exclusive=True, arguments=self.arguments)
        self.channel.queue_bind(self.queue, self.exchange, "#")

    def read(self, count: int) -> list[tuple[str, dict[str, Any], bytes]]:
        while len(self.got) < count:
            for method, properties, body in self.channel.consume(
                self.queue, inactivity_timeout=WAIT_S, auto_ack=True
            ):
                assert method is not None, f"{len(self.got)} of {count} messages arrived"
                self.got.append((method.routing_key, dict(properties.headers), body))
                if len(self.got) >= count:
                    break
        return self.got


@pytest.fixture
def reader(amqp_url: str) -> Iterator[Reader]:
    made = Reader(amqp_url)
    yield made
    made.connection.close()


@pytest.fixture
def worker() -> Iterator[Worker]:
    running = Worker()
    yield running
    running.join()


@dataclass
class Calls:
    """The dependencies of a reaction; of all services only the ledger serves its log."""

    settings: Settings
    store: PostgresStore
    ledger: PostgresStore
    asked: list[int] = field(default_factory=list)

    def call(self, service: str, method: str, **kwargs: Any) -> Any:
        if (service, method) != ("ledger", "events_after"):
            raise Unavailable("service_unavailable", "not in this test")
        self.asked.append(kwargs["after"])
        envelopes, position, _ = published_after(
            self.ledger, publish, kwargs["after"], kwargs["limit"], kwargs["predecessor"]
        )
        return {
            "events": [{"headers": e.headers, "body": e.body.decode()} for e in envelopes],
            "next": position if position > kwargs["after"] else None,
        }


def count_payments(session: Any, message: Any, services: Any) -> None:
    """Add a row per message, so that a second effect shows."""
    session.cursor.execute("INSERT INTO seen (position) VALUES (%s)", (message.position,))


def publish_all(worker: Worker, database: Database, store: PostgresStore) -> None:
    """Start what a worker process publishes with: the relay and the live feed."""
    handoff = Handoff()
    relay = Relay(database.settings, store, publish, worker.stop, handoff.put)
    worker.start("relay", relay.run)
    feed = LiveFeed(database.settings, store, publish, worker.stop, handoff)
    worker.start("live", feed.run)


def with_seen(database: Database) -> None:
    with database.owner("payments") as owner:
        owner.execute("CREATE TABLE seen (id bigserial, position bigint)")
        owner.execute(f"GRANT SELECT, INSERT ON seen TO {role_of('payments')}")
        owner.execute(f"GRANT USAGE ON seen_id_seq TO {role_of('payments')}")


def seen(database: Database) -> list[int]:
    with database.owner("payments") as owner:
        return [row[0] for row in owner.execute("SELECT position FROM seen ORDER BY id")]


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
    assert headers["cloudEvents_id"] == "ledger-2"


def test_stopped_relay_resumes_at_its_position(database: Database, reader: Reader) -> None:
    ledger = database.store("ledger")
    open_one(ledger)
    for expected in (6, 11):
        pay(ledger, 5)
        worker = Worker()
        publish_all(worker, database, ledger)
        reader.read(expected)
        worker.join()
    assert [headers["saldo_position"] for _, headers, _ in reader.got] == list(range(1, 12))


def test_only_one_relay_publishes(database: Database, worker: Worker, reader: Reader) -> None:
    ledger = database.store("ledger")
    open_one(ledger)
    for _ in ("first", "second"):
        publish_all(worker, database, ledger)
    pay(ledger, 40)
    got = reader.read(41)
    assert [headers["saldo_position"] for _, headers, _ in got] == list(range(1, 42))


def test_stream_keeps_the_history_for_later_subscribers(
    database: Database, worker: Worker, amqp_url: str
) -> None:
    ledger = database.store("ledger")
    open_one(ledger)
    pay(ledger, 4)
    worker.start("relay", Relay(database.settings, ledger, publish, worker.stop).run)
    eventually(lambda: _relayed(database) == 5, "the relay has published everything")
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


def _relayed(database: Database) -> int:
    with database.owner("ledger") as owner:
        row = owner.execute("SELECT position FROM relay").fetchone()
        return int(row[0]) if row else 0


def deliveries(ledger: PostgresStore) -> list[Delivery]:
    envelopes, _, _ = published_after(ledger, publish, 0, 1_000, 0)
    return [Delivery(e.headers, e.body) for e in envelopes]


def reactions(database: Database, handler: Any = count_payments) -> tuple[Calls, Reactions]:
    with_seen(database)
    payments, ledger = database.store("payments"), database.store("ledger")
    calls = Calls(database.settings, payments, ledger)
    handlers = {"payment_posted": handler}
    return calls, Reactions(calls, payments, "ledger", handlers)


def test_duplicate_message_has_no_second_effect(database: Database) -> None:
    calls, reacting = reactions(database)
    open_one(calls.ledger)
    pay(calls.ledger, 3)
    batch = deliveries(calls.ledger)
    reacting.apply(batch)
    reacting.apply(batch[1:3])
    reacting.apply(batch)
    assert seen(database) == [2, 3, 4]
    assert reacting.position() == 4


def test_effect_and_position_are_one_transaction(database: Database) -> None:
    def fail_on_third(session: Any, message: Any, services: Any) -> None:
        count_payments(session, message, services)
        if message.position == 3:
            raise RuntimeError("a defect")

    calls, reacting = reactions(database, fail_on_third)
    open_one(calls.ledger)
    pay(calls.ledger, 3)
    with pytest.raises(RuntimeError):
        reacting.apply(deliveries(calls.ledger))
    assert seen(database) == []
    assert reacting.position() == 0


def test_gap_is_detected_and_fetched_from_the_upstream_log(database: Database) -> None:
    calls, reacting = reactions(database)
    open_one(calls.ledger)
    pay(calls.ledger, 5)
    batch = deliveries(calls.ledger)
    with pytest.raises(GapError):
        reacting.apply([batch[0], batch[4]])
    listener = Listener(
        calls, calls.store, "ledger", {"payment_posted": count_payments}, threading.Event()
    )
    listener.process([batch[0], batch[4]], lambda _: None)
    assert seen(database) == [2, 3, 4, 5, 6]
    assert calls.asked[0] == 1


def test_message_that_fails_for_good_is_parked_and_its_subject_waits_behind(
    database: Database,
) -> None:
    tries: list[int] = []

    def never_first(session: Any, message: Any, services: Any) -> None:
        if message.data["account"] == NUMBER:
            tries.append(message.position)
            raise ValueError("it cannot be handled")
        count_payments(session, message, services)

    calls, _ = reactions(database)
    open_one(calls.ledger)
    open_one(calls.ledger, "0100000002")
    pay(calls.ledger, 1)
    pay(calls.ledger, 1, "0100000002")
    pay(calls.ledger, 1)
    listener = Listener(
        calls, calls.store, "ledger", {"payment_posted": never_first}, threading.Event()
    )
    listener.process(deliveries(calls.ledger), lambda _: None)
    assert seen(database) == [4]
    assert set(tries) == {3}
    rows = calls.store.query(lambda session: parked.listing(session.cursor))
    assert [(row["position"], row["reason"]) for row in rows] == [
        (3, "ValueError"),
        (5, "BehindParked"),
    ]
    fixed = Reactions(calls, calls.store, "ledger", {"payment_posted": count_payments})
    with pytest.raises(parked.OutOfOrderError), calls.store.session() as session:
        parked.retry(session.cursor, rows[1]["id"], lambda m: fixed.handle(session, m))
    for row in rows:
        with calls.store.session() as session:
            assert parked.retry(session.cursor, row["id"], lambda m: fixed.handle(session, m))
    assert seen(database) == [4, 3, 5]
    assert calls.store.query(lambda session: parked.listing(session.cursor)) == []


def test_undecodable_message_is_parked_and_the_next_one_proceeds(
    database: Database,
) -> None:
    calls, _ = reactions(database)
    open_one(calls.ledger)
    pay(calls.ledger, 2)
    batch = deliveries(calls.ledger)
    broken = [batch[0], Delivery(batch[1].headers, b"\xff{"), batch[2], Delivery({}, b"stray")]
    listener = Listener(
        calls, calls.store, "ledger", {"payment_posted": count_payments}, threading.Event()
    )
    listener.process(broken, lambda _: None)
    rows = calls.store.query(lambda session: parked.listing(session.cursor))
    assert [(row["position"], row["reason"]) for row in rows] == [
        (2, "MalformedMessageError"),
        (3, "BehindParked"),
        (None, "MalformedMessageError"),
    ]
    assert listener._reactions.position() == 3


def test_unavailable_service_is_waited_for_and_nothing_is_parked(database: Database) -> None:
    answers = iter([Unavailable("service_unavailable", "away"), psycopg.OperationalError(), None])

    def asks_another(session: Any, message: Any, services: Any) -> None:
        error = next(answers)
        if error is not None:
            raise error
        count_payments(session, message, services)

    calls, _ = reactions(database)
    open_one(calls.ledger)
    pay(calls.ledger, 1)
    pauses: list[float] = []
    listener = Listener(
        calls, calls.store, "ledger", {"payment_posted": asks_another}, threading.Event()
    )
    listener.process(deliveries(calls.ledger), pauses.append)
    assert seen(database) == [2]
    assert pauses
    assert calls.store.query(lambda session: parked.listing(session.cursor)) == []


def test_relay_queue_and_listener_together(
    database: Database, worker: Worker, amqp_url: str
) -> None:
    calls, _ = reactions(database)
    open_one(calls.ledger)
    pay(calls.ledger, 10)  # published before the listener's queue exists
    worker.start("relay", Relay(database.settings, calls.ledger, publish, worker.stop).run)
    eventually(lambda: _relayed(database) == 11, "the relay has published")
    listener = Listener(
        calls, calls.store, "ledger", {"payment_posted": count_payments}, worker.stop
    )
    worker.start("listener", listener.run)
    eventually(lambda: seen(database) == list(range(2, 12)), "the listener has caught up")
    pay(calls.ledger, 10)
    eventually(lambda: seen(database) == list(range(2, 22)), "later events arrived by the queue")
    with connect(amqp_url, name="test", heartbeat=0) as broker:
        # Messages are lost: the next one reveals the gap.
        channel = broker.channel()
        channel.queue_unbind(
            reaction_queue("payments", "ledger").name, log_exchange("ledger").name, "#"
        )
        pay(calls.ledger, 5)
        eventually(lambda: _relayed(database) == 26, "the relay has published")
        channel.queue_bind(
            reaction_queue("payments", "ledger").name, log_exchange("ledger").name, "#"
        )
        pay(calls.ledger, 1)
    eventually(lambda: seen(database) == list(range(2, 28)), "the gap was fetched")


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
    worker.join()
    reader.connection.close()
    assert [headers["saldo_position"] for _, headers, _ in got] == [1, 2, 3, 4, 1, 2, 3, 4]


def test_listener_that_dies_before_it_acknowledges_reacts_once(
    database: Database, worker: Worker
) -> None:
    """The effect is committed and never acknowledged: the message is delivered again."""
    calls, _ = reactions(database)
    open_one(calls.ledger)
    worker.start("relay", Relay(database.settings, calls.ledger, publish, worker.stop).run)

    class Dying(Listener):
        def process(self, batch: Any, pause: Any) -> None:
            super().process(batch, pause)
            if batch[-1].tag is not None:
                raise ConnectionError("the process dies here")

    handlers = {"payment_posted": count_payments}
    dying = Dying(calls, calls.store, "ledger", handlers, worker.stop)
    running = threading.Thread(target=lambda: _run_until_it_dies(dying))
    running.start()

    def has_died() -> bool:
        # It dies at the first message from the queue, which it declares first.
        pay(calls.ledger, 1)
        return not running.is_alive()

    eventually(has_died, "the first listener has died")
    running.join()
    worker.start("listener", Listener(calls, calls.store, "ledger", handlers, worker.stop).run)
    pay(calls.ledger, 5)
    paid = calls.ledger.recorder.max_notification_id() or 0
    eventually(lambda: len(seen(database)) >= paid - 1, "all payments had an effect")
    assert seen(database) == list(range(2, paid + 1))


def _run_until_it_dies(listener: Listener) -> None:
    with pytest.raises(ConnectionError):
        listener.run()


def test_two_listeners_react_once(database: Database, worker: Worker) -> None:
    calls, _ = reactions(database)
    other = Calls(database.settings, database.store("payments"), calls.ledger)
    open_one(calls.ledger)
    worker.start("relay", Relay(database.settings, calls.ledger, publish, worker.stop).run)
    for services in (calls, other):
        listener = Listener(
            services, services.store, "ledger", {"payment_posted": count_payments}, worker.stop
        )
        worker.start("listener", listener.run)
    pay(calls.ledger, 40)
    eventually(lambda: seen(database) == list(range(2, 42)), "each event had one effect")


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


def test_listener_ignores_what_the_upstream_did_not_send(
    database: Database,
    worker: Worker,
    base_settings: Settings,
    staff_member: Callable[..., BrokerUser],
) -> None:
    calls, _ = reactions(database)
    open_one(calls.ledger)
    worker.start("relay", Relay(database.settings, calls.ledger, publish, worker.stop).run)
    listener = Listener(
        calls, calls.store, "ledger", {"payment_posted": count_payments}, worker.stop
    )
    before = _strangers()
    worker.start("listener", listener.run)
    queue = reaction_queue("payments", "ledger").name
    operator = staff_member("operator").url
    for url, sender in ((operator, user_of(operator)), (base_settings.amqp_url, None)):
        # An operator may write to any queue, and an administrator in nobody's name.
        with pika.BlockingConnection(pika.URLParameters(url)) as connection:
            forged = pika.BasicProperties(
                user_id=sender,
                content_type="application/json",
                headers={"cloudEvents_id": "x", "saldo_position": 7, "saldo_predecessor": 1},
            )
            eventually(lambda: _has_queue(base_settings, queue), "the listener is there")
            connection.channel().basic_publish("", queue, b"{broken", forged)
    pay(calls.ledger, 8)
    eventually(lambda: seen(database) == list(range(2, 10)), "only the ledger's own arrived")
    assert calls.store.query(lambda session: parked.listing(session.cursor)) == []
    assert _strangers() - before == 2


def _strangers() -> float:
    labels = {"service": "payments", "upstream": "ledger"}
    return REGISTRY.get_sample_value("saldo_bus_strangers_total", labels) or 0.0


def _has_queue(settings: Settings, name: str) -> bool:
    with pika.BlockingConnection(pika.URLParameters(settings.amqp_url)) as connection:
        try:
            connection.channel().queue_declare(name, passive=True)
        except pika.exceptions.ChannelClosedByBroker:
            return False
    return True


def test_nobody_publishes_in_the_name_of_another(base_settings: Settings) -> None:
    url = base_settings.amqp_url_of("accounts")
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        forged = pika.BasicProperties(user_id="ledger")
        with pytest.raises(pika.exceptions.ChannelClosedByBroker, match="user_id"):
            channel.basic_publish("nameko-rpc", f"reply.x.{uuid4()}", b"{}", forged)
