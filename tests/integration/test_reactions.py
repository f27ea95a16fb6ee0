"""Reactions on real nodes: in order, without loss, exactly once in effect."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import date
from typing import Any
from unittest import mock

import pika
import psycopg
import pytest
from prometheus_client import REGISTRY

from services.ledger.domain import Account, account_id
from services.ledger.publishing import publish
from shared.bus import parked
from shared.bus.listen import Listener
from shared.bus.principals import user_of
from shared.bus.reactions import Reactions
from shared.bus.reading import GapError, Known
from shared.bus.relay import Relay
from shared.bus.topology import (
    connect,
    declare_listening,
    declare_publishing,
    log_exchange,
    reaction_queue,
)
from shared.bus.worker import Worker
from shared.config import Settings
from shared.errors import Unavailable
from shared.eventstore.recorder import Cause
from shared.ids import new_id
from tests.conftest import BrokerUser, Database, role_of
from tests.integration.bus_ends import NUMBER, Calls, deliveries, open_one, pay, queued, relayed
from tests.waiting import eventually

pytestmark = pytest.mark.usefixtures("clean_bus")


def count_payments(session: Any, message: Any, services: Any) -> None:
    """Add a row per message, so that a second effect shows."""
    session.cursor.execute("INSERT INTO seen (position) VALUES (%s)", (message.position,))


def with_seen(database: Database) -> None:
    with database.owner("payments") as owner:
        owner.execute("CREATE TABLE seen (id bigserial, position bigint)")
        owner.execute(f"GRANT SELECT, INSERT ON seen TO {role_of('payments')}")
        owner.execute(f"GRANT USAGE ON seen_id_seq TO {role_of('payments')}")


def seen(database: Database) -> list[int]:
    with database.owner("payments") as owner:
        return [row[0] for row in owner.execute("SELECT position FROM seen ORDER BY id")]


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


def test_batch_is_appended_by_one_statement_each_event_with_its_cause(database: Database) -> None:
    """One append for each message made a million contracts take the ledger most of an hour."""
    ledger = database.store("ledger")
    causes = [Cause(new_id(), f"service:{name}", name) for name in ("first", "second", "third")]
    with mock.patch.object(ledger.recorder, "append", wraps=ledger.recorder.append) as append:
        with ledger.session() as session:
            for number, cause in enumerate(causes[:2]):
                with session.caused_by(cause):
                    account = session.load(Account, account_id(f"{number}"))
                    account.open(f"{number}", "household", date(2026, 1, 1))
            with session.caused_by(causes[2]):
                found = session.peek.balance("1")
        assert append.call_count == 1
    assert found is not None, "a message sees the rows of earlier ones"
    recorded = [(row.command_id, row.actor, row.correlation_id) for row in ledger.log_after(0, 9)]
    assert recorded == [(one.command_id, one.actor, one.correlation_id) for one in causes[:2]]


def test_gap_is_detected_and_fetched_from_the_upstream_log(database: Database) -> None:
    calls, reacting = reactions(database)
    open_one(calls.ledger)
    pay(calls.ledger, 5)
    batch = queued(calls.ledger)
    reacting.apply(batch[:1], Known(calls.history(), fresh=True))
    with pytest.raises(GapError):
        reacting.apply([batch[0], batch[4]])
    listener = Listener(
        calls, calls.store, "ledger", {"payment_posted": count_payments}, threading.Event()
    )
    listener.process([batch[0], batch[4]], lambda _: None)
    assert seen(database) == [2, 3, 4, 5, 6]
    assert calls.asked == [1]


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
    eventually(lambda: relayed(database) == 11, "the relay has published")
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
        eventually(lambda: relayed(database) == 26, "the relay has published")
        channel.queue_bind(
            reaction_queue("payments", "ledger").name, log_exchange("ledger").name, "#"
        )
        pay(calls.ledger, 1)
    eventually(lambda: seen(database) == list(range(2, 28)), "the gap was fetched")


def test_queue_is_read_while_the_server_of_the_upstream_is_down(
    database: Database, worker: Worker, base_settings: Settings
) -> None:
    calls, _ = reactions(database)
    open_one(calls.ledger)
    pay(calls.ledger, 1)
    worker.start("relay", Relay(database.settings, calls.ledger, publish, worker.stop).run)
    handlers = {"payment_posted": count_payments}
    worker.start("listener", Listener(calls, calls.store, "ledger", handlers, worker.stop).run)
    eventually(lambda: consumers(base_settings) == 1, "the listener reads its queue")
    calls.available = False
    asked = len(calls.asked)
    pay(calls.ledger, 10)
    eventually(lambda: seen(database) == list(range(2, 13)), "the queue has brought everything")
    assert len(calls.asked) == asked


def test_nothing_is_read_before_the_upstream_has_told_its_history(
    database: Database, worker: Worker, base_settings: Settings, logged: list[Any]
) -> None:
    """After a failover the queue may hold events that the log has lost."""
    calls, _ = reactions(database)
    open_one(calls.ledger)
    pay(calls.ledger, 3)
    with connect(base_settings.amqp_url, name="tests", heartbeat=0) as broker:
        declare_publishing(broker, "ledger", base_settings)
        declare_listening(broker, "payments", "ledger")
    worker.start("relay", Relay(database.settings, calls.ledger, publish, worker.stop).run)
    eventually(lambda: relayed(database) == 4, "the queue has the events")
    calls.available = False
    handlers = {"payment_posted": count_payments}
    worker.start("listener", Listener(calls, calls.store, "ledger", handlers, worker.stop).run)
    eventually(
        lambda: [entry["event"] for entry in logged].count("history_unavailable") > 2,
        "it asks again and again",
    )
    assert consumers(base_settings) == 0
    assert seen(database) == []
    calls.available = True
    eventually(lambda: seen(database) == [2, 3, 4], "it is told")


def consumers(settings: Settings) -> int:
    """Return how many consumers the queue of payments has."""
    queue = reaction_queue("payments", "ledger").name
    if not _has_queue(settings, queue):
        return 0
    with pika.BlockingConnection(pika.URLParameters(settings.amqp_url)) as connection:
        found = connection.channel().queue_declare(queue, passive=True)
        return int(found.method.consumer_count)


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


def test_listener_ignores_what_the_upstream_did_not_send(
    database: Database,
    worker: Worker,
    base_settings: Settings,
    staff_member: Callable[..., BrokerUser],
    logged: list[Any],
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
            channel = connection.channel()
            channel.confirm_delivery()
            channel.basic_publish("", queue, b"{broken", forged, mandatory=True)
    pay(calls.ledger, 8)
    eventually(lambda: seen(database) == list(range(2, 10)), "only the ledger's own arrived")
    eventually(lambda: _strangers() - before == 2, "the queue was read")
    named = [one["sender"] for one in logged if one["event"] == "message_of_a_stranger"]
    assert named == [user_of(operator), ""]
    assert calls.store.query(lambda session: parked.listing(session.cursor)) == []


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
