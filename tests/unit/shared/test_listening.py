"""Listening without a broker: what a listener does while it catches up."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

from shared.bus.listen import Listener
from shared.bus.reading import ReadPoint
from shared.clock import SystemClock
from shared.errors import Unavailable

PAGES = 50


class _Broker:
    """A connection on which nothing arrives."""

    def __init__(self) -> None:
        self.heartbeats = 0

    def drain_events(self, timeout: float) -> None:
        raise TimeoutError

    def heartbeat_check(self) -> None:
        self.heartbeats += 1


class _Services:
    """An upstream whose log has many pages."""

    def call(self, _service: str, _method: str, *, after: int, **_: Any) -> dict[str, Any]:
        event = {"headers": {"saldo_position": after + 1}, "body": "{}"}
        more = after < PAGES
        return {"events": [event] * more, "next": after + 1 if more else None, "epoch": "1"}


def test_catching_up_keeps_the_heartbeats_going() -> None:
    """A long history takes minutes, and the broker ends a connection that it does not hear."""
    store: Any = SimpleNamespace(service="ledger", clock=SystemClock())
    services: Any = _Services()
    listener = Listener(services, store, "accounts", {}, threading.Event())
    applied: list[Any] = []

    def apply(deliveries: Any, *_: Any, **__: Any) -> list[Any]:
        applied.extend(deliveries)
        return []

    reactions: Any = SimpleNamespace(position=lambda: 0, point=ReadPoint, apply=apply)
    listener._reader._reactions = reactions
    broker = _Broker()
    lead: Any = SimpleNamespace(check=lambda: None)
    assert listener._reader.read_log(lambda seconds: listener._pause(broker, lead, seconds))
    assert len(applied) == PAGES
    assert broker.heartbeats >= PAGES


class _StartingServices:
    """An upstream that is not there for the first question: whoever waits for it waits in vain."""

    def __init__(self) -> None:
        self.deadlines: list[float] = []

    def call(self, _service: str, method: str, *, deadline: float = 5.0, **_: Any) -> Any:
        if method != "log_history":
            return {"events": [], "next": None, "epoch": "1"}
        self.deadlines.append(deadline)
        if len(self.deadlines) == 1:
            raise Unavailable("service_unavailable", "nobody answered")
        epoch = {"epoch": "1", "after": 0, "began_at": "2026-01-01T00:00:00+00:00"}
        return {"epochs": [{**epoch, "reason": "first"}], "head": 0}


def test_first_question_to_an_upstream_that_starts_is_soon_asked_again() -> None:
    services: Any = _StartingServices()
    store: Any = SimpleNamespace(service="ledger", clock=SystemClock())
    listener = Listener(services, store, "accounts", {}, threading.Event())
    listener._reader._reactions = SimpleNamespace(  # type: ignore[assignment]
        position=lambda: 0, point=ReadPoint, look=lambda _history: ""
    )
    listener._catch_up(lambda _seconds: None)
    lost, answered = services.deadlines
    assert lost < 1.0, "a start waits for it"
    assert answered > lost, "a slow upstream gets its time"
