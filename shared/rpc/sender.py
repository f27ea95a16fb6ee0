"""Sending requests and replies: each message within its time limit, or not at all.

All callers of a process share one connection. None of them holds the others up for longer than he
waits himself: it is made in a thread of its own, and a message that the broker does not take in
time ends it.
"""

from __future__ import annotations

import threading
import time
from typing import Any

import amqp
from amqp import spec
from kombu import Exchange
from kombu.exceptions import OperationalError

from shared.bus import permissions
from shared.bus.broker_connection import BrokerConnection
from shared.bus.topology import connect
from shared.errors import Unavailable
from shared.logs import get_logger
from shared.rpc.wire import JSON_TYPE

log = get_logger(__name__)

RPC_EXCHANGE = Exchange(permissions.RPC_EXCHANGE, durable=True, type="topic", no_declare=True)
"""It is made where the broker's users are: whoever may declare an exchange may delete it."""
# A connection that cannot be established raises kombu's own OperationalError.
_LOST = (OSError, ConnectionError, OperationalError)


DROP_S = 1.0
"""How long dropping a connection waits for whoever is sending on it."""
LISTEN_EACH_S = 0.05
"""How often is read what the broker says on it. py-amqp does so before each message, by system
calls that cost more than the message."""
_TRANSIENT = 1


class _Link:
    """A connection, its channel, and when it was last read."""

    __slots__ = ("amqp", "channel", "connection", "errors", "listen_at", "transport")

    def __init__(self, connection: BrokerConnection) -> None:
        self.connection = connection
        self.channel = connection.channel()
        # Of kombu's connection each of these would be made anew when it is lost: not here.
        self.amqp: Any = connection.connection
        self.transport: Any = self.amqp.transport
        self.errors = (*_LOST, *connection.connection_errors, *connection.channel_errors)
        self.listen_at = 0.0


class Sender:
    """Publishes to the exchange of the RPCs; safe for many threads or greenlets."""

    def __init__(self, amqp_url: str, *, name: str, user: str) -> None:
        self._url = amqp_url
        self._name = name
        self._user = user
        self._publishing = threading.Lock()
        self._state = threading.Lock()
        self._link: _Link | None = None
        self._made: threading.Event | None = None
        """Set when the connection that is being made is there, or cannot be made."""
        self._closed = False

    def send(self, body: bytes, routing_key: str, *, ends: float, **properties: Any) -> None:
        """Send JSON before an instant of time.monotonic(), with more properties of the message.

        Raises Unavailable ``bus_unavailable`` when the broker cannot be reached or does not read.
        """
        for attempt in (1, 2):
            link = self._connected(ends)
            if link is None:
                if attempt == 1 and time.monotonic() < ends:
                    continue
                raise bus_unavailable()
            if not self._publishing.acquire(timeout=max(0.0, ends - time.monotonic())):
                raise bus_unavailable()
            try:
                if self._link is not link:  # dropped meanwhile
                    continue
                self._publish(link, body, routing_key, ends, properties)
            except link.errors as error:
                self._drop(link)
                if attempt == 2 or time.monotonic() >= ends:
                    raise bus_unavailable() from error
            else:
                return
            finally:
                self._publishing.release()
        raise bus_unavailable()

    def drop(self) -> None:
        """Forget the connection: what was written to it may be lost."""
        with self._state:
            link, self._link = self._link, None
        if link is None:
            return
        # Whoever is sending has a time limit of his own; but nobody waits for that here.
        idle = self._publishing.acquire(timeout=DROP_S)
        try:
            link.connection.drop()
        finally:
            if idle:
                self._publishing.release()

    def close(self) -> None:
        """Drop the connection for good."""
        self._closed = True
        self.drop()

    def _publish(
        self, link: _Link, body: bytes, routing_key: str, ends: float, properties: dict[str, Any]
    ) -> None:
        now = time.monotonic()
        left = ends - now
        if left <= 0:
            raise bus_unavailable()
        if link.connection.is_blocked or now >= link.listen_at:
            # A channel that the broker has closed is opened anew while it is read: that waits.
            with link.transport.having_timeout(left):
                _read_what_is_there(link.amqp)
            link.listen_at = now + LISTEN_EACH_S
        # While it is blocked nobody reads the message.
        if link.connection.is_blocked:
            raise bus_unavailable()
        message = amqp.Message(
            body,
            content_type=JSON_TYPE,
            content_encoding="utf-8",
            delivery_mode=_TRANSIENT,
            user_id=self._user,
            **properties,
        )
        with link.transport.having_timeout(left):
            link.channel.send_method(
                spec.Basic.Publish, "Bssbb", (0, RPC_EXCHANGE.name, routing_key, 0, 0), message
            )

    def _connected(self, ends: float) -> _Link | None:
        """Return the connection, made if there is none; None if it cannot be made in time."""
        with self._state:
            if self._link is not None:
                return self._link
            if self._closed:
                return None
            made = self._made
            if made is None:
                made = self._made = threading.Event()
                threading.Thread(
                    target=self._connect, args=(made,), name=self._name, daemon=True
                ).start()
        made.wait(max(0.0, ends - time.monotonic()))
        return self._link

    def _connect(self, made: threading.Event) -> None:
        link = None
        try:
            link = self._new_link()
        except Exception as error:  # noqa: BLE001 - logged; whoever waits is told that there is none
            log.warning("rpc_sender_not_connected", user=self._user, error=type(error).__name__)
        with self._state:
            self._link, self._made = link, None
        made.set()
        if self._closed:
            self.drop()

    def _new_link(self) -> _Link:
        # It is not read between messages, so it could not answer heartbeats.
        connection = connect(self._url, name=self._name, heartbeat=0)
        try:
            connection.ensure_connection(max_retries=1, interval_start=0.1)
            return _Link(connection)
        except BaseException:
            connection.drop()
            raise

    def _drop(self, link: _Link) -> None:
        with self._state:
            if self._link is link:
                self._link = None
        link.connection.drop()


def _read_what_is_there(connection: Any) -> None:
    try:
        connection.drain_events(timeout=0)
    except TimeoutError:
        return


def bus_unavailable() -> Unavailable:
    """Return the refusal of a call for which there is no bus."""
    return Unavailable(
        "bus_unavailable", "The message bus does not respond; send it again in a moment."
    )
