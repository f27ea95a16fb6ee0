"""The queue of a service's RPCs: nameko's consumer, with the gaps closed and one greenlet a call.

- Only the closed set of :mod:`shared.errors` crosses the wire; every other exception becomes an
  opaque id that the log explains.
- A request without an address of its sender in ``reply_to``, or one that does not decode, is logged
  and dropped: in nameko it kills the container.
- Each reply tells the time of the service: its caller may have no clock that it could compare
  instants of the service with.
- The broker expires a request whose deadline has passed in the queue.
- A call runs in a greenlet of the container's pool, which ends before the container does; nameko's
  machinery for a worker (a service object, dependencies, two greenlets and eight log records for
  each call) costs as much as a short read.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from kombu import Connection, Queue
from nameko.messaging import QueueConsumer
from nameko.rpc import RpcConsumer

from shared import telemetry
from shared.bus.topology import connect
from shared.clock import Clock
from shared.config import QUORUM
from shared.distant_clock import TIME_HEADER
from shared.errors import NotFound
from shared.logs import get_logger
from shared.rpc.callers import LABELS, caller_of, can_reply, label_of
from shared.rpc.sender import RPC_EXCHANGE, Sender
from shared.rpc.serving import Method, Serving, wire_error
from shared.rpc.wire import JSON_TYPE, decoded, encoded

log = get_logger(__name__)

QUEUES_KEY = "SALDO_RPC_QUEUES"
"""Where the type of the queues stands in nameko's configuration."""
CONFIG_KEY = "SALDO"
"""Where the dependencies of the services stand in it."""
REPLY_S = 5.0
"""How long a worker may try to send its reply: as long as most callers wait for it."""


class _PromptQueueConsumer(QueueConsumer):
    """Reconnects within a second, where nameko waits up to thirty; no write lasts for ever."""

    @property
    def connection(self) -> Any:
        return connect(self.amqp_uri, name=f"{self.container.service_name} requests")

    def establish_connection(self) -> Any:
        return _connected(self.connection, self.on_connection_error)

    def get_consumers(self, consumer_cls: Any, channel: Any) -> Any:
        for provider in self._providers:
            consumer = consumer_cls(
                queues=[provider.queue], on_message=partial(self._received, provider)
            )
            consumer.qos(prefetch_count=self.prefetch_count)
            self._consumers[provider] = consumer
        return self._consumers.values()

    def _received(self, provider: Any, message: Any) -> None:
        # There is always room: the broker sends no more than so many that are not acknowledged.
        self.container._worker_pool.spawn_n(provider.serve, message)


class _connected:  # noqa: N801 - a context manager, used like a function
    def __init__(self, connection: Connection, on_error: Callable[..., Any]) -> None:
        self._connection = connection.clone()
        self._connection.reads_ahead = True
        self._on_error = on_error

    def __enter__(self) -> Connection:
        self._connection.ensure_connection(
            self._on_error, interval_start=0.2, interval_step=0.2, interval_max=1.0
        )
        return self._connection

    def __exit__(self, *error: Any) -> None:
        self._connection.__exit__(*error)


class RobustRpcConsumer(RpcConsumer):
    """Survives malformed messages in the queue."""

    queue_consumer = _PromptQueueConsumer()

    def setup(self) -> None:
        super().setup()
        service = self.container.service_name
        telemetry.of_rpc_server(service, LABELS)
        # The exchange is there: nobody who calls or serves may declare it, or delete it.
        # A lost reply is a missed deadline, so nobody waits for a confirm.
        self._sender = Sender(
            self.container.config["AMQP_URI"], name=f"{service} answers", user=service
        )
        # A classic queue lives on one node: in a cluster nobody could call while that is down.
        quorum = self.container.config.get(QUEUES_KEY) == QUORUM
        self.queue = Queue(
            f"rpc-{service}",
            exchange=RPC_EXCHANGE,
            routing_key=f"{service}.*",
            durable=True,
            queue_arguments={"x-queue-type": QUORUM} if quorum else None,
        )

    def start(self) -> None:
        # No cached properties: nameko looks at each attribute before there is anything to find.
        service = self.container.service_name
        self._methods: dict[str, Method] = {
            f"{service}.{method.method_name}": method for method in self._providers
        }
        self._serving = Serving(self.container)
        self._clock: Clock = self.container.config[CONFIG_KEY].store.clock
        super().start()

    def serve(self, message: Any) -> None:
        """Reply to one message and acknowledge it, whatever it holds."""
        try:
            if not can_reply(message.properties):
                log.warning("rpc_without_reply_to", routing_key=_routing_key(message))
                telemetry.RPC_REFUSED.labels(
                    self.container.service_name, label_of(caller_of(message.properties))
                ).inc()
                return
            if message.content_type != JSON_TYPE:
                log.warning("rpc_undecodable", routing_key=_routing_key(message))
                return
            try:
                asked = decoded(message.body)
            except ValueError as error:
                log.warning(
                    "rpc_undecodable",
                    routing_key=_routing_key(message),
                    error=type(error).__name__,
                )
                return
            self._send(message, self._reply(message, asked))
        except Exception:
            log.warning("rpc_reply_lost", routing_key=_routing_key(message), exc_info=True)
        finally:
            self._acknowledge(message)

    def _reply(self, message: Any, asked: Any) -> bytes:
        try:
            method = self._methods.get(str(message.delivery_info.get("routing_key")))
            if method is None:
                raise NotFound("method_unknown", "This service has no such method.")
            return encoded(self._serving.reply_to(method, asked, message))
        except Exception as error:  # noqa: BLE001 - the caller is told
            return encoded({"result": None, "error": wire_error(error)})

    def _send(self, message: Any, reply: bytes) -> None:
        properties, at = message.properties, self._clock.known()
        told = {} if at is None else {"application_headers": {TIME_HEADER: at.isoformat()}}
        self._sender.send(
            reply,
            properties["reply_to"],
            ends=time.monotonic() + REPLY_S,
            correlation_id=properties.get("correlation_id"),
            **told,
        )

    def _acknowledge(self, message: Any) -> None:
        try:
            self.queue_consumer.ack_message(message)
        except OSError as error:
            # The broker does not read; the message comes again, and its command id is known.
            log.warning("rpc_not_acknowledged", error=type(error).__name__)


def _routing_key(message: Any) -> str:
    return str(message.delivery_info.get("routing_key", ""))[:100]
