"""A subscriber who turns hostile: with his own credentials, at the broker and at the feed."""

from __future__ import annotations

import json
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import pika
from pika.exceptions import AMQPError, ChannelClosedByBroker

from services.subscriber_administration import SubscriberAdministration, new_credentials
from services.subscriber_environment import subscriber_environment
from shared.bus.grants import Grants
from tests.security.hostile_site import Site

QUEUES = 120
FLOOD = 1500
FORGED = {
    "cloudEvents_id": "payments-1",
    "cloudEvents_source": "/saldo/payments",
    "cloudEvents_type": "payment_captured",
    "saldo_position": 10**12,
    "saldo_predecessor": 10**12 - 1,
}


@dataclass
class Subscriber:
    """A subscriber with his variables, as his file has them."""

    name: str
    variables: dict[str, str]
    administration: SubscriberAdministration

    @property
    def token(self) -> str:
        return self.variables["SALDO_EVENTS_TOKEN"]

    @property
    def prefix(self) -> str:
        return self.variables["SALDO_QUEUE_PREFIX"]

    def connected(self) -> pika.BlockingConnection:
        return pika.BlockingConnection(pika.URLParameters(self.variables["SALDO_AMQP_URL"]))


@contextmanager
def subscribed(site: Site, *grants: str, persons: bool = False) -> Iterator[Subscriber]:
    """Add a subscriber, and remove him with all that he has made."""
    administration = SubscriberAdministration(site.settings)
    name, credentials = f"sub-{secrets.token_hex(4)}", new_credentials()
    administration.add(name, Grants.parse(grants, persons=persons), credentials, "tests")
    variables = subscriber_environment(site.settings, name, credentials)
    try:
        yield Subscriber(name, variables, administration)
    finally:
        administration.remove(name, "tests")


def fill_the_broker(subscriber: Subscriber) -> int:
    """Bind many queues that nobody reads, and flood one's own; return how many were made."""
    made = 0
    with subscriber.connected() as connection:
        channel = connection.channel()
        for number in range(QUEUES):
            queue = f"{subscriber.prefix}{number}"
            channel.queue_declare(queue, durable=True)
            channel.queue_bind(queue, "ledger.events", "#")
            made += 1
        exchange = f"{subscriber.prefix}flood"
        channel.exchange_declare(exchange, "fanout", durable=True)
        channel.queue_bind(f"{subscriber.prefix}0", exchange)
        for _ in range(FLOOD):
            channel.basic_publish(exchange, "", bytes(20_000))
    return made


def forge(subscriber: Subscriber) -> dict[str, str]:
    """Publish a captured payment wherever somebody may hear it; return what became of each try."""
    own = f"{subscriber.prefix}own"
    body = json.dumps({"payment_id": secrets.token_hex(16), "total": 10**9}).encode()
    tries = {
        "log": ("payments.log", "payment_captured"),
        "feed": ("payments.events", "payment_captured"),
        "reaction queue": ("", "ledger.from.payments"),
        "rpc": ("nameko-rpc", "ledger.post_payment"),
        "own": (own, "payment_captured"),
        "own with CC": (own, "x"),
        "own as payments": (own, "payment_captured"),
    }
    copied = {"CC": ["ledger.from.payments"], "BCC": ["payment_captured"]}
    outcomes = {}
    for name, (exchange, key) in tries.items():
        headers = FORGED | copied if name == "own with CC" else FORGED
        user = "payments" if name == "own as payments" else None
        with subscriber.connected() as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            channel.exchange_declare(own, "topic", durable=True)
            properties = pika.BasicProperties(headers=headers, user_id=user)
            try:
                channel.basic_publish(exchange, key, body, properties)
                outcomes[name] = "published"
            except ChannelClosedByBroker as refused:
                outcomes[name] = str(refused.reply_code)
    return outcomes


def ties(subscriber: Subscriber, site: Site) -> list[str]:
    """Try to lead one's own exchange into the house; return what was allowed."""
    own, allowed = f"{subscriber.prefix}own", []
    targets = ("ledger.log", "payments.events", "nameko-rpc", "ledger.dead", "amq.topic")
    for target in targets:
        with subscriber.connected() as connection, suppress(ChannelClosedByBroker, AMQPError):
            channel = connection.channel()
            channel.exchange_declare(own, "topic", durable=True)
            channel.exchange_bind(target, own, "#")
            allowed.append(target)
    for queue in ("ledger.from.payments", "rpc-ledger", "ledger.stream", "ledger.dead"):
        with subscriber.connected() as connection, suppress(ChannelClosedByBroker, AMQPError):
            connection.channel().queue_bind(queue, own, "#")
            allowed.append(queue)
    return allowed


def made_up_places(service: str) -> Iterator[str]:
    """Yield cursors as the gateway writes them, with what it never wrote."""
    for subject in (f"events {service}", "events identity", "events", "payments"):
        for position in ("0.0", "-1.-1", f"{10**17}.0", "1.99999999999999999", "1", "0x1.1", "٣.٣"):
            text = json.dumps([subject, position], separators=(",", ":"), ensure_ascii=False)
            yield urlsafe_b64encode(text.encode()).decode().rstrip("=")
