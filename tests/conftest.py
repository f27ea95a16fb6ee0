"""Fixtures: real nodes for the whole run, a fresh migrated database for each test that asks."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from kombu import Exchange, Queue
from psycopg import sql

from services.discovery import migrations_of, open_store
from shared.bus.topology import connect, dead_queue, event_exchange, reaction_queue, stream_queue
from shared.config import SERVICES, Settings
from shared.eventstore.migrations import migrate
from shared.eventstore.postgres import PostgresStore


@dataclass
class Database:
    """A database of one test: all services migrated, and their settings."""

    settings: Settings
    opened: list[PostgresStore] = field(default_factory=list)

    def store(self, service: str, **options: Any) -> PostgresStore:
        """Open the store of a service; it is closed after the test."""
        store = open_store(service, self.settings, **options)
        self.opened.append(store)
        return store

    def owner(self, service: str) -> psycopg.Connection[Any]:
        """Connect as the owner (in tests a superuser), with the service's schema in the path."""
        return psycopg.connect(
            self.settings.database_url, autocommit=True, options=f"-c search_path={service}"
        )


@pytest.fixture(scope="session")
def nodes() -> Iterator[Any]:
    """PostgreSQL and RabbitMQ; the choice is printed (see tests/nodes.py)."""
    from tests.nodes import acquire_nodes

    acquired = acquire_nodes()
    yield acquired
    acquired.stop()


@pytest.fixture(scope="session")
def amqp_url(nodes: Any) -> str:
    return str(nodes.amqp_url)


@pytest.fixture(scope="session")
def base_settings(nodes: Any) -> Settings:
    """Settings whose database is still to be chosen."""
    return Settings(
        amqp_url=nodes.amqp_url,
        secret=bytes(range(32)),
        acquirer_password="acquirer-password",
        acquirer_secret="acquirer-secret",
        database_url=nodes.database_url,
    )


@pytest.fixture(scope="session")
def template(base_settings: Settings) -> Iterator[tuple[Settings, str]]:
    """A database that is migrated once, and copied for every test."""
    name = f"saldo_template_{secrets.token_hex(4)}"
    settings = _with_database(base_settings, name)
    with psycopg.connect(base_settings.database_url, autocommit=True) as owner:
        owner.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        for service in SERVICES:
            migrate(
                settings.database_url,
                service,
                settings.database_url_of(service),
                migrations_of(service),
            )
        yield settings, name
        owner.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def database(base_settings: Settings, template: tuple[Settings, str]) -> Iterator[Database]:
    """A fresh database with all services migrated."""
    with fresh_database(base_settings, template) as made:
        yield made


@pytest.fixture(scope="module")
def module_database(base_settings: Settings, template: tuple[Settings, str]) -> Iterator[Database]:
    """A fresh database that the tests of one module share."""
    with fresh_database(base_settings, template) as made:
        yield made


@contextmanager
def fresh_database(base_settings: Settings, template: tuple[Settings, str]) -> Iterator[Database]:
    """Copy the migrated database for the length of a block."""
    name = f"saldo_test_{secrets.token_hex(6)}"
    with psycopg.connect(base_settings.database_url, autocommit=True) as owner:
        owner.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                sql.Identifier(name), sql.Identifier(template[1])
            )
        )
        made = Database(_with_database(base_settings, name))
        yield made
        for store in made.opened:
            store.close()
        owner.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def clean_bus(amqp_url: str) -> None:
    """A broker without exchanges and queues of Saldo."""
    sweep_bus(amqp_url)


@pytest.fixture(scope="module")
def module_bus(amqp_url: str) -> None:
    """A broker swept once for the tests of one module."""
    sweep_bus(amqp_url)


def sweep_bus(amqp_url: str) -> None:
    """Delete all exchanges and queues of Saldo, whatever an earlier test has left."""
    with connect(amqp_url, name="tests", heartbeat=0) as broker:
        channel = broker.channel()
        for service in SERVICES:
            for upstream in SERVICES:
                reaction_queue(service, upstream)(channel).delete()
            for queue in (stream_queue(service), dead_queue(service)):
                Queue(queue.name)(channel).delete()
            Queue(f"rpc-{service}")(channel).delete()
            Exchange(event_exchange(service).name)(channel).delete()


def _with_database(settings: Settings, name: str) -> Settings:
    def at(url: str, user: str = "", password: str = "") -> str:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        netloc = f"{user}:{password}@{host}" if user else parts.netloc
        return urlunsplit(parts._replace(netloc=netloc, path=f"/{name}"))

    return replace(
        settings,
        database_url=at(settings.database_url),
        database_urls={
            service: at(settings.database_url, f"saldo_test_{service}", "saldo-test")
            for service in SERVICES
        },
    )
