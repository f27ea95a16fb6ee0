"""Serving a call: who calls, its arguments, the method, and how it ended.

A message asks once, or many times at once (``calls``): what a gateway is asked while an answer is
on its way goes with its next message (:mod:`gateway.together`). Each of these calls has arguments,
a context and an outcome of its own. A method that names another one as ``together`` answers them
by that one, in one transaction.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple, Protocol

from shared import context, telemetry, tracing
from shared.bus.principals import Principal
from shared.database_errors import is_transient, unavailable
from shared.errors import Forbidden, InternalError, ServiceError, ValidationFailed
from shared.eventstore import Store
from shared.ids import new_id
from shared.logs import get_logger, trace_of
from shared.rpc.callers import Callers, believed, caller_of, label_of

log = get_logger(__name__)

MOST_TOGETHER = 200
"""Calls in one message."""
_PREFIX = "nameko."


class Method(Protocol):
    """An RPC method, as `shared.rpc.server.rpc` makes it."""

    method_name: str
    callers: Callers
    together: str

    def load(self, arguments: Any) -> dict[str, Any]: ...

    def count(self, outcome: str, seconds: float) -> None: ...


class _Call(NamedTuple):
    """One of many calls in a message: its place among them, its context and its arguments."""

    place: int
    bound: dict[str, Any]
    arguments: dict[str, Any]


class Serving:
    """The methods of one service, on one instance of its class: it keeps nothing of a call."""

    def __init__(self, container: Any) -> None:
        self.name: str = container.service_name
        self._service = container.service_cls()
        for dependency in container.dependencies:
            setattr(self._service, dependency.attr_name, dependency.get_dependency(None))
        self._in_progress = telemetry.RPC_IN_PROGRESS.labels(self.name)

    def reply_to(self, method: Method, asked: Any, message: Any) -> dict[str, Any]:
        """Return ``{result, error}`` of a message; raises ServiceError for what is no call."""
        caller = caller_of(message.properties)
        try:
            method.callers.check(caller)
        except Forbidden:
            note_refused(self.name, method.method_name, caller)
            raise
        if caller is None or not isinstance(asked, dict) or asked.get("args"):
            raise _no_call()
        headers = {
            name.removeprefix(_PREFIX): value for name, value in (message.headers or {}).items()
        }
        bound = believed(caller, headers)
        calls = asked.get("calls")
        if calls is None:
            call = _Call(0, bound, method.load(asked.get("kwargs") or {}))
            return self._one(method, call)
        with context.bind(**bound):
            return {"result": self._many(method, caller, calls), "error": None}

    def _one(self, method: Method, call: _Call) -> dict[str, Any]:
        with context.bind(**call.bound), self._counted(method, [call]) as outcomes:
            try:
                result = getattr(self._service, method.method_name)(**call.arguments)
            except Exception as error:  # noqa: BLE001 - what the caller is told, or logged
                outcomes[0] = error
                return {"result": None, "error": wire_error(error)}
            return {"result": result, "error": None}

    def _many(self, method: Method, caller: Principal, calls: Any) -> list[dict[str, Any]]:
        """Return the outcome of each of many calls, in their order."""
        if not isinstance(calls, list) or not 0 < len(calls) <= MOST_TOGETHER:
            raise _no_call()
        replies: list[dict[str, Any]] = [{}] * len(calls)
        asked = list[_Call]()
        for place, each in enumerate(calls):
            try:
                asked.append(_call_of(method, caller, place, each))
            except ServiceError as error:
                replies[place] = {"result": None, "error": error.as_wire()}
        if method.together and len(asked) > 1 and caller.kind != "staff":
            answered = self._together(method, asked)
            if answered is not None:
                return [answered.get(place, reply) for place, reply in enumerate(replies)]
        for call in asked:
            replies[call.place] = self._one(method, call)
        return replies

    def _together(self, method: Method, calls: Sequence[_Call]) -> dict[int, dict[str, Any]] | None:
        """Return the outcomes by place; None if they have to be found one by one."""
        with self._counted(method, calls) as outcomes:
            try:
                found = getattr(self._service, method.together)([each.arguments for each in calls])
            except ServiceError as error:
                found = [error] * len(calls)
            except Exception as error:  # noqa: BLE001 - one of them may be the cause: each alone
                if not is_transient(error):
                    log.warning("rpc_together_failed", error=type(error).__name__)
                    outcomes.clear()
                    return None
                found = [unavailable(error)] * len(calls)
            replies = {}
            for call, one in zip(calls, found, strict=True):
                failed = one if isinstance(one, ServiceError) else None
                outcomes[call.place] = failed
                replies[call.place] = {
                    "result": None if failed else one,
                    "error": failed.as_wire() if failed else None,
                }
            return replies

    @contextmanager
    def _counted(
        self, method: Method, calls: Sequence[_Call]
    ) -> Iterator[dict[int, Exception | None]]:
        """Count and trace calls, and log how they ended; ``{place: error}`` is to be filled in."""
        began = time.monotonic()
        outcomes: dict[int, Exception | None] = {call.place: None for call in calls}
        self._in_progress.inc(len(calls))
        try:
            with ExitStack() as spans:
                traced = self._traced(spans, method, calls) if tracing.enabled() else {}
                yield outcomes
                for place, error in outcomes.items():
                    if error is not None and place in traced:
                        traced[place].failed(error)
        finally:
            self._in_progress.dec(len(calls))
            seconds = time.monotonic() - began
            for error in outcomes.values():
                self._note(method, error, seconds)

    def _traced(
        self, spans: ExitStack, method: Method, calls: Sequence[_Call]
    ) -> dict[int, tracing.Span]:
        return {
            call.place: spans.enter_context(
                tracing.span(
                    self.name, f"{self.name}.{method.method_name}", "server",
                    parent=call.bound["traceparent"],
                    rpc__system="nameko", rpc__service=self.name, rpc__method=method.method_name,
                )
            )
            for call in calls
        }  # fmt: skip

    def _note(self, method: Method, error: Exception | None, seconds: float) -> None:
        method.count(telemetry.outcome_of(error), seconds)
        name = f"{self.name}.{method.method_name}"
        if isinstance(error, ServiceError):
            log.info("rpc_refused", method=name, code=error.code)
        elif error is None and context.current().command_id is not None:
            log.info("rpc_answered", method=name)
        elif error is None:
            # The counters have it; a read that succeeded tells whoever looks for a fault nothing.
            log.debug("rpc_answered", method=name)


def read_each(
    store: Store, read: Callable[..., Any], calls: Sequence[Mapping[str, Any]]
) -> list[Any]:
    """Return what each of many calls reads, or is refused with, in one transaction."""
    return store.query(lambda session: [_read(session, read, call) for call in calls])


def _read(session: Any, read: Callable[..., Any], call: Mapping[str, Any]) -> Any:
    try:
        return read(session, **call)
    except ServiceError as error:
        return error


def note_refused(service: str, what: str, caller: Principal | None) -> None:
    """Count and log a caller that is not served."""
    telemetry.RPC_REFUSED.labels(service, label_of(caller)).inc()
    log.warning(
        "rpc_caller_refused", service=service, what=what, caller=caller.user if caller else ""
    )


def wire_error(error: Exception) -> dict[str, Any]:
    """Return what a caller is told of an error: of an unexpected one an id that the log has."""
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


def _call_of(method: Method, caller: Principal, place: int, each: Any) -> _Call:
    if not isinstance(each, dict) or not isinstance(each.get("context", {}), Mapping):
        raise _no_call()
    bound = believed(caller, each.get("context", {}))
    return _Call(place, bound, method.load(each.get("kwargs") or {}))


def _no_call() -> ValidationFailed:
    return ValidationFailed(
        "invalid_request", "Send a JSON object with empty args and with kwargs."
    )
