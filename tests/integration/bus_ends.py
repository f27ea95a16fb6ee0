"""Both ends of the bus: a ledger that publishes, and those who read its events."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import uuid4

import pika
import psycopg

from services.ledger.application import (
    OpenAccount,
    PaidLine,
    PostPayment,
    open_account,
    post_payment,
)
from services.ledger.publishing import publish
from shared import context
from shared.bus.epochs import LogHistory, as_wire
from shared.bus.history import history_of, page_after
from shared.bus.leadership import Lead, take_lead
from shared.bus.live import Handoff, LiveFeed
from shared.bus.reactions import Delivery
from shared.bus.relay import Relay
from shared.bus.worker import Worker
from shared.config import Settings
from shared.errors import Unavailable
from shared.eventstore.postgres import PostgresStore
from tests.conftest import Database

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


@dataclass
class Calls:
    """The dependencies of a reaction; of all services only the ledger serves its log.

    ``available`` can be taken away, as by a server that is down.
    """

    settings: Settings
    store: PostgresStore
    ledger: PostgresStore
    asked: list[int] = field(default_factory=list)
    available: bool = True

    def history(self) -> LogHistory:
        """Return the history of the ledger's log."""
        return history_of(self.ledger)

    def call(self, service: str, method: str, **kwargs: Any) -> Any:
        if service != "ledger" or not self.available:
            raise Unavailable("service_unavailable", "not in this test")
        if method == "log_history":
            return as_wire(self.history())
        assert method == "events_after"
        self.asked.append(kwargs["after"])
        page = page_after(
            self.ledger,
            publish,
            kwargs["after"],
            kwargs["predecessor"],
            limit=kwargs["limit"],
            epoch=kwargs["epoch"],
        )
        return {
            "events": [{"headers": e.headers, "body": e.body.decode()} for e in page.envelopes],
            "next": page.position if page.position > kwargs["after"] else None,
            "head": page.history.head,
            "epoch": page.history.epoch_at(page.position).name,
        }


def publish_all(worker: Worker, database: Database, store: PostgresStore) -> None:
    """Start what a worker process publishes with: the relay and the live feed."""
    handoff = Handoff()
    relay = Relay(database.settings, store, publish, worker.stop, handoff.put)
    worker.start("relay", relay.run)
    feed = LiveFeed(database.settings, store, publish, worker.stop, handoff)
    worker.start("live", feed.run)


def end(worker: Worker, settings: Settings, *handoffs: Handoff) -> None:
    """Stop a worker without waiting until its relays and live feeds look by themselves.

    They look whether to stop when they are told of an append, or of a window.
    """
    worker.stop.set()
    with psycopg.connect(settings.database_url, autocommit=True) as owner:
        owner.execute("SELECT pg_notify('saldo_' || nspname, '') FROM pg_namespace")
    for handoff in handoffs:
        with handoff._changed:
            handoff._changed.notify_all()
    worker.join()


def deliveries(ledger: PostgresStore) -> list[Delivery]:
    """Return the published events as the log gives them."""
    page = page_after(ledger, publish, 0, 0, limit=1_000)
    return [Delivery(e.headers, e.body) for e in page.envelopes]


def queued(ledger: PostgresStore) -> list[Delivery]:
    """Return the published events as they arrive by the queue."""
    given = deliveries(ledger)
    return [Delivery(one.headers, one.body, tag) for tag, one in enumerate(given, start=1)]


def relayed(database: Database) -> int:
    """Return the position up to which the relay of the ledger has published."""
    with database.owner("ledger") as owner:
        row = owner.execute("SELECT position FROM relay").fetchone()
        return int(row[0]) if row else 0


@contextmanager
def leading(database: Database, service: str, task: str) -> Iterator[Lead]:
    """Take the lead of a task of a service, as `lead` does."""
    with database.runtime(service) as connection:
        yield take_lead(connection, task)


def start_again(database: Database) -> None:
    """Make the ledger look as if its server had been started again after it was confirmed."""
    with database.owner("ledger") as owner:
        owner.execute("UPDATE log_run SET started_at = started_at - interval '1 hour'")
