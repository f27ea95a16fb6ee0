"""Retries of parked messages without a database: what the log says of them."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

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
