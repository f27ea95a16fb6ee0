"""The request context (actor, ids, trace) that travels with every call and event."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from contextlib import AbstractContextManager
from contextvars import ContextVar
from hashlib import blake2b
from typing import Any
from uuid import UUID

import msgspec

from shared.ids import new_id

_TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_SECONDS = re.compile(r"[0-9]{1,11}(\.[0-9]{1,6})?")
_SAFE = re.compile(r"[\w.:@/-]{1,128}")


ANONYMOUS = "anonymous"


class RequestContext(msgspec.Struct, frozen=True):
    """The actor (``person:<uuid>``, ``staff:<name>``, ``service:<name>`` or ``anonymous``), the
    correlation id of the whole journey, the command id chosen by the caller, the W3C trace context,
    the broker's user that made the call (empty outside of one; it is not passed on), and when the
    request reached the gateway (seconds since the epoch, there by the clock that gateways have in
    common, in a service by its own; None for what has not come by the gateway)."""

    actor: str = ANONYMOUS
    correlation_id: str = ""
    command_id: UUID | None = None
    traceparent: str | None = None
    caller: str = ""
    asked_at: float | None = None

    def as_headers(self) -> dict[str, str]:
        """Return the context as message headers; empty values are left out."""
        values = {
            "actor": self.actor,
            "correlation_id": self.correlation_id,
            "command_id": str(self.command_id) if self.command_id else "",
            "traceparent": self.traceparent or "",
            "asked_at": f"{self.asked_at:.6f}" if self.asked_at else "",
        }
        return {name: value for name, value in values.items() if value}


_current: ContextVar[RequestContext | None] = ContextVar("saldo_context", default=None)


def current() -> RequestContext:
    """Return the context of this thread or greenlet."""
    return _current.get() or RequestContext()


def bind(**changes: Any) -> AbstractContextManager[RequestContext]:
    """Bind a changed context for the duration of a block."""
    return _Binding(changes)


class _Binding:
    """What `bind` returns: a generator would cost twice as much, several times per request."""

    __slots__ = ("_changes", "_token")

    def __init__(self, changes: dict[str, Any]) -> None:
        self._changes = changes

    def __enter__(self) -> RequestContext:
        before, changes = current(), self._changes
        if not changes.get("correlation_id"):
            changes["correlation_id"] = before.correlation_id or str(new_id())
        bound = msgspec.structs.replace(before, **changes)
        self._token = _current.set(bound)
        return bound

    def __exit__(self, *_: object) -> None:
        _current.reset(self._token)


def from_headers(headers: Mapping[str, Any]) -> dict[str, Any]:
    """Read the context from message headers; malformed values are replaced.

    Headers are untrusted, and their values end up in logs and events.
    """
    actor = str(headers.get("actor") or ANONYMOUS)
    correlation = str(headers.get("correlation_id") or "")
    traceparent = str(headers.get("traceparent") or "")
    if not _SAFE.fullmatch(correlation):
        correlation = str(new_id())
    return {
        "actor": actor if _SAFE.fullmatch(actor) else ANONYMOUS,
        "correlation_id": correlation,
        "command_id": _uuid_or_none(headers.get("command_id")),
        "traceparent": (
            traceparent if _TRACEPARENT.fullmatch(traceparent) else new_traceparent(correlation)
        ),
        "asked_at": _seconds_or_none(headers.get("asked_at")),
    }


def new_traceparent(correlation_id: str) -> str:
    """Return the W3C trace context of a journey (sampled), under a new span."""
    return f"00-{trace_id_of(correlation_id)}-{secrets.token_hex(8)}-01"


def trace_id_of(correlation_id: str) -> str:
    """Return the trace that a journey is in.

    It follows from the correlation id, which the log keeps: so whoever reads an event, in another
    process and much later, knows the trace without a column or a header for it.
    """
    return blake2b(correlation_id.encode(), digest_size=16).hexdigest()


def span_id_of(name: str) -> str:
    """Return the id of the span of a command or a message, by the id of that."""
    return blake2b(name.encode(), digest_size=8).hexdigest()


def traceparent_of(correlation_id: str, name: str) -> str:
    """Return the trace context within the span of a command or a message of a journey."""
    return f"00-{trace_id_of(correlation_id)}-{span_id_of(name)}-01"


def _seconds_or_none(value: Any) -> float | None:
    return float(value) if _SECONDS.fullmatch(str(value or "")) else None


def _uuid_or_none(value: Any) -> UUID | None:
    try:
        return UUID(str(value)) if value else None
    except ValueError:
        return None
