"""Retries of parked messages without a database: what the log says of them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from structlog.testing import capture_logs

from shared.bus import parked
from shared.bus.retries import Retrier


@pytest.mark.parametrize(("is_there", "said"), [(True, ["parked_retried"]), (False, [])])
def test_message_that_staff_dropped_meanwhile_is_not_logged_as_retried(
    monkeypatch: pytest.MonkeyPatch, is_there: bool, said: list[str]
) -> None:
    row = {"id": 7, "upstream": "accounts", "retry_asked_by": "staff:ivanova"}
    session = SimpleNamespace(cursor=None)
    store: Any = SimpleNamespace(
        service="ledger",
        query=lambda read: read(session),
        session=lambda: nullcontext(session),
        transaction=lambda: nullcontext(None),
        recorder=SimpleNamespace(lock=lambda _: None),
    )
    monkeypatch.setattr(parked, "begin_retry", lambda *_: 1)
    monkeypatch.setattr(parked, "asked", lambda *_: [row])
    monkeypatch.setattr(parked, "retry", lambda *_: is_there)
    services: Any = None
    with capture_logs() as entries:
        Retrier(services, store, {"accounts": {}}, threading.Event()).retry_asked()
    assert [entry["event"] for entry in entries] == said


def test_outage_in_the_middle_of_a_retry_does_not_count_as_the_end_of_a_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    row = {"id": 7, "upstream": "accounts", "retry_asked_by": "staff:ivanova"}
    begun: list[int] = []
    is_down = True

    @contextmanager
    def session() -> Iterator[Any]:
        if is_down:
            raise psycopg.OperationalError("server closed the connection unexpectedly")
        yield SimpleNamespace(cursor=None)

    def end(*_: object) -> None:
        raise psycopg.OperationalError("no connection")

    def begin(_: object, parked_id: int) -> int:
        begun.append(parked_id)
        return len(begun)

    store: Any = SimpleNamespace(
        service="ledger",
        query=lambda read: read(SimpleNamespace(cursor=None)),
        session=session,
        transaction=lambda: nullcontext(None),
        recorder=SimpleNamespace(lock=lambda _: None),
    )
    monkeypatch.setattr(parked, "asked", lambda *_: [row])
    monkeypatch.setattr(parked, "begin_retry", begin)
    monkeypatch.setattr(parked, "end_retry", end)
    monkeypatch.setattr(parked, "retry", lambda *_: True)
    services: Any = None
    retrier = Retrier(services, store, {"accounts": {}}, threading.Event())
    for _ in range(parked.MOST_KILLED + 1):
        assert not retrier.retry_asked(), "it waits for the database"
    is_down = False
    with capture_logs() as entries:
        assert retrier.retry_asked()
    assert [entry["event"] for entry in entries] == ["parked_retried"]
    assert begun == [7]
