"""The log and a worker of a test, all that have a user of the broker, and staff in the database."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from structlog.testing import capture_logs

from shared.bus.administration import BrokerAdministration
from shared.bus.permissions import UPSTREAMS, Rights, rights_of_staff, rights_of_subscriber
from shared.bus.topology import connect, declare_listening, declare_publishing
from shared.bus.worker import Worker
from shared.config import SERVICES, Settings
from shared.rpc.client import RpcClient
from tests.conftest import BrokerUser, Database, signed_in_as, sweep_bus
from tests.integration.broker_attempts import SUBSCRIBERS_QUEUE, UUID
from tests.integration.bus_ends import end
from tests.staff_logins import SignedIn, signed_in
from tests.staff_terminal import grant


@pytest.fixture
def logged() -> Iterator[list[Any]]:
    """The entries that are logged during a test, and not written to its standard output."""
    with capture_logs() as entries:
        yield entries


@pytest.fixture
def worker(request: pytest.FixtureRequest) -> Iterator[Worker]:
    """A worker that runs what the test starts, and stops at its end, before its database goes."""
    running = Worker()
    if "database" not in request.fixturenames:
        yield running
        running.join()
        return
    database: Database = request.getfixturevalue("database")
    yield running
    end(running, database.settings)


@pytest.fixture
def cash_desk_of(
    staff_member: Callable[..., BrokerUser], rpc_as: Callable[[str], RpcClient]
) -> Callable[[Database], RpcClient]:
    """Make one of the staff who may post payments that were taken elsewhere, of any amount."""

    def make(database: Database) -> RpcClient:
        user = staff_member("clerk")
        grant(database.settings, "ledger", user.name, "post-payment", None)
        return rpc_as(user.url)

    return make


@pytest.fixture(scope="module")
def house(base_settings: Settings) -> Iterator[None]:
    """The exchanges and queues of services, and a queue of another subscriber."""
    sweep_bus(base_settings.amqp_url)
    with connect(base_settings.amqp_url, name="tests", heartbeat=0) as broker:
        for service in SERVICES:
            declare_publishing(broker, service, base_settings)
        for consumer, upstreams in UPSTREAMS.items():
            for upstream in upstreams:
                declare_listening(broker, consumer, upstream)
        channel = broker.channel()
        channel.exchange_declare("ledger.persons", "topic", durable=True, auto_delete=False)
        names = ("rpc-ledger", "rpc-identity", f"rpc.reply-accounts.{UUID}", SUBSCRIBERS_QUEUE)
        for name in names:
            channel.queue_declare(name, durable=True, auto_delete=False)
        yield
        for name in names:
            channel.queue_delete(name)
    sweep_bus(base_settings.amqp_url)


@pytest.fixture(scope="module")
def users(
    base_settings: Settings, administration: BrokerAdministration, house: None
) -> Iterator[Mapping[str, str]]:
    """The URLs of everybody: services, gateway, staff and a subscriber."""
    tail = secrets.token_hex(4)
    rights: dict[str, Rights] = {
        f"staff.{role}-{tail}": rights_of_staff(f"{role}-{tail}", [role])
        for role in ("clerk", "approver", "cashier", "operator", "auditor")
    }
    rights[f"subscriber.datamart-{tail}"] = rights_of_subscriber(
        f"datamart-{tail}", ["ledger", "payments.payment_completed"], personal=["payments"]
    )
    urls = dict(base_settings.amqp_urls)
    for user, given in rights.items():
        administration.put_user(user, tail, given)
        short = user.partition(".")[2].rpartition("-")[0]
        urls[short] = signed_in_as(base_settings.amqp_url, user, tail)
    yield urls
    for user in rights:
        administration.remove_user(user)


@pytest.fixture
def operator(database: Database) -> Iterator[SignedIn]:
    with signed_in(database, "petrova", "operator") as made:
        yield made


@pytest.fixture
def administrator(database: Database) -> Iterator[SignedIn]:
    with signed_in(database, "administrator", "administrator") as made:
        yield made
