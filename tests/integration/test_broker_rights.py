"""Who may do what at the broker: tried with the credentials of each, on the real one.

Each row is something that an attacker would try first, or what the owner needs. ARCHITECTURE's
table "Who can do what" names these tests.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

import pika
import pytest

from shared.bus.administration import BrokerAdministration
from shared.bus.permissions import UPSTREAMS
from shared.bus.principals import virtual_host_of
from shared.bus.topology import (
    connect,
    declare_listening,
    declare_live,
    declare_publishing,
    reaction_queue,
)
from shared.config import GATEWAY, SERVICES, Settings
from tests.integration.broker_attempts import (
    SUBSCRIBERS_QUEUE,
    UUID,
    Attempt,
    Outcome,
    asks_management,
    binds,
    binds_exchange,
    consumes,
    declares,
    declares_exchange,
    deletes,
    deletes_exchange,
    looks_at,
    outcome_of,
    publishes,
    purges,
    signs_in,
)

pytestmark = pytest.mark.nodes

OTHERS_REPLIES = f"reply.accounts.{UUID}"
OTHERS_QUEUES = ("rpc-ledger", "ledger.from.payments", "ledger.dead", f"rpc.reply-accounts.{UUID}")

Row = tuple[str, Attempt, Outcome]


def refused(**attempts: Attempt) -> list[Row]:
    return [(name.replace("_", " "), attempt, "refused") for name, attempt in attempts.items()]


def allowed(**attempts: Attempt) -> list[Row]:
    return [(name.replace("_", " "), attempt, "allowed") for name, attempt in attempts.items()]


def rows(*groups: list[Row]) -> Any:
    return pytest.mark.parametrize(
        ("attempt", "outcome"),
        [
            pytest.param(attempt, outcome, id=f"{name}: {outcome}")
            for group in groups
            for name, attempt, outcome in group
        ],
    )


HOUSE: list[Row] = [
    *(
        (f"{verb} {queue}", attempt(queue), "refused")
        for queue in (*OTHERS_QUEUES, "identity.stream", SUBSCRIBERS_QUEUE)
        for verb, attempt in (("reads", consumes), ("purges", purges), ("deletes", deletes))
    ),
    *refused(
        makes_a_queue_without_a_name=declares(""),
        makes_a_queue_under_a_name_of_a_service=declares("identity.from.ledger"),
        makes_a_queue_under_a_name_of_a_subscriber=declares("subscriber.other.more"),
        makes_a_queue_for_somebody_elses_replies=declares(f"rpc.reply-accounts.{UUID[:-1]}9"),
        makes_an_exchange=declares_exchange("mine"),
        redeclares_the_exchange_of_the_RPCs=declares_exchange("nameko-rpc"),
        deletes_the_exchange_of_the_RPCs=deletes_exchange("nameko-rpc"),
        deletes_the_log_of_a_service=deletes_exchange("ledger.log"),
        deletes_the_feed_of_a_service=deletes_exchange("ledger.events"),
        binds_a_services_queue=binds("rpc-ledger", "ledger.events", "#"),
        binds_a_subscribers_queue=binds(SUBSCRIBERS_QUEUE, "ledger.events", "#"),
        publishes_to_a_services_log=publishes("ledger.log", "payment_posted"),
        has_the_last_word_in_a_log=publishes("ledger.log", "payment_posted", user_id="ledger"),
        has_the_last_word_in_a_stream=publishes("", "ledger.stream", user_id="ledger"),
        binds_an_exchange_of_others_to_a_log=binds_exchange("ledger.log", "accounts.events", "#"),
        feeds_a_stream=binds("ledger.stream", "accounts.events", "#"),
        publishes_to_a_services_feed=publishes("ledger.events", "payment_posted"),
        publishes_to_a_services_dead_letters=publishes("ledger.dead", ""),
        traces_all_messages=binds(SUBSCRIBERS_QUEUE, "amq.rabbitmq.trace", "#"),
    ),
]
"""What nobody may do but the service or subscriber whose it is."""

NO_QUEUE_BY_NAME = refused(
    dead_letters_into_any_queue=declares(f"rpc.reply-{{me}}.{UUID}", dead_letter_exchange=""),
    publishes_to_a_services_queue=publishes("", "rpc-ledger"),
    publishes_to_a_reaction_queue=publishes("", "ledger.from.payments"),
    publishes_to_a_subscribers_queue=publishes("", SUBSCRIBERS_QUEUE),
    publishes_to_a_stream=publishes("", "ledger.stream"),
)


SUBSCRIBER = "{me}.queue"
SUBSCRIBERS_EXCHANGE = "{me}.exchange"


@rows(
    HOUSE,
    NO_QUEUE_BY_NAME,
    refused(
        makes_a_queue_under_a_common_name=declares("erp.from.ledger"),
        dead_letters_into_the_RPCs=declares(SUBSCRIBER, dead_letter_exchange="nameko-rpc"),
        dead_letters_by_a_queues_name=declares(SUBSCRIBER, dead_letter_exchange=""),
        dead_letters_into_a_log=declares(SUBSCRIBER, dead_letter_exchange="ledger.log"),
        passes_on_what_is_unroutable_to_the_RPCs=declares_exchange(
            "{me}.alternate", alternate_exchange="nameko-rpc"
        ),
        passes_on_what_is_unroutable_to_any_queue=declares_exchange(
            "{me}.alternate", alternate_exchange=""
        ),
        hears_all_calls=binds(SUBSCRIBER, "nameko-rpc", "#"),
        hears_the_calls_of_a_service=binds(SUBSCRIBER, "nameko-rpc", "identity.*"),
        hears_replies=binds(SUBSCRIBER, "nameko-rpc", OTHERS_REPLIES),
        hears_calls_by_an_exchange=binds_exchange(SUBSCRIBERS_EXCHANGE, "nameko-rpc", "#"),
        binds_to_the_log=binds(SUBSCRIBER, "ledger.log", "#"),
        binds_to_what_names_persons=binds(SUBSCRIBER, "ledger.persons", "#"),
        binds_to_a_service_without_a_grant=binds(SUBSCRIBER, "identity.events", "#"),
        binds_to_a_type_without_a_grant=binds(SUBSCRIBER, "payments.events", "payment_failed"),
        binds_to_all_types_with_one_granted=binds(SUBSCRIBER, "payments.events", "#"),
        binds_by_a_wildcard=binds(SUBSCRIBER, "payments.events", "*"),
        binds_by_part_of_a_type=binds(SUBSCRIBER, "payments.events", "payment_completed.#"),
        binds_an_exchange_by_a_wildcard=binds_exchange(
            SUBSCRIBERS_EXCHANGE, "payments.events", "#"
        ),
        feeds_a_services_exchange=binds_exchange("ledger.events", SUBSCRIBERS_EXCHANGE, "#"),
        reads_a_stream_with_one_type_granted=consumes("payments.stream"),
        deletes_a_stream_that_he_reads=deletes("ledger.stream"),
        calls_a_service=publishes("nameko-rpc", "ledger.balance"),
        replies=publishes("nameko-rpc", OTHERS_REPLIES),
        signs_as_a_service=publishes(SUBSCRIBERS_EXCHANGE, "x", user_id="ledger"),
    ),
    allowed(
        makes_a_queue_of_his_own=declares(SUBSCRIBER),
        binds_to_a_service_granted=binds(SUBSCRIBER, "ledger.events", "#"),
        binds_to_a_type_granted=binds(SUBSCRIBER, "payments.events", "payment_completed"),
        reads_the_stream_of_a_service_granted=consumes("ledger.stream"),
        dead_letters_to_himself=declares(SUBSCRIBER, dead_letter_exchange=SUBSCRIBERS_EXCHANGE),
        publishes_to_himself=publishes(SUBSCRIBERS_EXCHANGE, "x"),
        # The broker has no right for it.
        looks_how_long_a_queue_is=looks_at("rpc-ledger"),
    ),
)
def test_a_subscriber(users: Mapping[str, str], attempt: Attempt, outcome: Outcome) -> None:
    assert outcome_of(users["datamart"], attempt) == outcome


MY_REPLIES = f"rpc.reply-{{me}}.{UUID}"
CALLER: list[Row] = [
    *refused(
        hears_all_calls=binds(MY_REPLIES, "nameko-rpc", "#"),
        hears_the_calls_of_a_service=binds(MY_REPLIES, "nameko-rpc", "identity.*"),
        hears_all_replies=binds(MY_REPLIES, "nameko-rpc", "reply.#"),
        hears_somebody_elses_replies=binds(MY_REPLIES, "nameko-rpc", f"reply.x.{UUID}"),
        hears_a_log=binds(MY_REPLIES, "ledger.log", "#"),
        hears_a_feed=binds(MY_REPLIES, "ledger.events", "#"),
        calls_nobody=publishes("nameko-rpc", "nobody.nothing"),
        replies_as_if_it_served=publishes("nameko-rpc", f"reply.x.{UUID}"),
        signs_as_a_service=publishes("nameko-rpc", "ledger.adjust", user_id="payments"),
        dead_letters_into_a_log=declares(MY_REPLIES, dead_letter_exchange="ledger.log"),
        reads_a_stream=consumes("ledger.stream"),
    ),
    *allowed(
        makes_a_queue_for_replies=declares(MY_REPLIES),
        hears_the_replies=binds(MY_REPLIES, "nameko-rpc", f"reply.{{me}}.{UUID}"),
        calls_the_ledger=publishes("nameko-rpc", "ledger.adjust"),
    ),
]
"""Staff and the gateway: they call, and serve nobody."""


@rows(
    HOUSE,
    NO_QUEUE_BY_NAME,
    CALLER,
    allowed(
        calls_notifications=publishes("nameko-rpc", "notifications.letters_listed"),
    ),
)
def test_a_clerk(users: Mapping[str, str], attempt: Attempt, outcome: Outcome) -> None:
    assert outcome_of(users["clerk"], attempt) == outcome


def test_a_clerk_sends_no_huge_message(users: Mapping[str, str]) -> None:
    with pika.BlockingConnection(pika.URLParameters(users["clerk"])) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        with pytest.raises(pika.exceptions.ChannelClosedByBroker, match="larger than"):
            channel.basic_publish("nameko-rpc", "ledger.health", bytes(2**24 + 1))


@rows(
    HOUSE,
    CALLER,
    allowed(
        calls_notifications=publishes("nameko-rpc", "notifications.letters_listed"),
        replays_to_a_subscribers_queue=publishes("", SUBSCRIBERS_QUEUE),
    ),
)
def test_an_operator(users: Mapping[str, str], attempt: Attempt, outcome: Outcome) -> None:
    assert outcome_of(users["operator"], attempt) == outcome


@rows(
    HOUSE,
    NO_QUEUE_BY_NAME,
    refused(
        calls_the_ledger=publishes("nameko-rpc", "ledger.balance"),
        makes_a_queue_for_replies=declares(MY_REPLIES),
        reads_a_stream=consumes("ledger.stream"),
    ),
)
def test_an_auditor(users: Mapping[str, str], attempt: Attempt, outcome: Outcome) -> None:
    assert outcome_of(users["auditor"], attempt) == outcome


@rows(
    HOUSE,
    NO_QUEUE_BY_NAME,
    CALLER,
    allowed(calls_identity=publishes("nameko-rpc", "identity.authenticate")),
)
def test_the_gateway(users: Mapping[str, str], attempt: Attempt, outcome: Outcome) -> None:
    assert outcome_of(users[GATEWAY], attempt) == outcome


@rows(
    HOUSE,
    NO_QUEUE_BY_NAME,
    refused(
        serves_the_calls_of_another=binds("rpc-payments", "nameko-rpc", "ledger.*"),
        serves_all_calls=binds("rpc-payments", "nameko-rpc", "#"),
        hears_somebody_elses_replies=binds("rpc-payments", "nameko-rpc", OTHERS_REPLIES),
        hears_a_service_that_it_does_not_react_to=binds(
            "payments.from.ledger", "identity.log", "#"
        ),
        makes_a_queue_for_another_upstream=declares("payments.from.identity"),
        calls_a_service_that_it_does_not_need=publishes("nameko-rpc", "helpdesk.answer"),
        signs_as_another_service=publishes("payments.log", "payment_captured", user_id="ledger"),
        dead_letters_into_another_log=declares(MY_REPLIES, dead_letter_exchange="ledger.log"),
    ),
    allowed(
        calls_what_it_needs=publishes("nameko-rpc", "accounts.owns"),
        replies=publishes("nameko-rpc", OTHERS_REPLIES),
        publishes_its_events=publishes("payments.log", "payment_captured"),
    ),
)
def test_a_service(users: Mapping[str, str], attempt: Attempt, outcome: Outcome) -> None:
    assert outcome_of(users["payments"], attempt) == outcome


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_declares_what_it_runs_on(
    users: Mapping[str, str], base_settings: Settings, service: str
) -> None:
    """Everything anew, in the order of a start: nothing is left over from an administrator."""
    with connect(base_settings.amqp_url, name="tests", heartbeat=0) as broker:
        channel = broker.channel()
        for name in (f"{service}.stream", f"{service}.dead", f"rpc-{service}"):
            channel.queue_delete(name)
        for upstream in UPSTREAMS.get(service, ()):
            channel.queue_delete(f"{service}.from.{upstream}")
        for feed in ("log", "events", "dead"):
            channel.exchange_delete(f"{service}.{feed}")
    with connect(users[service], name="tests", heartbeat=0) as broker:
        declare_publishing(broker, service, base_settings)
        channel = broker.channel()
        declare_live(channel, service)
        for upstream in UPSTREAMS.get(service, ()):
            declare_listening(broker, service, upstream)
        channel.queue_declare(f"rpc-{service}", durable=True, auto_delete=False)
        channel.queue_bind(f"rpc-{service}", "nameko-rpc", f"{service}.*")
        replies = f"{service}.{UUID[:-1]}2"
        channel.queue_declare(f"rpc.reply-{replies}", exclusive=True)
        channel.queue_bind(f"rpc.reply-{replies}", "nameko-rpc", f"reply.{replies}")
    with connect(base_settings.amqp_url, name="tests", heartbeat=0) as broker:
        for consumer, upstreams in UPSTREAMS.items():
            if service in upstreams:
                declare_listening(broker, consumer, service)


@pytest.mark.parametrize("who", ["datamart", "clerk", "auditor", "payments", GATEWAY])
def test_the_management_api_is_the_administrators(
    users: Mapping[str, str], base_settings: Settings, who: str
) -> None:
    for path in ("overview", "queues", "users", "definitions"):
        assert (
            asks_management(users[who], base_settings.amqp_admin_url, "GET", path) == "refused"
        ), path


def test_an_operator_sees_the_queues_and_changes_nothing(
    users: Mapping[str, str], base_settings: Settings
) -> None:
    url, admin_url = users["operator"], base_settings.amqp_admin_url
    here = quote(virtual_host_of(base_settings.amqp_url), safe="")
    assert asks_management(url, admin_url, "GET", f"queues/{here}") == "allowed"
    take = {"count": 1, "ackmode": "ack_requeue_true", "encoding": "auto"}
    everything = {"configure": ".*", "write": ".*", "read": ".*"}
    for method, path, body in (
        ("GET", "users", None),
        ("PUT", "users/mine", {"password": "x", "tags": "administrator"}),
        ("PUT", f"permissions/{here}/ledger", everything),
        ("PUT", f"policies/{here}/mine", {"pattern": ".*", "definition": {"max-length": 1}}),
        ("POST", f"queues/{here}/ledger.from.payments/get", take),
        ("DELETE", f"queues/{here}/ledger.from.payments", None),
        ("PUT", f"exchanges/{here}/mine", {"type": "topic"}),
    ):
        assert asks_management(url, admin_url, method, path, body) == "refused", (method, path)


def test_nobody_enters_another_virtual_host(
    users: Mapping[str, str], base_settings: Settings
) -> None:
    other = BrokerAdministration(base_settings.amqp_admin_url, f"other-{secrets.token_hex(4)}")
    other.ensure_virtual_host()
    try:
        for who, url in users.items():
            there = urlsplit(url)._replace(path=f"/{other.virtual_host}").geturl()
            assert signs_in(there) == "refused", who
    finally:
        other.remove_virtual_host()


def test_a_reaction_queue_of_an_older_version_serves_on(
    users: Mapping[str, str], base_settings: Settings, administration: BrokerAdministration
) -> None:
    """It dead-letters through the default exchange, which its service may not write to any more."""
    queue = "payments.from.ledger"
    older = reaction_queue("payments", "ledger").queue_arguments | {
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": "payments.dead",
    }
    with connect(base_settings.amqp_url, name="tests", heartbeat=0) as broker:
        channel = broker.channel()
        channel.queue_delete(queue)
        channel.queue_declare(queue, durable=True, auto_delete=False, arguments=older)
    with connect(users["payments"], name="tests", heartbeat=0) as broker:
        declare_listening(broker, "payments", "ledger")
        broker.channel().basic_consume(queue)
    bound = [each for each in administration.bindings() if each["destination"] == queue]
    assert {each["source"] for each in bound} == {"", "ledger.log"}
