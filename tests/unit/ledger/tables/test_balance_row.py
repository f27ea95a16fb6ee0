"""The hand-written binary row has the columns of the list, in their order and types."""

from __future__ import annotations

import struct
from datetime import date
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from services.ledger.domain import Account, account_id
from services.ledger.domain.events import ChargeLine, ServiceAmount
from services.ledger.tables.bulk_copy import balance_row
from services.ledger.tables.columns import BALANCES, TABLES

DAY = date(2026, 3, 31)


def an_account(number: str) -> Account:
    account = Account(account_id(number))
    account.open(number, "organisation", DAY, [ServiceAmount("вода", 70)])
    return account


def a_busy_account(number: str) -> Account:
    """Every figure has a value of its own."""
    account = an_account(number)
    for period in ("2026-03", "2026-02"):
        line = ChargeLine("heating", "Отопление", 450_000, 450_000)
        account.post_charges(period, DAY, DAY, [line])
    account.accrue_penalty(17, DAY, "rule-1")
    account.post_payment(uuid4(), DAY, 70, 20)
    return account


def fields(row: bytes) -> list[bytes]:
    """Split a row of binary COPY into its fields."""
    (count,), row, found = struct.unpack(">h", row[:2]), row[2:], []
    for _ in range(count):
        (length,) = struct.unpack(">i", row[:4])
        found.append(row[4 : 4 + length])
        row = row[4 + length :]
    assert row == b""
    return found


def texts(array: bytes) -> list[str]:
    dimensions, _, _ = struct.unpack(">iii", array[:12])
    if not dimensions:
        return []
    parts, rest = [], array[20:]
    while rest:
        (length,) = struct.unpack(">i", rest[:4])
        parts.append(rest[4 : 4 + length].decode())
        rest = rest[4 + length :]
    return parts


DECODE: dict[str, Any] = {
    "uuid": lambda field: UUID(bytes=field),
    "text": bytes.decode,
    "bigint": lambda field: struct.unpack(">q", field)[0],
    "json": msgspec.json.decode,
    "text[]": texts,
}


@pytest.mark.parametrize("make", [an_account, a_busy_account])
def test_a_row_of_copy_is_the_snapshot(make: Any) -> None:
    account = make("0100000001")
    found = fields(balance_row(account))
    columns = TABLES[BALANCES]
    assert len(found) == len(columns)
    decoded = {c.name: DECODE[c.type](field) for c, field in zip(columns, found, strict=True)}
    assert decoded == {"account_id": account.id, **account.snapshot()}
