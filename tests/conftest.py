"""Fixtures: real nodes for the whole run, a fresh migrated database for each test that asks.

Several workers (pytest-xdist) share the nodes; see tests/workers.py.
"""

from __future__ import annotations

import atexit
import functools
import gc
import os
import secrets
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
import typer.testing
from kombu import Exchange, Queue
from psycopg import sql
from psycopg.rows import dict_row

from services.discovery import migrations_of, open_store, publisher_of
from shared.acquirer_settings import AcquirerSettings
from shared.bus.administration import BrokerAdministration
from shared.bus.confirmation import confirm
from shared.bus.permissions import Rights, rights_of_staff, rights_of_subscriber
from shared.bus.principals import virtual_host_of
from shared.bus.topology import connect, dead_queue, reaction_queue
from shared.config import ACQUIRER_URL, SEALER, SERVICES, Settings
from shared.database import connection_info
from shared.eventstore.data_keys import keys_schema
from shared.eventstore.migrations import migrate, migrate_keys
from shared.eventstore.postgres import PostgresStore
from shared.rpc.client import RpcClient
from tests.databases import Databases
from tests.staff_logins import OPERATOR_LOGIN, PASSWORD, drop_operator, put_operator

if TYPE_CHECKING:  # the copy that mutation runs test has no deploy/
    from tests.nodes import Nodes
    from tests.workers import SharedNodes

# A CliRunner would build the commands of all services anew for each invocation, which takes longer
# than most tests of verbs; they do not change.
typer.testing._get_command = functools.cache(typer.main.get_command)  # type: ignore[attr-defined]

_SHARED: pytest.StashKey[SharedNodes] = pytest.StashKey()
_LIGHT: pytest.StashKey[str] = pytest.StashKey()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Return the number of workers for `-n auto`, the last of which is the light one."""
    from tests.workers import number_of_workers

    others = number_of_workers()
    config.stash[_LIGHT] = f"gw{others}"
    return others + 1


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """Keep the files that need no node for the light worker, if there is one."""
    if config.getoption("dist") != "loadfile" or _LIGHT not in config.stash:
        return None
    from tests.workers import Scheduling, has_nodes_for

    helps = has_nodes_for(len(config.getvalue("tx")))
    return Scheduling(config, log, config.stash[_LIGHT], helps=helps)


def pytest_configure(config: pytest.Config) -> None:
    """Offer the nodes, in the controller of several workers."""
    if hasattr(config, "workerinput"):
        # At the end of the interpreter, after all tests: installations keep their processes.
        atexit.register(warnings.simplefilter, "ignore", ResourceWarning)
    elif config.getoption("tx", None):
        from tests.workers import SharedNodes

        config.stash[_SHARED] = SharedNodes()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Pass the address of the shared nodes to a worker."""
    node.workerinput["nodes"] = node.config.stash[_SHARED].address
    node.workerinput["is_light"] = node.gateway.id == node.config.stash.get(_LIGHT, None)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the nodes; the workers have ended."""
    if shared := config.stash.get(_SHARED, None):
        shared.stop()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let files that are marked as slow start first, so that no worker waits for one at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Take what is imported and collected out of all later garbage collections.

    The ledger collects after each range of a replay: with two thousand tests in memory that took
    most of the time of its integration tests. The light worker steps back, from here on: all
    workers wait for each other's collection.
    """
    gc.collect()
    gc.freeze()
    if getattr(session.config, "workerinput", {}).get("is_light"):
        from tests.workers import LIGHT_NICE

        os.nice(LIGHT_NICE)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests recorded as measured, whichever worker ran them."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == "measured":
                terminalreporter.write_line(str(value))


@dataclass
class Database:
    """The database of one test, with all services migrated, and the settings for it."""

    settings: Settings
    opened: list[PostgresStore] = field(default_factory=list)

    def store(self, service: str, **options: Any) -> PostgresStore:
        """Open the store of a service, whose log is confirmed; the fixture closes it."""
        store = self.unconfirmed_store(service, **options)
        with self.runtime(service) as connection:
            confirm(connection, store, publisher_of(service), lambda: None)
        return store

    def unconfirmed_store(self, service: str, **options: Any) -> PostgresStore:
        """Open the store of a service as it is before its relay runs."""
        store = open_store(service, self.settings, **options)
        self.opened.append(store)
        return store

    def runtime(self, service: str) -> psycopg.Connection[Any]:
        """Connect as the service."""
        info = connection_info(
            self.settings.database_url_of(service), service, statement_timeout_ms=0
        )
        return psycopg.connect(info, autocommit=True, row_factory=dict_row)

    def owner(self, service: str) -> psycopg.Connection[Any]:
        """Connect as the owner (in tests a superuser), with the service's schema in the path."""
        return psycopg.connect(
            self.settings.database_url, autocommit=True, options=f"-c search_path={service}"
        )

    def keys_owner(self, service: str) -> psycopg.Connection[Any]:
        """Connect as the owner of the keys, with the service's schema of keys in the path."""
        path = f"-c search_path={keys_schema(service)}"
        return psycopg.connect(self.settings.keys_database_url, autocommit=True, options=path)


@pytest.fixture(scope="session")
def nodes(request: pytest.FixtureRequest) -> Iterator[Nodes]:
    """PostgreSQL and RabbitMQ; the choice is printed (see tests/nodes.py)."""
    workerinput = getattr(request.config, "workerinput", None)
    if workerinput:
        from tests.workers import borrow_nodes

        yield borrow_nodes(workerinput["nodes"])
        return
    from tests.nodes import acquire_nodes

    acquired = acquire_nodes(durable=False)
    yield acquired
    acquired.stop()


@pytest.fixture(scope="session")
def amqp_url(nodes: Nodes) -> str:
    return nodes.amqp_url


@pytest.fixture(scope="session")
def base_settings(nodes: Nodes) -> Settings:
    """Settings without the database of a test."""
    return Settings(
        amqp_url=nodes.amqp_url,
        amqp_urls=nodes.amqp_urls,
        amqp_admin_url=nodes.amqp_admin_url,
        # Whoever has no file of his own, as in `.saldo/env`.
        staff_amqp_url=nodes.amqp_url,
        staff_database_url=nodes.database_url,
        secret=bytes(range(32)),
        acquirers=(
            AcquirerSettings(
                name="main",
                protocol="rbs",
                url=ACQUIRER_URL,
                password="acquirer-password",
                secret="acquirer-secret",
            ),
        ),
        database_url=nodes.database_url,
    )


@pytest.fixture(scope="session")
def administration(base_settings: Settings) -> BrokerAdministration:
    """The administration of the broker, in the virtual host of the tests."""
    return BrokerAdministration(
        base_settings.amqp_admin_url, virtual_host_of(base_settings.amqp_url)
    )


class BrokerUser(NamedTuple):
    """One of the staff, or a subscriber, as the broker knows him."""

    name: str
    url: str


@pytest.fixture
def broker_user(
    base_settings: Settings, administration: BrokerAdministration
) -> Iterator[Callable[[str, str, Rights], BrokerUser]]:
    """Make a user of the broker: kind and name of the principal, and his rights.

    Names belong to the broker, which workers share: end yours with ``secrets.token_hex(4)``.
    """
    made = []

    def make(kind: str, name: str, rights: Rights) -> BrokerUser:
        user, password = f"{kind}.{name}", secrets.token_hex(16)
        made.append(user)
        administration.put_user(user, password, rights)
        return BrokerUser(name, signed_in_as(base_settings.amqp_url, user, password))

    yield make
    for user in made:
        administration.remove_user(user)


@pytest.fixture
def staff_member(
    broker_user: Callable[[str, str, Rights], BrokerUser],
) -> Callable[..., BrokerUser]:
    """Make the broker's user of one of the staff, who has these roles, under a name of his own."""

    def make(*roles: str) -> BrokerUser:
        name = f"{roles[0]}-{secrets.token_hex(4)}"
        return broker_user("staff", name, rights_of_staff(name, roles))

    return make


@pytest.fixture
def subscriber(
    broker_user: Callable[[str, str, Rights], BrokerUser],
) -> Callable[..., BrokerUser]:
    """Make the broker's user of a subscriber with these grants, under a name of his own."""

    def make(*grants: str, **rights: Any) -> BrokerUser:
        name = f"sub-{secrets.token_hex(4)}"
        return broker_user("subscriber", name, rights_of_subscriber(name, grants, **rights))

    return make


@pytest.fixture
def rpc_as(base_settings: Settings) -> Iterator[Callable[[str], RpcClient]]:
    """Make an RPC client in the name of a service or the gateway, or with the URL of any user."""
    made = []

    def make(who: str) -> RpcClient:
        url = who if "://" in who else base_settings.amqp_url_of(who)
        made.append(RpcClient(url, name="tests"))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture(scope="session")
def template(base_settings: Settings) -> Iterator[tuple[Settings, str]]:
    """A database that is migrated once for each worker, and copied for each test."""
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
                sealer_url=settings.database_url_of(SEALER),
            )
            migrate_keys(
                settings.keys_database_url, service, settings.keys_database_url_of(service)
            )
        put_operator(settings)
        yield settings, name
        drop_operator(settings)
        owner.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def databases(base_settings: Settings, template: tuple[Settings, str]) -> Iterator[Databases]:
    """The copies of the template, each of which serves many tests."""
    settings, name = template
    with psycopg.connect(base_settings.database_url, autocommit=True) as owner:
        made = Databases(owner, name, settings.database_url)
        yield made
        made.close()


@pytest.fixture
def database(base_settings: Settings, databases: Databases) -> Iterator[Database]:
    """Return a fresh database with all services migrated."""
    with emptied_database(base_settings, databases) as made:
        yield made


@pytest.fixture
def second_database(base_settings: Settings, template: tuple[Settings, str]) -> Iterator[Database]:
    """Return a second one, as of another server."""
    with fresh_database(base_settings, template) as made:
        yield made


@pytest.fixture(scope="module")
def module_database(base_settings: Settings, databases: Databases) -> Iterator[Database]:
    """Return a fresh database that the tests of one module share."""
    with emptied_database(base_settings, databases) as made:
        yield made


@contextmanager
def emptied_database(base_settings: Settings, databases: Databases) -> Iterator[Database]:
    """Yield a database as it is after its migrations, whoever had it before."""
    name = databases.take()
    made = Database(_with_database(base_settings, name))
    yield made
    for store in made.opened:
        store.close()
    databases.give_back(name, made.settings.database_url)


@contextmanager
def fresh_database(base_settings: Settings, template: tuple[Settings, str]) -> Iterator[Database]:
    """Copy a database and drop the copy after the block."""
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
    """Delete all exchanges and queues of Saldo before the test."""
    sweep_bus(amqp_url)


@pytest.fixture(scope="module")
def module_bus(amqp_url: str) -> None:
    """Delete all exchanges and queues of Saldo before the tests of one module."""
    sweep_bus(amqp_url)


def sweep_bus(amqp_url: str) -> None:
    """Delete all exchanges and queues of Saldo in a virtual host."""
    with connect(amqp_url, name="tests", heartbeat=0) as broker:
        channel = broker.channel()
        for service in SERVICES:
            for upstream in SERVICES:
                reaction_queue(service, upstream)(channel).delete()
            for name in (f"{service}.stream", dead_queue(service).name, f"rpc-{service}"):
                Queue(name)(channel).delete()
            for name in ("log", "events", "persons", "dead"):
                Exchange(f"{service}.{name}")(channel).delete()


def signed_in_as(url: str, user: str, password: str, path: str = "") -> str:
    """Return a URL with another user, and with another path where one is given."""
    parts = urlsplit(url)
    netloc = f"{user}:{password}@{parts.netloc.rpartition('@')[2]}"
    return urlunsplit(parts._replace(netloc=netloc, path=path or parts.path))


def role_of(service: str) -> str:
    """Return the role of a service: all databases of a server share them, workers must not."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "test")
    return f"saldo_{worker}_{service}"


def _with_database(settings: Settings, name: str) -> Settings:
    # One database for data and keys, which makes a copy for each test: see test_keys_apart.py.
    path, url = f"/{name}", settings.database_url
    owner, staff = (
        urlunsplit(urlsplit(url)._replace(path=path)),
        signed_in_as(url, OPERATOR_LOGIN, PASSWORD, path),
    )
    roles = {
        service: signed_in_as(url, role_of(service), "saldo-test", path)
        for service in (*SERVICES, SEALER)
    }
    return replace(
        settings,
        database_url=owner,
        keys_database_url=owner,
        staff_database_url=staff,
        staff_keys_database_url=staff,
        staff_amqp_url=signed_in_as(settings.amqp_url, OPERATOR_LOGIN, PASSWORD),
        database_urls=roles,
        keys_database_urls={service: roles[service] for service in SERVICES},
    )
