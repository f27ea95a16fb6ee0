"""The administration of the broker: what is changed there takes effect at once."""

from __future__ import annotations

import json
import secrets
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

import amqp
import pika
import pytest
from kombu import Connection

from services.broker import broker_definitions, prepare_broker
from shared.bus.administration import BrokerAdministration, BrokerAdministrationError
from shared.bus.permissions import (
    SUBSCRIBERS_POLICY,
    SUBSCRIBERS_QUEUES,
    rights_of_service,
    rights_of_staff,
    rights_of_subscriber,
)
from shared.bus.principals import user_of
from shared.bus.topology import connect
from shared.config import SERVICES, ConfigurationError, Settings
from tests.conftest import BrokerUser
from tests.integration.broker_attempts import signs_in
from tests.waiting import eventually

pytestmark = pytest.mark.nodes


@pytest.fixture
def feed(amqp_url: str, clean_bus: None) -> Iterator[None]:
    """The exchanges that subscribers bind to."""
    with pika.BlockingConnection(pika.URLParameters(amqp_url)) as connection:
        for service in ("ledger", "payments"):
            connection.channel().exchange_declare(f"{service}.events", "topic", durable=True)
        yield


def bound_to(administration: BrokerAdministration, queue: str) -> set[tuple[str, str]]:
    """Return exchange and key of each binding of a queue, the default one aside."""
    return {
        (binding["source"], binding["routing_key"])
        for binding in administration.bindings()
        if binding["destination"] == queue and binding["source"]
    }


def is_cut_off(connection: Connection) -> bool:
    try:
        connection.drain_events(timeout=0.01)
    except TimeoutError:
        return False
    except (amqp.ConnectionError, OSError):
        return True
    return False


@contextmanager
def signed_in(url: str) -> Iterator[Connection]:
    """Connect, and let go however the connection ends."""
    connection = connect(url, name="tests", heartbeat=0)
    connection.connect()
    yield connection
    connection.release()


def test_a_grant_that_is_withdrawn_ends_the_binding_and_the_connection(
    administration: BrokerAdministration, subscriber: Callable[..., BrokerUser], feed: None
) -> None:
    user = subscriber("ledger", "payments", personal=())
    queue = f"subscriber.{user.name}.queue"
    less = rights_of_subscriber(user.name, ["ledger"], personal=())
    with signed_in(user.url) as connection:
        channel = connection.channel()
        channel.queue_declare(queue, durable=True, auto_delete=False)
        for exchange in ("ledger.events", "payments.events"):
            channel.queue_bind(queue, exchange, "#")
        administration.put_rights(user_of(user.url), less)
        assert bound_to(administration, queue) == {("ledger.events", "#")}
        eventually(lambda: is_cut_off(connection), "the connection has ended")
    now = administration.rights(user_of(user.url))
    assert now is not None
    assert (now.configure, now.read) == (less.configure, less.read)


def test_rights_in_one_virtual_host_end_no_connection_to_another(
    administration: BrokerAdministration,
    base_settings: Settings,
    broker_user: Callable[..., BrokerUser],
) -> None:
    name = f"two-hosts-{secrets.token_hex(4)}"
    more, less = (rights_of_subscriber(name, sources) for sources in (["ledger"], []))
    user = broker_user("subscriber", name, more)
    other = BrokerAdministration(base_settings.amqp_admin_url, f"other-{secrets.token_hex(4)}")
    other.ensure_virtual_host()
    try:
        other.put_rights(user_of(user.url), more)
        there = urlsplit(user.url)._replace(path=f"/{other.virtual_host}").geturl()
        with signed_in(user.url) as here, signed_in(there) as elsewhere:
            administration.put_rights(user_of(user.url), less)
            eventually(lambda: is_cut_off(here), "the connection with the rights before has ended")
            assert not is_cut_off(elsewhere)
    finally:
        other.remove_virtual_host()


def test_a_topic_that_is_withdrawn_is_refused_from_then_on(
    administration: BrokerAdministration, subscriber: Callable[..., BrokerUser], feed: None
) -> None:
    """The broker allows any key of an exchange for which a user has no rights on keys."""
    user = subscriber("ledger", personal=())
    queue = f"subscriber.{user.name}.queue"
    administration.put_rights(
        user_of(user.url), rights_of_subscriber(user.name, ["ledger.payment_posted"])
    )
    with signed_in(user.url) as connection:
        channel = connection.channel()
        channel.queue_declare(queue, exclusive=True)
        channel.queue_bind(queue, "ledger.events", "payment_posted")
        with pytest.raises(amqp.AccessRefused):
            channel.queue_bind(queue, "ledger.events", "#")


def test_the_same_rights_again_disturb_nobody(
    administration: BrokerAdministration, subscriber: Callable[..., BrokerUser]
) -> None:
    user = subscriber("ledger")
    more = rights_of_subscriber(user.name, ["ledger", "payments"])
    less = rights_of_subscriber(user.name, ["ledger"])
    for rights in (more, less):
        administration.put_rights(user_of(user.url), rights)
    with signed_in(user.url) as connection:
        administration.put_rights(user_of(user.url), less)
        assert not is_cut_off(connection)


def test_a_subscriber_who_is_removed_leaves_nothing(
    administration: BrokerAdministration, subscriber: Callable[..., BrokerUser], feed: None
) -> None:
    gone, neighbour = subscriber("ledger", personal=()), subscriber("ledger", personal=())
    with signed_in(gone.url) as his, signed_in(neighbour.url) as neighbours:
        for user, connection in ((gone, his), (neighbour, neighbours)):
            channel = connection.channel()
            for queue in (
                f"subscriber.{user.name}.queue",
                f"evt-ledger-payment_posted--{user.name}.on_payment",
            ):
                channel.queue_declare(queue, durable=True, auto_delete=False)
                channel.queue_bind(queue, "ledger.events", "payment_posted")
            channel.exchange_declare(
                f"subscriber.{user.name}.exchange", "fanout", auto_delete=False
            )
        administration.remove_user(user_of(gone.url))
        eventually(lambda: is_cut_off(his), "his connection has ended")
        assert not is_cut_off(neighbours)
    left = {each["name"] for each in (*administration.queues(), *administration.exchanges())}
    assert not [name for name in left if gone.name in name]
    assert len([name for name in left if neighbour.name in name]) == 3
    assert signs_in(gone.url) == "refused"
    administration.remove_user(user_of(gone.url))


@pytest.mark.parametrize("name", ["ledger", "gateway", "saldo", "guest", "staff.", "subscriber.A"])
def test_no_service_is_removed(administration: BrokerAdministration, name: str) -> None:
    with pytest.raises(ValueError, match="neither"):
        administration.remove_user(name)


def test_connections_of_a_user_are_limited(
    administration: BrokerAdministration, staff_member: Callable[..., BrokerUser]
) -> None:
    clerk = staff_member("clerk")
    most = rights_of_staff(clerk.name, ["clerk"]).limits["max-connections"]
    with ExitStack() as opened:
        for _ in range(most):
            opened.enter_context(signed_in(clerk.url))
        assert signs_in(clerk.url) == "refused"
    assert signs_in(clerk.url) == "allowed"


def test_a_subscribers_queue_cannot_fill_the_disk(
    administration: BrokerAdministration,
    base_settings: Settings,
    subscriber: Callable[..., BrokerUser],
) -> None:
    """Not even one that asks for more: its oldest messages are dropped."""
    user = subscriber("ledger")
    queue = f"subscriber.{user.name}.queue"
    administration.put_queue_limit(SUBSCRIBERS_POLICY, SUBSCRIBERS_QUEUES, 10_000)
    try:
        with pika.BlockingConnection(pika.URLParameters(user.url)) as connection:
            arguments = {"x-queue-type": "quorum", "x-max-length-bytes": 10**9}
            connection.channel().queue_declare(queue, durable=True, arguments=arguments)
        with pika.BlockingConnection(pika.URLParameters(base_settings.amqp_url)) as house:
            channel = house.channel()
            channel.confirm_delivery()
            for number in range(100):
                channel.basic_publish("", queue, number.to_bytes(2, "big") * 500)
            kept = channel.queue_declare(queue, passive=True).method.message_count
            assert 0 < kept <= 10
            _, _, oldest = channel.basic_get(queue, auto_ack=True)
            assert oldest[:2] != b"\0\0"
    finally:
        administration.put_queue_limit(
            SUBSCRIBERS_POLICY, SUBSCRIBERS_QUEUES, base_settings.subscriber_queue_bytes
        )


def test_preparing_a_broker_again_changes_nothing(
    administration: BrokerAdministration, base_settings: Settings
) -> None:
    with signed_in(base_settings.amqp_url_of("ledger")) as connection:
        prepare_broker(SERVICES, base_settings)
        assert not is_cut_off(connection)
    found = administration.rights("ledger")
    assert found is not None
    assert (found.configure, found.topics) == (
        rights_of_service("ledger").configure,
        rights_of_service("ledger").topics,
    )


def test_definitions_are_what_the_broker_takes(
    base_settings: Settings, administration: BrokerAdministration
) -> None:
    host = BrokerAdministration(base_settings.amqp_admin_url, f"imported-{secrets.token_hex(4)}")
    made = json.loads(json.dumps(broker_definitions(SERVICES, base_settings)))
    for entries in made.values():
        for entry in entries:
            entry.update({"vhost": host.virtual_host} if "vhost" in entry else {})
    made["vhosts"] = [{"name": host.virtual_host}]
    try:
        host.import_definitions(made)
        url = base_settings.amqp_url_of("ledger").rpartition("/")[0] + f"/{host.virtual_host}"
        with pika.BlockingConnection(pika.URLParameters(url)) as connection:
            connection.channel().basic_publish("nameko-rpc", "accounts.health", b"")
        assert host.rights("gateway") == administration.rights("gateway")
    finally:
        host.remove_virtual_host()


def test_errors_say_what_to_do_and_no_password(base_settings: Settings) -> None:
    admin_url = base_settings.amqp_admin_url
    password = admin_url.rpartition("@")[0].rpartition(":")[2]
    wrong = admin_url.replace(password, "wrong-password")
    closed = "http://saldo:wrong-password@127.0.0.1:1"
    for url, advice in ((wrong, "tag administrator"), (closed, "rabbitmq_management is enabled")):
        with pytest.raises(BrokerAdministrationError, match=advice) as refused:
            BrokerAdministration(url).users()
        assert "wrong-password" not in "".join(traceback.format_exception(refused.value))
    for url in ("", "127.0.0.1:15672", "amqp://saldo:x@127.0.0.1/"):
        with pytest.raises(BrokerAdministrationError, match="set SALDO_AMQP_ADMIN_URL"):
            BrokerAdministration(url)


def test_a_broker_is_prepared_for_one_virtual_host_by_its_administrator() -> None:
    urls = {name: f"amqp://{name}:x@b/{name[0]}" for name in (*SERVICES, "gateway")}
    with pytest.raises(ConfigurationError, match="set SALDO_AMQP_ADMIN_URL"):
        prepare_broker(SERVICES, Settings(amqp_urls=urls))
    with pytest.raises(ConfigurationError, match="several virtual hosts"):
        broker_definitions(SERVICES, Settings(amqp_urls=urls))
    without = {name: f"amqp://{name}@b/" for name in urls}
    with pytest.raises(ConfigurationError, match="SALDO_AMQP_URL_IDENTITY has no password"):
        broker_definitions(SERVICES, Settings(amqp_urls=without))
