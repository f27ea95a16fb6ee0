"""What the broker reports of its queues, for staff who may ask its management API."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol

import msgspec

from shared.bus.administration import BrokerAdministration
from shared.bus.principals import virtual_host_of
from shared.config import SERVICES, load_settings

_OWN = re.compile(
    rf"(?:{'|'.join(SERVICES)})(?:_\w+)?[.](?:stream|dead|from[.]\w+)|rpc-\w+|rpc[.](?:reply|listener)-.+"
)


class QueueFigures(msgspec.Struct, frozen=True, kw_only=True):
    """A queue or stream; figures that the broker does not report are None.

    The broker collects them every few seconds, so they are that old.
    """

    name: str
    kind: str
    state: str
    messages: int | None = None
    unacknowledged: int | None = None
    consumers: int | None = None
    bytes: int | None = None

    @property
    def is_foreign(self) -> bool:
        """Whether another system has made it."""
        return not _OWN.fullmatch(self.name)


class Binding(msgspec.Struct, frozen=True):
    """What a queue takes of an exchange."""

    exchange: str
    queue: str
    routing_key: str


class Broker(Protocol):
    """What the verbs ask of the broker."""

    def queues(self) -> Sequence[QueueFigures]:
        """Return all queues and streams of the virtual host; raises Unavailable."""
        ...

    def bindings(self) -> Sequence[Binding]:
        """Return what queues are bound to; raises Unavailable."""
        ...


class ManagementBroker:
    """RabbitMQ, by its management API."""

    def __init__(self, administration: BrokerAdministration) -> None:
        self._administration = administration

    def queues(self) -> list[QueueFigures]:
        """Return all queues and streams of the virtual host, by name; raises Unavailable."""
        rows = self._administration.queues()
        found = [
            QueueFigures(
                name=row["name"],
                kind=row.get("type", ""),
                state=row.get("state", ""),
                messages=row.get("messages"),
                unacknowledged=row.get("messages_unacknowledged"),
                consumers=row.get("consumers"),
                bytes=row.get("message_bytes"),
            )
            for row in rows
        ]
        return sorted(found, key=lambda queue: queue.name)

    def bindings(self) -> list[Binding]:
        """Return what queues are bound to, without the default exchange; raises Unavailable."""
        rows = self._administration.bindings()
        return [
            Binding(row["source"], row["destination"], row["routing_key"])
            for row in rows
            if row["source"] and row["destination_type"] == "queue"
        ]


def opened_broker() -> Broker | None:
    """Return the broker; None where SALDO_AMQP_ADMIN_URL names none.

    Raises Unavailable for a URL that cannot be used.
    """
    settings = load_settings()
    if not settings.amqp_admin_url:
        return None
    virtual_host = virtual_host_of(settings.staff_amqp_url or settings.amqp_url)
    return ManagementBroker(BrokerAdministration(settings.amqp_admin_url, virtual_host))
