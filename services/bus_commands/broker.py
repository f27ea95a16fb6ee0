"""What the broker tells of its queues, for staff who may ask its management API."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Protocol
from urllib.parse import quote, unquote, urlsplit

import msgspec
import requests

from shared.config import SERVICES, load_settings
from shared.errors import Unavailable

TIMEOUT_S = 5.0
_OWN = re.compile(
    rf"(?:{'|'.join(SERVICES)})[.](?:stream|dead|from[.]\w+)|rpc-\w+|rpc[.](?:reply|listener)-.+"
)


class QueueFigures(msgspec.Struct, frozen=True, kw_only=True):
    """A queue or stream; figures that the broker does not tell are None.

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

    def __init__(self, admin_url: str, virtual_host: str) -> None:
        parts = urlsplit(admin_url)
        self._auth = (unquote(parts.username or ""), unquote(parts.password or ""))
        host = parts.netloc.rpartition("@")[2]
        self._root = f"{parts.scheme}://{host}{parts.path.rstrip('/')}/api"
        self._host = quote(virtual_host, safe="")

    def queues(self) -> list[QueueFigures]:
        """Return all queues and streams of the virtual host, by name; raises Unavailable."""
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
            for row in self._get(f"queues/{self._host}")
        ]
        return sorted(found, key=lambda queue: queue.name)

    def bindings(self) -> list[Binding]:
        """Return what queues are bound to, without the default exchange; raises Unavailable."""
        return [
            Binding(row["source"], row["destination"], row["routing_key"])
            for row in self._get(f"bindings/{self._host}")
            if row["source"] and row["destination_type"] == "queue"
        ]

    def _get(self, path: str) -> list[dict[str, Any]]:
        try:
            response = requests.get(f"{self._root}/{path}", auth=self._auth, timeout=TIMEOUT_S)
            response.raise_for_status()
            rows: list[dict[str, Any]] = response.json()
        except requests.RequestException as error:
            status = getattr(error.response, "status_code", None)
            raise Unavailable(
                "broker_unavailable",
                f"RabbitMQ's management API refused: HTTP {status}."
                if status
                else "RabbitMQ's management API does not respond: look at SALDO_AMQP_ADMIN_URL.",
            ) from None
        return rows


def opened_broker() -> Broker | None:
    """Return the broker; None where SALDO_AMQP_ADMIN_URL names none."""
    settings = load_settings()
    if not settings.amqp_admin_url:
        return None
    path = urlsplit(settings.staff_amqp_url or settings.amqp_url).path.removeprefix("/")
    return ManagementBroker(settings.amqp_admin_url, unquote(path) or "/")
