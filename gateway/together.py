"""Questions that are asked together: one message for all that come while an answer is on its way.

A message costs its sender, the broker and the service far more than a question in it. So of each
method that many requests read, one message is under way at a time, as with the group commit of the
ledger: what is asked meanwhile waits for its answer, and goes with the next one. Who asks alone is
not slower.

Nothing is remembered: a question goes with a message that is sent after it was asked, so the answer
is never older than the question. Each has its own deadline, context and error.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Any, NamedTuple, Protocol
from uuid import UUID

import eventlet
from eventlet.event import Event

from gateway.operations import SERVICE_TIMEOUT
from shared import telemetry, tracing
from shared.books import with_books
from shared.config import GATEWAY
from shared.errors import ServiceError, from_wire
from shared.rpc.client import headers_of_call, no_reply

TOGETHER: Collection[tuple[str, str]] = frozenset(
    {
        ("identity", "authenticate"),
        ("identity", "profile"),
        ("accounts", "owns"),
        ("accounts", "linked"),
        ("ledger", "balance"),
        ("ledger", "balances"),
    }
)
"""Short reads that many requests make, of services that answer many at once."""
MOST = 100
"""Questions of one message."""
PATIENCE_S = 0.05
"""How long others wait for the answer under way: who has the message may be in trouble."""


class Asking(Protocol):
    """The RPC client, as far as it is used here."""

    def call(self, service: str, method: str, **arguments: Any) -> Any: ...

    def call_together(
        self, service: str, method: str, calls: list[dict[str, Any]], *, deadline: float
    ) -> list[Any]: ...


class _Question(NamedTuple):
    arguments: dict[str, Any]
    headers: dict[str, str]
    ends: float
    answered: Event


class Together:
    """The RPC client of the gateway: it asks some questions together, and the others as it is.

    Each book of the ledger is asked by itself, so that one that is slow holds up no other.
    """

    def __init__(self, client: Asking, books: Collection[str] = ()) -> None:
        self._client = client
        self._lanes = {
            (log, method): _Lane(client, log, method)
            for service, method in TOGETHER
            for log in with_books((service,), books)
        }

    def call(
        self,
        service: str,
        method: str,
        *,
        deadline: float = SERVICE_TIMEOUT,
        command_id: UUID | None = None,
        **arguments: Any,
    ) -> Any:
        """Call a method and return its result; as `RpcClient.call`."""
        lane = self._lanes.get((service, method))
        if lane is None or command_id is not None:
            return self._client.call(
                service, method, deadline=deadline, command_id=command_id, **arguments
            )
        with (
            telemetry.call_made(service, method),
            tracing.span(
                GATEWAY, f"call {service}.{method}", "client",
                rpc__system="nameko", rpc__service=service, rpc__method=method,
            ),
        ):  # fmt: skip
            return lane.ask(arguments, deadline)


class _Lane:
    """The questions to one method."""

    def __init__(self, client: Asking, service: str, method: str) -> None:
        self._client = client
        self._service = service
        self._method = method
        self._waiting: list[_Question] = []
        self._taken = False
        """Whether a message is under way, or about to be."""

    def ask(self, arguments: dict[str, Any], deadline: float) -> Any:
        """Return the answer to one question, or raise what it is refused with."""
        headers = headers_of_call()
        question = _Question(arguments, headers, time.monotonic() + deadline, Event())
        self._waiting.append(question)
        self._go_on()
        found = question.answered.wait(deadline)
        if not question.answered.ready():
            raise no_reply(self._service, self._method, deadline)
        return found

    def _go_on(self) -> None:
        if self._waiting and not self._taken:
            self._taken = True
            eventlet.spawn_n(self._send)

    def _send(self) -> None:
        """Send what waits, and pass on the answers."""
        questions, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
        turn = _Turn(self)
        patience = eventlet.spawn_after(PATIENCE_S, turn.end)
        try:
            outcomes = self._outcomes(questions)
        finally:
            patience.cancel()
            turn.end()
        for question, outcome in zip(questions, outcomes, strict=True):
            if isinstance(outcome, Exception):
                question.answered.send_exception(outcome)
            else:
                question.answered.send(outcome)

    def _outcomes(self, questions: list[_Question]) -> list[Any]:
        # As long as somebody waits.
        deadline = max(question.ends for question in questions) - time.monotonic()
        try:
            replies = self._client.call_together(
                self._service,
                self._method,
                [{"kwargs": each.arguments, "context": each.headers} for each in questions],
                deadline=deadline,
            )
        except Exception as error:  # noqa: BLE001 - raised to each who asked
            return [_again(error) for _ in questions]
        return [
            from_wire(reply["error"]) if reply["error"] else reply["result"] for reply in replies
        ]


class _Turn:
    """Whose turn it is to send; it ends once."""

    def __init__(self, lane: _Lane) -> None:
        self._lane = lane
        self._ended = False

    def end(self) -> None:
        """Let the next message go."""
        if not self._ended:
            self._ended = True
            self._lane._taken = False
            self._lane._go_on()


def _again(error: Exception) -> Exception:
    """Return an error for one of many who wait: a raised one has the trace of who raised it."""
    return from_wire(error.as_wire()) if isinstance(error, ServiceError) else error
