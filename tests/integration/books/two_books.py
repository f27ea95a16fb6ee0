"""A ledger of two books: the first one and ``north``, in one database or each in its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import psycopg
from kombu import Exchange, Queue

from services.discovery import publisher_of
from services.ledger.publishing import publish
from services.migrate import migrate_all
from shared.bus.administration import BrokerAdministration
from shared.bus.epochs import as_wire
from shared.bus.history import history_of, page_after
from shared.bus.live import Handoff, LiveFeed
from shared.bus.permissions import UPSTREAMS, rights_of_gateway, rights_of_service
from shared.bus.relay import Relay
from shared.bus.topology import connect, dead_queue, reaction_queue
from shared.bus.worker import Worker
from shared.config import GATEWAY, SEALER, SERVICES, Settings
from shared.errors import Unavailable
from shared.eventstore.postgres import PostgresStore
from tests.conftest import Database, role_of, signed_in_as

FIRST, NORTH = "ledger", "ledger_north"
BOOKS = (NORTH,)
PASSWORD = "book-of-the-tests"


@dataclass
class TwoBooks:
    """The books, and the database that each is in."""

    database: Database
    """With the settings of an installation that has both."""
    elsewhere: Database | None

    @property
    def settings(self) -> Settings:
        return self.database.settings

    def store(self, log: str, **options: Any) -> PostgresStore:
        return self.database.store(log, **options)

    @contextmanager
    def owner(self, log: str) -> Iterator[psycopg.Connection[Any]]:
        """Connect to the database of a book as its owner."""
        url = self.settings.owner_url_of(log)
        with psycopg.connect(url, autocommit=True, options=f"-c search_path={log}") as owner:
            yield owner

    def publish(self, worker: Worker, store: PostgresStore) -> None:
        """Start what a worker process of a book publishes with."""
        handoff, name = Handoff(), store.service
        relay = Relay(self.settings, store, publisher_of(name), worker.stop, handoff.put)
        worker.start(f"{name} relay", relay.run)
        feed = LiveFeed(self.settings, store, publisher_of(name), worker.stop, handoff)
        worker.start(f"{name} live", feed.run)

    def relayed(self, log: str) -> int:
        with self.owner(log) as owner:
            row = owner.execute("SELECT position FROM relay").fetchone()
            return int(row[0]) if row else 0


def with_two_books(first: Database, elsewhere: Database | None = None) -> TwoBooks:
    """Make the second book, in the same database or in another one."""
    settings, place = first.settings, elsewhere or first
    url = signed_in_as(place.settings.database_url_of(FIRST), role_of(NORTH), "saldo-test")
    settings = replace(
        settings,
        books=BOOKS,
        role_prefix=role_of(""),
        database_urls={
            **settings.database_urls,
            NORTH: url,
            "sealer_north": place.settings.database_url_of(SEALER),
        },
        keys_database_urls={**settings.keys_database_urls, NORTH: url},
        amqp_urls={
            **settings.amqp_urls,
            NORTH: signed_in_as(settings.amqp_url_of(FIRST), NORTH, PASSWORD),
        },
        login_urls={NORTH: elsewhere.settings.database_url} if elsewhere else {},
    )
    migrate_all([NORTH], settings)
    first.settings = settings
    return TwoBooks(first, elsewhere)


@contextmanager
def two_books_on_the_bus(administration: BrokerAdministration, amqp_url: str) -> Iterator[None]:
    """Give the second book its user of the broker, and everybody the rights for both books."""
    administration.put_user(NORTH, PASSWORD, rights_of_service(NORTH, BOOKS))
    for service in SERVICES:
        administration.put_rights(service, rights_of_service(service, BOOKS))
    administration.put_rights(GATEWAY, rights_of_gateway(BOOKS))
    sweep_second_book(amqp_url)
    try:
        yield
    finally:
        sweep_second_book(amqp_url)
        for service in SERVICES:
            administration.put_rights(service, rights_of_service(service))
        administration.put_rights(GATEWAY, rights_of_gateway())


def sweep_second_book(amqp_url: str) -> None:
    """Delete what the second book has at the broker."""
    with connect(amqp_url, name="tests", heartbeat=0) as broker:
        channel = broker.channel()
        for consumer in (*SERVICES, NORTH):
            reaction_queue(consumer, NORTH)(channel).delete()
        for upstream in UPSTREAMS["ledger"]:
            reaction_queue(NORTH, upstream)(channel).delete()
        for name in (f"{NORTH}.stream", dead_queue(NORTH).name, f"rpc-{NORTH}"):
            Queue(name)(channel).delete()
        for name in ("log", "events", "persons", "dead", "checkpoints"):
            Exchange(f"{NORTH}.{name}")(channel).delete()


@dataclass
class Upstreams:
    """The dependencies of a reaction: of all services those serve their logs that have a store."""

    settings: Settings
    store: PostgresStore
    stores: dict[str, PostgresStore]

    def call(self, service: str, method: str, **kwargs: Any) -> Any:
        if service not in self.stores:
            raise Unavailable("service_unavailable", "not in this test")
        store = self.stores[service]
        if method == "log_history":
            return as_wire(history_of(store))
        assert method == "events_after"
        kwargs.pop("deadline", None)
        after, predecessor = kwargs.pop("after"), kwargs.pop("predecessor")
        page = page_after(store, publish, after, predecessor, **kwargs)
        return {
            "events": [{"headers": e.headers, "body": e.body.decode()} for e in page.envelopes],
            "next": page.position if page.position > after else None,
            "head": page.history.head,
            "epoch": page.history.epoch_at(page.position).name,
        }
