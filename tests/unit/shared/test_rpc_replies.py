"""Replies that the RPC client accepts."""

from __future__ import annotations

from types import SimpleNamespace

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
