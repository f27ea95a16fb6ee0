"""The RPC client: one for servers, workers, the gateway, CLIs and tests.

It speaks nameko's protocol (exchange ``nameko-rpc``, ``<service>.<method>``, JSON ``args`` and
``kwargs``) and adds a deadline to every call, after which the message expires in the queue too, so
that no service works for a caller that has given up.

Each reply tells the time of its service; whoever has no database may go by that
(:mod:`shared.distant_clock`).

It uses plain threads. Where eventlet has patched them they are green, and one process can have
hundreds of calls in progress.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import Any
from uuid import UUID

import msgspec
from kombu import Connection, Queue
from kombu.messaging import Consumer
from msgspec.structs import replace

from shared import context, telemetry, tracing
from shared.bus.principals import user_of
from shared.bus.topology import connect
from shared.distant_clock import TIME_HEADER, ServiceClocks, uptime
from shared.errors import Unavailable, from_wire
from shared.ids import new_id
from shared.logs import get_logger
from shared.rpc.sender import RPC_EXCHANGE, Sender, bus_unavailable
from shared.rpc.wire import decoded

log = get_logger(__name__)

DEADLINE_S = 5.0
RECONNECT_S = (0.2, 0.5, 1.0)
"""Pauses between attempts to connect: a call that waits for one must still be in time."""


class _Pending:
    """A call that waits for its reply."""

    __slots__ = ("arrived", "asked", "reply", "service")

    def __init__(self, service: str) -> None:
        self.service = service
        self.asked = uptime()
        self.arrived = threading.Event()
        self.reply: dict[str, Any] | None = None


class RpcClient:
    """Calls services; safe for many threads or greenlets. What they tell of the time, ``clocks``
    learn."""

    def __init__(self, amqp_url: str, *, name: str, clocks: ServiceClocks | None = None) -> None:
        self._url = amqp_url
        self._name = name
        self._clocks = clocks
        self._user = user_of(amqp_url)
        # Both names begin with the user: the broker lets nobody else read or bind them.
        self._address = f"{self._user}.{new_id()}"
        self._routing_key = f"reply.{self._address}"
        self._pending: dict[str, _Pending] = {}
        self._sender = Sender(amqp_url, name=f"{name} calls", user=self._user)
        self._listening = threading.Event()
        self._closed = threading.Event()
        self._listener: threading.Thread | None = None
        self._starting = threading.Lock()

    def call(
        self,
        service: str,
        method: str,
        *,
        deadline: float = DEADLINE_S,
        command_id: UUID | None = None,
        **kwargs: Any,
    ) -> Any:
        """Call a method and return its result (JSON).

        ``deadline`` is in seconds. Raises the service's ServiceError, or Unavailable when there
        was no reply in time: the outcome is then unknown, and the same command may be sent again
        under the same command id.
        """
        with (
            telemetry.call_made(service, method),
            tracing.span(
                self._user, f"call {service}.{method}", "client",
                rpc__system="nameko", rpc__service=service, rpc__method=method,
            ),
        ):  # fmt: skip
            return self._call(service, method, deadline, command_id, kwargs)

    def call_together(
        self, service: str, method: str, calls: list[dict[str, Any]], *, deadline: float
    ) -> list[dict[str, Any]]:
        """Call a method once for each of ``calls``, all by one message; return their outcomes.

        Each call is ``{kwargs, context}``, the context as headers; each outcome ``{result,
        error}``, in the order of the calls. Raises like :meth:`call` what concerns them all.
        """
        if len(calls) == 1:
            # As a service of the version before understands it.
            headers, kwargs = calls[0]["context"], calls[0]["kwargs"]
            return [
                self._exchange(service, method, {"args": [], "kwargs": kwargs}, headers, deadline)
            ]
        body = {"args": [], "kwargs": {}, "calls": calls}
        reply = self._exchange(service, method, body, {}, deadline)
        if reply.get("error"):
            raise from_wire(reply["error"])
        outcomes: list[dict[str, Any]] = reply.get("result") or []
        if len(outcomes) != len(calls):
            raise no_reply(service, method, deadline)
        return outcomes

    def _call(
        self,
        service: str,
        method: str,
        deadline: float,
        command_id: UUID | None,
        kwargs: dict[str, Any],
    ) -> Any:
        headers = self._headers_of_command(service, command_id) if command_id else headers_of_call()
        reply = self._exchange(service, method, {"args": [], "kwargs": kwargs}, headers, deadline)
        if reply.get("error"):
            raise from_wire(reply["error"])
        return reply.get("result")

    def _headers_of_command(self, service: str, command_id: UUID) -> dict[str, str]:
        request = context.current()
        asked_at = request.asked_at
        if asked_at is not None and self._clocks is not None:
            asked_at = self._clocks.by_clock_of(service, asked_at)
        return replace(request, command_id=command_id, asked_at=asked_at).as_headers()

    def _exchange(
        self,
        service: str,
        method: str,
        asked: dict[str, Any],
        headers: dict[str, str],
        deadline: float,
    ) -> dict[str, Any]:
        """Send a request and return its reply."""
        ends = time.monotonic() + deadline
        self._ensure_listening(deadline)
        call_id, pending = str(new_id()), _Pending(service)
        self._pending[call_id] = pending
        try:
            self._sender.send(
                msgspec.json.encode(asked),
                f"{service}.{method}",
                ends=ends,
                reply_to=self._routing_key,
                correlation_id=call_id,
                # Requests are not worth a disk write: when the broker restarts, the caller has
                # given up before they could be processed.
                expiration=str(max(1, int(1000 * (ends - time.monotonic())))),
                application_headers={f"nameko.{key}": value for key, value in headers.items()},
            )
            if not pending.arrived.wait(max(0.0, ends - time.monotonic())):
                raise no_reply(service, method, deadline)
        finally:
            self._pending.pop(call_id, None)
        if pending.reply is None:
            raise no_reply(service, method, deadline)
        return pending.reply

    def close(self) -> None:
        """Stop listening and drop the connections."""
        self._closed.set()
        if self._listener is not None:
            self._listener.join(timeout=5)
        self._sender.close()

    def _ensure_listening(self, deadline: float) -> None:
        with self._starting:
            if self._listener is None:
                self._listener = threading.Thread(
                    target=self._listen, name=f"{self._name}-replies", daemon=True
                )
                self._listener.start()
        if not self._listening.wait(deadline):
            raise bus_unavailable()

    def _listen(self) -> None:
        queue = Queue(
            f"rpc.reply-{self._address}",
            exchange=RPC_EXCHANGE,
            routing_key=self._routing_key,
            exclusive=True,
            auto_delete=True,
            durable=False,
        )
        failures = 0
        while not self._closed.is_set():
            try:
                with connect(
                    self._url, name=f"{self._name} replies", reads_ahead=True
                ) as connection:
                    self._listen_on(connection, queue)
            except Exception as error:  # noqa: BLE001 - logged; the thread must survive them all
                log.warning("rpc_replies_lost", user=self._user, error=type(error).__name__)
            if self._listening.is_set():
                failures = 0
            self._listening.clear()
            self._fail_pending()
            # The broker is gone: messages written to the other connection are lost as well.
            self._sender.drop()
            self._closed.wait(RECONNECT_S[min(failures, len(RECONNECT_S) - 1)])
            failures += 1

    def _listen_on(self, connection: Connection, queue: Queue) -> None:
        channel = connection.channel()
        with Consumer(channel, [queue], on_message=self._received, no_ack=True):
            self._listening.set()
            while not self._closed.is_set():
                with suppress(TimeoutError):
                    connection.drain_events(timeout=0.3)
                # After a reply, too: under a steady load there is never a silence of 0.3 s, and the
                # broker ends a connection from which it hears nothing.
                connection.heartbeat_check()

    def _received(self, message: Any) -> None:
        try:
            body = decoded(message.body)
        except ValueError as error:
            log.warning("rpc_reply_undecodable", error=type(error).__name__)
        else:
            self._on_reply(body, message)

    def _on_reply(self, body: Any, message: Any) -> None:
        call_id = str(message.properties.get("correlation_id"))
        pending = self._pending.get(call_id)
        if pending is not None and message.properties.get("user_id") == pending.service:
            self._pending.pop(call_id, None)
            if self._clocks is not None:
                told = (message.headers or {}).get(TIME_HEADER)
                self._clocks.learn(pending.service, told, pending.asked, uptime())
            pending.reply = body if isinstance(body, dict) else None
            pending.arrived.set()

    def _fail_pending(self) -> None:
        # The reply queue is gone: no reply to the calls in progress will arrive.
        for call_id in list(self._pending):
            pending = self._pending.pop(call_id, None)
            if pending is not None:
                pending.arrived.set()


def headers_of_call() -> dict[str, str]:
    """Return the context as headers of a call that is no command.

    A command id belongs to one command, not to the calls that it makes.
    """
    return replace(context.current(), command_id=None, asked_at=None).as_headers()


def no_reply(service: str, method: str, deadline: float) -> Unavailable:
    """Return the refusal of a call that nobody has answered in time."""
    return Unavailable(
        "service_unavailable",
        f"{service}.{method} did not reply within {deadline:g} s, so the outcome is unknown; "
        "send the same command again.",
        service=service,
    )
