"""Listening without a broker: what a listener does while it catches up."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

from shared.bus.listen import Listener
from shared.bus.reading import ReadPoint

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
    store: Any = SimpleNamespace(service="ledger")
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
