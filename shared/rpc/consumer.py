"""The queue of a service's RPCs: nameko's consumer and responder, with the gaps closed.

- Only the closed set of :mod:`shared.errors` crosses the wire; every other exception becomes an
  opaque id that the log explains.
- A request without an address of its sender in ``reply_to``, or one that does not decode, is logged
  and dropped: in nameko it kills the container.
- The broker expires a request whose deadline has passed in the queue.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

from kombu import Connection, Queue
from nameko.exceptions import MethodNotFound
from nameko.messaging import QueueConsumer
from nameko.rpc import Responder, RpcConsumer

from shared import telemetry
from shared.errors import InternalError, NotFound, ServiceError
from shared.ids import new_id
from shared.logs import get_logger
from shared.rpc.callers import LABELS, caller_of, can_reply, label_of
from shared.rpc.client import RPC_EXCHANGE

log = get_logger(__name__)


class _PromptQueueConsumer(QueueConsumer):
    """Reconnects within a second, where nameko waits up to thirty."""

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

    def __exit__(self, *_: object) -> None:
        self._connection.release()


class _QuickResponder(Responder):
    """Sends the reply without waiting for a confirm: a lost reply is a missed deadline."""

    user = ""

    def send_response(self, result: Any, exc_info: Any) -> tuple[Any, Any]:
        error = None if exc_info is None else _wire_error(exc_info)
        publisher = self.publisher_cls(self.amqp_uri, ssl=self.ssl, login_method=self.login_method)
        publisher.publish(
            {"result": None if error else result, "error": error},
            serializer="json",
            exchange=self.exchange,
            routing_key=self.message.properties["reply_to"],
            correlation_id=self.message.properties.get("correlation_id"),
            user_id=self.user,
            use_confirms=False,
            delivery_mode=1,
        )
        return result, exc_info


class RobustRpcConsumer(RpcConsumer):
    """Survives malformed messages in the queue."""

    queue_consumer = _PromptQueueConsumer()

    def setup(self) -> None:
        super().setup()
        service = self.container.service_name
        telemetry.of_rpc_server(service, LABELS)
        # The exchange is there: nobody who calls or serves may declare it, or delete it.
        self.queue = Queue(
            f"rpc-{service}", exchange=RPC_EXCHANGE, routing_key=f"{service}.*", durable=True
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
            self.queue_consumer.ack_message(message)
            return
        super().handle_message(body, message)

    def handle_result(self, message: Any, result: Any, exc_info: Any) -> tuple[Any, Any]:
        responder = _QuickResponder(
            self.container.config["AMQP_URI"],
            self.queue.exchange,
            "json",
            message,
            ssl=self.container.config["AMQP_SSL"],
        )
        responder.user = self.container.service_name
        try:
            return responder.send_response(result, exc_info)
        except Exception:
            log.warning("rpc_reply_lost", routing_key=_routing_key(message), exc_info=True)
            return result, exc_info
        finally:
            self.queue_consumer.ack_message(message)


def _routing_key(message: Any) -> str:
    return str(message.delivery_info.get("routing_key", ""))[:100]


def _wire_error(exc_info: Any) -> dict[str, Any]:
    error = exc_info[1]
    if isinstance(error, ServiceError):
        return error.as_wire()
    error_id = str(new_id())
    # The trace has places in the code, not values. The text of an unexpected exception may quote a
    # row or an argument, so it is not logged.
    log.error(
        "rpc_failed",
        error_id=error_id,
        error=type(error).__name__,
        trace="".join(traceback.format_tb(exc_info[2]))[-4000:],
    )
    return InternalError(
        "internal_error",
        f"Something went wrong here; give support the number {error_id}.",
        error_id=error_id,
    ).as_wire()
