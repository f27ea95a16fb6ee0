"""Replies that the RPC client accepts."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from shared.rpc import client as rpc_client
from shared.rpc.client import RpcClient, _Pending

CALL = "7d0c"


def _reply(user: str | None, call: str = CALL) -> SimpleNamespace:
    return SimpleNamespace(properties={"correlation_id": call, "user_id": user})


def test_reply_counts_only_from_the_service_that_was_called() -> None:
    client = RpcClient("amqp://gateway:x@127.0.0.1:1/", name="tests")
    pending = client._pending[CALL] = _Pending("ledger")
    for forger in ("accounts", "gateway", None):
        client._on_reply({"result": "forged"}, _reply(forger))
    assert not pending.arrived.is_set()
    client._on_reply({"result": "mine"}, _reply("ledger"))
    assert pending.arrived.is_set()
    assert pending.reply == {"result": "mine"}
    client._on_reply({"result": "again"}, _reply("ledger"))
    assert pending.reply == {"result": "mine"}


class _BusyBroker:
    """A connection on which replies never stop."""

    def __init__(self, client: RpcClient) -> None:
        self._client = client
        self.drained = self.heartbeats = 0

    def channel(self) -> Any:
        return None

    def drain_events(self, timeout: float) -> None:
        self.drained += 1
        if self.drained == 100:
            self._client._closed.set()

    def heartbeat_check(self) -> None:
        self.heartbeats += 1


def test_replies_without_a_pause_keep_the_heartbeats_going(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The broker ends a connection from which it hears nothing, whatever it sends there."""
    monkeypatch.setattr(rpc_client, "Consumer", lambda *_, **__: nullcontext())
    client = RpcClient("amqp://gateway:x@127.0.0.1:1/", name="tests")
    broker = _BusyBroker(client)
    client._listen_on(broker, None)  # type: ignore[arg-type]
    assert broker.heartbeats == broker.drained == 100
