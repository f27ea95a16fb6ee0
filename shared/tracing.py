"""Traces, for whoever sets SALDO_OTLP_ENDPOINT: a span for each request, call, command, publishing
and reaction, sent by OTLP over HTTP.

Without it nothing is imported and nothing is recorded. The trace travels in the context of a call,
as W3C trace context. Through the log and the bus no header carries it: the trace follows from the
correlation id, which every event has, and the span of a command or a message from its id
(:func:`shared.context.trace_id_of`). So a relay or a reaction, in another process and days later,
joins the trace of the request.

A span names methods, templates of routes, types of events and kinds of errors: never an argument, a
path, a number or the text of an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Literal, Protocol
from uuid import UUID

from shared import context
from shared.config import ConfigurationError
from shared.errors import ServiceError

if TYPE_CHECKING:
    from shared.otlp import Tracers

Kind = Literal["server", "client", "producer", "consumer", "internal"]

_HERE = "here"
_tracers: Tracers | None = None


class Span(Protocol):
    """What is done within a block; entering it binds the trace context."""

    def __enter__(self) -> Span: ...

    def __exit__(self, *_: object) -> None: ...

    def describe(self, name: str = "", **attributes: Any) -> None:
        """Name the span anew, and add attributes; ``__`` in a name stands for a dot."""
        ...

    def failed(self, error: BaseException) -> None:
        """Mark the span as failed, by the kind of the error."""
        ...


class _Nothing:
    """The span of a process that records none."""

    __slots__ = ()

    def __enter__(self) -> Span:
        return self

    def __exit__(self, *_: object) -> None:
        """Do nothing."""

    def describe(self, name: str = "", **attributes: Any) -> None:
        """Do nothing."""

    def failed(self, error: BaseException) -> None:
        """Do nothing."""


_NOTHING = _Nothing()


def start(endpoint: str) -> None:
    """Record spans from here, and send them to a collector; does nothing without an endpoint.

    Raises ConfigurationError where the extra is not installed.
    """
    global _tracers  # noqa: PLW0603 - one for the process, as with its logs
    if not endpoint:
        return
    try:
        from shared.otlp import Tracers
    except ImportError as error:
        raise ConfigurationError(
            "SALDO_OTLP_ENDPOINT: traces need the extra otlp: pip install 'saldo[otlp]'"
        ) from error
    _tracers = Tracers(endpoint)


def stop() -> None:
    """Send what is recorded, and record no more."""
    global _tracers
    tracers, _tracers = _tracers, None
    if tracers is not None:
        tracers.close()


def enabled() -> bool:
    """Return whether spans are recorded."""
    return _tracers is not None


def span(
    service: str,
    name: str,
    kind: Kind = "internal",
    *,
    parent: str | None = _HERE,
    span_id: str = "",
    **attributes: Any,
) -> Span:
    """Return a span of a service, for a ``with`` block.

    The parent is that of the context, if not given as a traceparent; None begins a trace.
    ``span_id`` is for a span whose id others derive.
    """
    if _tracers is None:
        return _NOTHING
    above = context.current().traceparent if parent == _HERE else parent
    return _Recorded(_tracers.started(service, name, kind, above, attributes, span_id=span_id))


def command(service: str, name: str, command_id: UUID) -> Span:
    """Return the span of a command, whose id follows from the command's.

    Within itself (a command that is decided in a group, then alone) it is the span that is open.
    """
    if _tracers is None:
        return _NOTHING
    request = context.current()
    above, own = request.traceparent or "", context.span_id_of(str(command_id))
    if own in above:
        return _NOTHING
    # A caller's own trace goes on to here. What follows from the events is in that of the journey.
    joined = context.traceparent_of(request.correlation_id, str(command_id))
    link = joined if above[3:35] not in ("", joined[3:35]) else None
    return _Recorded(
        _tracers.started(
            service, name, "internal", above, {"saldo.command": name}, span_id=own, link=link
        )
    )


def reaction(service: str, message: Any, command_id: UUID) -> Span:
    """Return the span of a reaction to a message: it continues the trace of its event."""
    if _tracers is None:
        return _NOTHING
    return span(
        service,
        f"react to {message.source}.{message.type}",
        "consumer",
        parent=context.traceparent_of(message.correlation_id, message.id),
        span_id=context.span_id_of(str(command_id)),
        saldo__event_type=message.type,
        saldo__position=message.position,
        messaging__system="rabbitmq",
    )


def published(service: str, exchange: str, envelopes: Sequence[Any], began: int) -> None:
    """Record that messages were published between a moment (in nanoseconds) and now."""
    if _tracers is not None:
        _tracers.published(service, exchange, envelopes, began)


class _Recorded:
    """A span that is recorded; the context within has its traceparent."""

    def __init__(self, recorded: Any) -> None:
        self._span = recorded
        self._binding: AbstractContextManager[Any] | None = None

    def __enter__(self) -> Span:
        found = self._span.get_span_context()
        flags = int(found.trace_flags)
        traceparent = f"00-{found.trace_id:032x}-{found.span_id:016x}-{flags:02x}"
        self._binding = context.bind(traceparent=traceparent)
        self._binding.__enter__()
        return self

    def __exit__(self, *raised: Any) -> None:
        if raised[1] is not None:
            self.failed(raised[1])
        self._span.end()
        if self._binding is not None:
            self._binding.__exit__(None, None, None)

    def describe(self, name: str = "", **attributes: Any) -> None:
        if name:
            self._span.update_name(name)
        for key, value in attributes.items():
            self._span.set_attribute(key.replace("__", "."), value)

    def failed(self, error: BaseException) -> None:
        is_refusal = isinstance(error, ServiceError)
        self._span.set_attribute(
            "error.type",
            error.code if is_refusal else type(error).__name__,  # type: ignore[attr-defined]
        )
        if not is_refusal or error.kind in ("internal", "unavailable"):  # type: ignore[attr-defined]
            self._span.set_status(_error_status())


def _error_status() -> Any:
    from shared.otlp import ERROR

    return ERROR
