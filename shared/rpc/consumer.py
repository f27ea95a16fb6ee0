"""The queue of a service's RPCs: nameko's consumer, with the gaps closed.

- Only the closed set of :mod:`shared.errors` crosses the wire; every other exception becomes an
  opaque id that the log explains.
- A request without an address of its sender in ``reply_to``, or one that does not decode, is logged
  and dropped: in nameko it kills the container.
- The broker expires a request whose deadline has passed in the queue.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from kombu import Connection, Queue
from nameko.exceptions import MethodNotFound
from nameko.messaging import QueueConsumer
from nameko.rpc import RpcConsumer

from shared import telemetry
from shared.bus.topology import connect
from shared.config import QUORUM
from shared.database_errors import is_transient, unavailable
from shared.errors import InternalError, NotFound, ServiceError
from shared.ids import new_id
from shared.logs import get_logger, trace_of
from shared.rpc.callers import LABELS, caller_of, can_reply, label_of
from shared.rpc.sender import RPC_EXCHANGE, Sender

log = get_logger(__name__)

QUEUES_KEY = "SALDO_RPC_QUEUES"
"""Where the type of the queues stands in nameko's configuration."""
REPLY_S = 5.0
"""How long a worker may try to send its reply: as long as most callers wait for it."""


class _PromptQueueConsumer(QueueConsumer):
    """Reconnects within a second, where nameko waits up to thirty; no write lasts for ever."""

    @property
    def connection(self) -> Any:
        return connect(self.amqp_uri, name=f"{self.container.service_name} requests")

    def establish_connection(self) -> Any:
        return _connected(self.connection, self.on_connection_error)


class _connected:  # noqa: N801 - a context manager, used like a function
    def __init__(self, connection: Connection, on_error: Callable[..., Any]) -> None:
        self._connection = connection.clone()
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

    def get_provider_for_method(self, routing_key: str) -> Any:
        """Return the method that is asked for; raises NotFound ``method_unknown``."""
        try:
            return super().get_provider_for_method(routing_key)
        except MethodNotFound:
            raise NotFound("method_unknown", "This service has no such method.") from None

    def handle_message(self, body: Any, message: Any) -> None:
        if not can_reply(message.properties):
            log.warning("rpc_without_reply_to", routing_key=_routing_key(message))
            telemetry.RPC_REFUSED.labels(
                self.container.service_name, label_of(caller_of(message.properties))
            ).inc()
            self._acknowledge(message)
            return
        super().handle_message(body, message)

    def handle_result(self, message: Any, result: Any, exc_info: Any) -> tuple[Any, Any]:
        error = None if exc_info is None else _wire_error(exc_info)
        try:
            self._sender.send(
                {"result": None if error else result, "error": error},
                ends=time.monotonic() + REPLY_S,
                serializer="json",
                routing_key=message.properties["reply_to"],
                correlation_id=message.properties.get("correlation_id"),
            )
        except Exception:
            log.warning("rpc_reply_lost", routing_key=_routing_key(message), exc_info=True)
        finally:
            self._acknowledge(message)
        return result, exc_info

    def _acknowledge(self, message: Any) -> None:
        try:
            self.queue_consumer.ack_message(message)
        except OSError as error:
            # The broker does not read; the message comes again, and its command id is known.
            log.warning("rpc_not_acknowledged", error=type(error).__name__)


def _routing_key(message: Any) -> str:
    return str(message.delivery_info.get("routing_key", ""))[:100]


def _wire_error(exc_info: Any) -> dict[str, Any]:
    error = exc_info[1]
    if is_transient(error):
        # The method has used the database by itself, without the store's retries.
        log.warning("rpc_unavailable", error=type(error).__name__)
        error = unavailable(error)
    if isinstance(error, ServiceError):
        return error.as_wire()
    error_id = str(new_id())
    # The trace has places in the code, not values. The text of an unexpected exception may quote a
    # row or an argument, so it is not logged.
    log.error(
        "rpc_failed",
        error_id=error_id,
        error=type(error).__name__,
        trace=trace_of(error),
    )
    return InternalError(
        "internal_error",
        f"Something went wrong here; give support the number {error_id}.",
        error_id=error_id,
    ).as_wire()
