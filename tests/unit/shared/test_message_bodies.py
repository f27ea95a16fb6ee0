"""The body of a message is checked whole, also where nothing is to be done with it."""

from __future__ import annotations

from typing import Any

import pytest

from shared.bus.messages import MalformedMessageError, read_message

HEADERS: dict[str, Any] = {
    "cloudEvents_id": "ledger-7",
    "cloudEvents_type": "bill",
    "cloudEvents_source": "ledger",
    "cloudEvents_subject": "0100000001",
    "cloudEvents_time": "2026-11-20T09:00:00Z",
    "cloudEvents_dataschema": "https://saldo.example/bill/v1",
    "saldo_position": 7,
    "saldo_predecessor": 6,
}
DAMAGED = {
    "text": b'{"period": "2026\xff11"}',
    "nested text": b'{"line": {"kind": "\xc3("}}',
    "key": b'{"peri\xffod": "2026-11"}',
    "end": b'{"period": "2026-11"',
    "list": b'["2026-11"]',
    "number": b'{"amount": 01}',
}


@pytest.mark.parametrize("with_data", [True, False])
def test_intact_body_is_read(with_data: bool) -> None:
    body = '{"address": "ул. Мира", "amount": 1}'.encode()
    message = read_message(HEADERS, body, with_data=with_data)
    assert (message.position, bool(message.data)) == (7, with_data)


@pytest.mark.parametrize("body", DAMAGED.values(), ids=DAMAGED)
@pytest.mark.parametrize("with_data", [True, False])
def test_damaged_body_is_refused(body: bytes, with_data: bool) -> None:
    """What has no reaction may have to be parked, and is read whole when it is taken up again."""
    with pytest.raises(MalformedMessageError):
        read_message(HEADERS, body, with_data=with_data)
