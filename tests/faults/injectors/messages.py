"""Messages that are doubled, late, out of order, lost, damaged, or of no event at all.

They are put into one queue of reactions at a time, signed by the service that owns the exchange: a
user of the broker with the tag "impersonator" does it, who is there as long as the fault lasts.
Nothing here forges the next event of a log to the letter: whoever can do that is the service.
"""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Final
from urllib.parse import quote, urlsplit

import amqp
import requests
from kombu import Connection

from deploy.embedded.books import books_in
from services.discovery import reactions_of
from shared.bus.messages import (
    CORRELATION_HEADER,
    POSITION_HEADER,
    PREDECESSOR_HEADER,
    SCHEMA_HEADER,
    TYPE_HEADER,
)
from shared.bus.topology import connect, log_exchange, reaction_queue
from tests.faults.books import logs_in
from tests.faults.faults import House, fault
from tests.faults.injectors.errors import TroubleError

EPOCH_HEADER: Final = "saldo_epoch"
ABSURD: Final = 10**12
_USER = "faults"
_EVERYTHING: Final = {"configure": ".*", "write": ".*", "read": ".*"}
_MANAGE_S = 10.0
_READ_S = 0.5

Pair = tuple[str, str]


@dataclass(frozen=True)
class Raw:
    """A message as the broker has it."""

    key: str
    headers: Mapping[str, Any]
    body: bytes

    def with_headers(self, **changes: Any) -> Raw:
        """Return the message with other headers; those of None are left out."""
        merged = {**self.headers, **changes}
        return replace(self, headers={k: v for k, v in merged.items() if v is not None})


Damage = Callable[[Raw, int], Raw]
"""Makes a bad message of the last good one, and of its position."""

DAMAGES: Final[Mapping[str, Damage]] = {
    "broken body at a place of its own": lambda last, head: moved(last, head + 1, body=b"{"),
    "broken body of an event that is there": lambda last, head: replace(last, body=b"\xff\x00"),
    "broken body at an absurd position": lambda last, head: moved(last, ABSURD, body=b"{"),
    "absurd position": lambda last, head: moved(last, ABSURD),
    "absurd position behind a gap": lambda last, head: moved(last, ABSURD, predecessor=ABSURD - 1),
    "missing predecessor": lambda last, head: moved(last, head + 9, predecessor=head + 8),
    "broken body behind a gap": lambda last, head: moved(
        last, head + 9, predecessor=head + 8, body=b"[]"
    ),
    "unknown epoch": lambda last, head: moved(last, head + 1).with_headers(
        **{EPOCH_HEADER: "7.0badcafe"}
    ),
    "unknown version": lambda last, head: moved(last, head + 1).with_headers(
        **{SCHEMA_HEADER: str(last.headers[SCHEMA_HEADER]).rpartition("/")[0] + "/v99"}
    ),
    "negative position": lambda last, head: moved(last, -1, predecessor=-2),
    "position that is no number": lambda last, head: last.with_headers(**{POSITION_HEADER: "one"}),
    "position that is true": lambda last, head: last.with_headers(**{POSITION_HEADER: True}),
    "time that is none": lambda last, head: moved(last, head + 1).with_headers(
        cloudEvents_time="yesterday"
    ),
    "no header at all": lambda last, head: replace(last, headers={}),
    "no type": lambda last, head: last.with_headers(**{TYPE_HEADER: None}),
    "a correlation of a megabyte": lambda last, head: replace(
        last.with_headers(**{CORRELATION_HEADER: "x" * 100_000}), body=b"{" + b" " * 2**20
    ),
}


def moved(
    message: Raw, position: int, *, predecessor: int | None = None, body: bytes | None = None
) -> Raw:
    """Return a message at another position; its predecessor is the original, by default."""
    original = message.headers[POSITION_HEADER]
    source = str(message.headers["cloudEvents_source"]).rpartition("/")[2]
    moved = message.with_headers(
        **{
            POSITION_HEADER: position,
            PREDECESSOR_HEADER: original if predecessor is None else predecessor,
            "cloudEvents_id": f"{source}-{position}",
        }
    )
    return moved if body is None else replace(moved, body=body)


def pairs_of(house: House) -> list[Pair]:
    """Return every queue of reactions: consumer and upstream."""
    further = books_in(house.environment)
    return [
        (consumer, upstream)
        for consumer in logs_in(house.environment)
        for upstream in sorted(reactions_of(consumer, further))
    ]


class _QueueFault:
    """What these faults share: a user who may do it, and a queue that has had messages."""

    name = ""
    alone = False

    def is_possible(self, house: House) -> bool:
        return "broker" in house.proxies

    def heal(self, house: House) -> None:
        """What was sent has been sent."""

    def _draw(self, house: House, random: Random, channel: amqp.Channel) -> tuple[Pair, list[Raw]]:
        """Return a queue, and the newest messages that have passed through it."""
        pairs = pairs_of(house)
        while pairs:
            pair = random.choice(pairs)
            recent = newest(channel, pair[1])
            if recent:
                return pair, recent
            pairs.remove(pair)
        raise TroubleError("no service has published anything yet")


@fault
class DoubleMessages(_QueueFault):
    """Messages that have been read come again: some, or all, in another order."""

    name = "double_messages"
    lasts = (0.5, 2.0)

    def inject(self, house: House, random: Random) -> str:
        with impersonator(house) as channel:
            (consumer, upstream), recent = self._draw(house, random, channel)
            again = random.sample(recent, random.randint(1, len(recent)))
            for message in again:
                put(channel, consumer, upstream, message)
        return f"double {len(again)} messages in {consumer}.from.{upstream}"


@fault
class DamagedMessages(_QueueFault):
    """Messages come that no relay has sent: damaged, absurd, of no event."""

    name = "damaged_messages"
    lasts = (0.5, 2.0)

    def inject(self, house: House, random: Random) -> str:
        with impersonator(house) as channel:
            (consumer, upstream), recent = self._draw(house, random, channel)
            last = max(recent, key=lambda message: int(message.headers[POSITION_HEADER]))
            damage = random.choice(sorted(DAMAGES))
            bad = DAMAGES[damage](last, int(last.headers[POSITION_HEADER]))
            put(channel, consumer, upstream, bad)
        return f"put into {consumer}.from.{upstream}: {damage}"


@fault
class DivertMessages(_QueueFault):
    """For a while a queue gets nothing; then it gets a part of it, in any order, or doubled."""

    name = "divert_messages"
    lasts = (1.0, 10.0)

    def inject(self, house: House, random: Random) -> str:
        consumer, upstream = random.choice(pairs_of(house))
        aside = f"faults.{consumer}.from.{upstream}"
        # Noted first, with the seed of what happens to them: whatever fails now is undone.
        house.notes[self.name] = (consumer, upstream, random.random())
        with administrator(house) as channel:
            channel.queue_declare(aside, durable=True, auto_delete=False)
            exchange = log_exchange(upstream).name
            channel.queue_bind(aside, exchange, "#")
            channel.queue_unbind(reaction_queue(consumer, upstream).name, exchange, "#")
        return f"divert the messages of {consumer}.from.{upstream}"

    def heal(self, house: House) -> None:
        noted: Any = house.notes.get(self.name)
        if noted is None:
            return
        consumer, upstream, seed = noted
        random = Random(seed)  # noqa: S311 - no secret
        exchange = log_exchange(upstream).name
        aside = f"faults.{consumer}.from.{upstream}"
        with impersonator(house) as channel:
            channel.queue_bind(reaction_queue(consumer, upstream).name, exchange, "#")
            # It is gone where this is repeated, or the broker has been emptied meanwhile.
            channel.queue_declare(aside, durable=True, auto_delete=False)
            channel.queue_unbind(aside, exchange, "#")
            diverted = []
            while (message := channel.basic_get(aside, no_ack=True)) is not None:
                diverted.append(_raw(message))
            random.shuffle(diverted)
            for message in diverted:
                for _ in range(random.choice((0, 1, 1, 2))):
                    put(channel, consumer, upstream, message)
            channel.queue_delete(aside)
        del house.notes[self.name]


@contextmanager
def administrator(house: House) -> Iterator[amqp.Channel]:
    """Open a channel of the broker's administrator, past all proxies."""
    with _channel(house.environment["SALDO_AMQP_URL"]) as channel:
        yield channel


@contextmanager
def impersonator(house: House) -> Iterator[amqp.Channel]:
    """Open a channel that may sign messages by any name."""
    password = secrets.token_hex(16)
    parts = urlsplit(house.environment["SALDO_AMQP_URL"])
    host = quote(parts.path[1:] or "/", safe="")
    _manage(house, "PUT", f"users/{_USER}", {"password": password, "tags": "impersonator"})
    try:
        _manage(house, "PUT", f"permissions/{host}/{_USER}", _EVERYTHING)
        address = parts.netloc.rpartition("@")[2]
        with _channel(parts._replace(netloc=f"{_USER}:{password}@{address}").geturl()) as channel:
            yield channel
    finally:
        _manage(house, "DELETE", f"users/{_USER}")


def _manage(house: House, method: str, path: str, body: Mapping[str, str] | None = None) -> None:
    """Call the management API: rabbitmqctl starts Erlang at each call, seconds under load."""
    url = f"{house.environment['SALDO_AMQP_ADMIN_URL'].rstrip('/')}/api/{path}"
    answer = requests.request(method, url, json=body, timeout=_MANAGE_S)
    answer.raise_for_status()


@contextmanager
def _channel(url: str) -> Iterator[amqp.Channel]:
    with connect(url, name="faults", heartbeat=0) as broker:
        assert isinstance(broker, Connection)
        channel = broker.channel()
        channel.confirm_select()
        yield channel


def put(channel: amqp.Channel, consumer: str, upstream: str, message: Raw) -> None:
    """Put a message into a queue of reactions, as if the upstream had sent it."""
    channel.basic_publish(
        amqp.Message(
            message.body,
            application_headers=dict(message.headers),
            content_type="application/json",
            delivery_mode=2,
            user_id=upstream,
        ),
        exchange="",
        routing_key=reaction_queue(consumer, upstream).name,
    )


def newest(channel: amqp.Channel, upstream: str) -> list[Raw]:
    """Return the last messages of a service's stream, in order; empty if there is none."""
    return _read(channel, upstream, "last")


def all_of(channel: amqp.Channel, upstream: str, type_: str) -> list[Raw]:
    """Return the messages of a type of a service's stream, in order."""
    found = _read(channel, upstream, "first")
    return [one for one in found if one.headers.get(TYPE_HEADER) == type_]


def _read(channel: amqp.Channel, upstream: str, offset: str) -> list[Raw]:
    found: list[Raw] = []

    def take(message: amqp.Message) -> None:
        found.append(_raw(message))
        message.channel.basic_ack(message.delivery_tag)

    stream = f"{upstream}.stream"
    with suppress(amqp.NotFound):
        reading = channel.connection.channel()
        reading.basic_qos(0, 500, False)
        reading.basic_consume(
            stream,
            callback=take,
            arguments={"x-stream-offset": offset},
        )
        with suppress(socket.timeout, TimeoutError):
            while True:
                channel.connection.drain_events(timeout=_READ_S)
        reading.close()
    return [one for one in found if isinstance(one.headers.get(POSITION_HEADER), int)]


def _raw(message: amqp.Message) -> Raw:
    body = message.body
    return Raw(
        key=str(message.delivery_info.get("routing_key", "")),
        headers=dict(message.headers or {}),
        body=body.encode() if isinstance(body, str) else bytes(body),
    )
