"""Replies that the RPC client accepts."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from amqp import AccessRefused

from shared.distant_clock import TIME_HEADER, ServiceClocks
from shared.rpc import client as rpc_client
from shared.rpc.client import RpcClient, _Pending
from shared.rpc.serving import wire_error

CALL = "7d0c"


def _reply(user: str | None, call: str = CALL, **headers: Any) -> SimpleNamespace:
    return SimpleNamespace(properties={"correlation_id": call, "user_id": user}, headers=headers)


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


def test_reply_tells_the_time_of_its_service_and_a_forged_one_none() -> None:
    clocks = ServiceClocks("Europe/Moscow")
    client = RpcClient("amqp://gateway:x@127.0.0.1:1/", name="tests", clocks=clocks)
    client._pending[CALL] = _Pending("ledger")
    told = {TIME_HEADER: "2031-01-01T09:00:00+00:00"}
    client._on_reply({"result": "forged"}, _reply("accounts", **told))
    assert clocks.of("ledger").known() is None
    client._on_reply({"result": "mine"}, _reply("ledger", **told))
    assert clocks.of("ledger").today().isoformat() == "2031-01-01"
    assert clocks.of("accounts").known() is None


@pytest.mark.parametrize("headers", [{}, {TIME_HEADER: 7}, {TIME_HEADER: "noon"}])
def test_reply_without_a_time_is_a_reply(headers: dict[str, Any]) -> None:
    clocks = ServiceClocks("Europe/Moscow")
    client = RpcClient("amqp://gateway:x@127.0.0.1:1/", name="tests", clocks=clocks)
    pending = client._pending[CALL] = _Pending("ledger")
    client._on_reply({"result": "mine"}, _reply("ledger", **headers))
    assert pending.reply == {"result": "mine"}
    assert clocks.of("ledger").known() is None


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
    client._listen_on(broker, None)
    assert broker.heartbeats == broker.drained == 100


class _Pauses:
    """A flag that is set after some waits, and keeps how long they were."""

    def __init__(self, most: int) -> None:
        self.seconds: list[float] = []
        self._most = most

    def is_set(self) -> bool:
        return len(self.seconds) >= self._most

    def wait(self, seconds: float) -> None:
        self.seconds.append(seconds)


def test_client_whose_user_is_gone_asks_the_broker_less_and_less_often(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise AccessRefused

    monkeypatch.setattr(rpc_client, "connect", refuse)
    client = RpcClient("amqp://gateway:x@127.0.0.1:1/", name="tests")
    pauses = _Pauses(most=5)
    client._closed = pauses  # type: ignore[assignment]
    client._listen()
    assert pauses.seconds == [0.2, 0.5, 1.0, 1.0, 1.0]


def test_client_that_was_connected_is_back_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def listen_on(client: RpcClient, *_: Any) -> None:
        client._listening.set()
        raise ConnectionResetError

    monkeypatch.setattr(rpc_client, "connect", lambda *_, **__: nullcontext())
    monkeypatch.setattr(RpcClient, "_listen_on", listen_on)
    client = RpcClient("amqp://gateway:x@127.0.0.1:1/", name="tests")
    pauses = _Pauses(most=3)
    client._closed = pauses  # type: ignore[assignment]
    client._listen()
    assert pauses.seconds == [0.2, 0.2, 0.2]


def wired(error: Exception) -> dict[str, Any]:
    return wire_error(error)


def test_database_that_cannot_serve_is_unavailable_to_the_caller() -> None:
    """A method may use a cursor of its own, without the store's retries."""
    for error in (
        psycopg.errors.ReadOnlySqlTransaction(),
        psycopg.errors.IdleInTransactionSessionTimeout(),
        psycopg.OperationalError("server closed the connection unexpectedly"),
    ):
        assert wired(error)["kind"] == "unavailable"
        assert wired(error)["code"] == "database_unavailable"
    assert wired(psycopg.errors.DeadlockDetected())["code"] == "contended"
    assert wired(psycopg.errors.UndefinedColumn("secret"))["kind"] == "internal"
    assert "secret" not in str(wired(psycopg.errors.UndefinedColumn("secret")))
