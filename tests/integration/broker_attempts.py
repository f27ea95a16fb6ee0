"""What somebody with credentials may try at the broker: each attempt is one AMQP method.

An attempt gets the name of who tries, so that `{me}` in a queue's name is his own user.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal
from urllib.parse import urlsplit

import amqp
import pika
import requests
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import ChannelClosedByBroker

from shared.bus.principals import user_of
from shared.bus.topology import connect

Outcome = Literal["allowed", "refused"]
Attempt = Callable[[BlockingChannel, str], object]

UUID = "01890000-0000-7000-8000-000000000001"
SUBSCRIBERS_QUEUE = "subscriber.other.queue"


def outcome_of(url: str, attempt: Attempt) -> Outcome:
    """Try something on a connection of its own; any other failure is an error of the test."""
    connection = pika.BlockingConnection(pika.URLParameters(url))
    try:
        channel = connection.channel()
        channel.confirm_delivery()
        attempt(channel, user_of(url))
    except ChannelClosedByBroker as error:
        # 406 has many reasons; the one that counts is a `user_id` that is not the user's.
        if error.reply_code == 403 or (error.reply_code == 406 and "user_id" in error.reply_text):
            return "refused"
        raise
    else:
        return "allowed"
    finally:
        connection.close()


def declares(queue: str, **arguments: str) -> Attempt:
    """Declare a queue, quorum unless it is a reply queue, and delete it again."""

    def attempt(channel: BlockingChannel, me: str) -> None:
        name = queue.format(me=me)
        reply = name.startswith("rpc.reply-") or not name
        given = {} if reply else {"x-queue-type": "quorum"}
        given |= {
            f"x-{key.replace('_', '-')}": text.format(me=me) for key, text in arguments.items()
        }
        made = channel.queue_declare(name, durable=not reply, exclusive=reply, arguments=given)
        channel.queue_delete(made.method.queue)

    return attempt


def looks_at(queue: str) -> Attempt:
    """Ask whether a queue is there, and how long it is."""
    return lambda channel, _: channel.queue_declare(queue, passive=True)


def declares_exchange(exchange: str, **arguments: Any) -> Attempt:
    def attempt(channel: BlockingChannel, me: str) -> None:
        given = {key.replace("_", "-"): value for key, value in arguments.items()}
        channel.exchange_declare(exchange.format(me=me), "topic", durable=True, arguments=given)

    return attempt


def binds(queue: str, exchange: str, key: str) -> Attempt:
    """Bind a queue; one of his own is declared first, and ends with his connection."""

    def attempt(channel: BlockingChannel, me: str) -> None:
        name = queue.format(me=me)
        if name != queue:
            channel.queue_declare(name, exclusive=True)
        channel.queue_bind(name, exchange, key.format(me=me))

    return attempt


def binds_exchange(destination: str, source: str, key: str) -> Attempt:
    """Bind an exchange to another; one of his own is declared first."""

    def attempt(channel: BlockingChannel, me: str) -> None:
        for name in (destination, source):
            if "{me}" in name:
                channel.exchange_declare(name.format(me=me), "topic", durable=True)
        channel.exchange_bind(destination.format(me=me), source.format(me=me), key)

    return attempt


def consumes(queue: str) -> Attempt:
    def attempt(channel: BlockingChannel, _: str) -> None:
        channel.basic_qos(prefetch_count=1)
        channel.basic_consume(queue, lambda *_: None)

    return attempt


def purges(queue: str) -> Attempt:
    return lambda channel, _: channel.queue_purge(queue)


def deletes(queue: str) -> Attempt:
    return lambda channel, _: channel.queue_delete(queue)


def deletes_exchange(exchange: str) -> Attempt:
    return lambda channel, _: channel.exchange_delete(exchange)


def publishes(exchange: str, key: str, *, user_id: str | None = None) -> Attempt:
    """Publish a message and wait for its confirm; to an exchange of his own after declaring it."""

    def attempt(channel: BlockingChannel, me: str) -> None:
        name = exchange.format(me=me)
        if name != exchange:
            channel.exchange_declare(name, "topic", durable=True)
        properties = pika.BasicProperties(user_id=user_id)
        channel.basic_publish(name, key.format(me=me), b"{}", properties)

    return attempt


def signs_in(url: str) -> Outcome:
    """Try to connect: wrong password, unknown user, too many connections, foreign virtual host."""
    connection = connect(url, name="tests", heartbeat=0)
    try:
        connection.connect()
    except (amqp.AccessRefused, amqp.NotAllowed):
        return "refused"
    else:
        return "allowed"
    finally:
        connection.release()


def asks_management(url: str, admin_url: str, method: str, path: str, body: Any = None) -> Outcome:
    """Try the management API with the credentials of an AMQP URL."""
    parts, api = urlsplit(url), urlsplit(admin_url)
    response = requests.request(
        method,
        f"http://{api.hostname}:{api.port}/api/{path}",
        auth=(parts.username or "", parts.password or ""),
        json=body,
        timeout=10,
    )
    return "allowed" if response.ok else "refused"
