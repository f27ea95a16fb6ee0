"""Sending requests and replies: each message within its time limit, or not at all.

All callers of a process share one connection. None of them holds the others up for longer than he
waits himself: it is made in a thread of its own, and a message that the broker does not take in
time ends it.
"""

from __future__ import annotations

import threading
import time
from typing import Any, NamedTuple

from kombu import Exchange
from kombu.exceptions import OperationalError
from kombu.messaging import Producer

from shared.bus import permissions
from shared.bus.broker_connection import BrokerConnection
from shared.bus.topology import connect
from shared.errors import Unavailable
from shared.logs import get_logger

log = get_logger(__name__)

RPC_EXCHANGE = Exchange(permissions.RPC_EXCHANGE, durable=True, type="topic", no_declare=True)
"""It is made where the broker's users are: whoever may declare an exchange may delete it."""
# A connection that cannot be established raises kombu's own OperationalError.
_LOST = (OSError, ConnectionError, OperationalError)


DROP_S = 1.0
"""How long dropping a connection waits for whoever is sending on it."""


class _Link(NamedTuple):
    connection: BrokerConnection
    transport: Any
    producer: Producer
    errors: tuple[type[BaseException], ...]


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

    def send(self, body: Any, *, ends: float, **properties: Any) -> None:
        """Send a message before an instant of time.monotonic().

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
                self._publish(link, body, ends, properties)
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

    def _publish(self, link: _Link, body: Any, ends: float, properties: dict[str, Any]) -> None:
        left = ends - time.monotonic()
        if left <= 0:
            raise bus_unavailable()
        if link.connection.is_blocked:
            _read_what_is_there(link.connection)
        if not link.connection.is_blocked:
            with link.transport.having_timeout(left):
                link.producer.publish(body, user_id=self._user, delivery_mode=1, **properties)
        # It may have said so only now; then nobody reads the message for as long as it lasts.
        if link.connection.is_blocked:
            raise bus_unavailable()

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
            producer = Producer(connection.channel(), exchange=RPC_EXCHANGE)
        except BaseException:
            connection.drop()
            raise
        errors = (*_LOST, *connection.connection_errors, *connection.channel_errors)
        return _Link(connection, connection.connection.transport, producer, errors)

    def _drop(self, link: _Link) -> None:
        with self._state:
            if self._link is link:
                self._link = None
        link.connection.drop()


def _read_what_is_there(connection: BrokerConnection) -> None:
    try:
        connection.drain_events(timeout=0)
    except TimeoutError:
        return


def bus_unavailable() -> Unavailable:
    """Return the refusal of a call for which there is no bus."""
    return Unavailable(
        "bus_unavailable", "The message bus does not respond; send it again in a moment."
    )
