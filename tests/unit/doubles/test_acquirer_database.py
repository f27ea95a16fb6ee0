"""The bank's file: its invariants, and a file of the first version."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from bank_doubles import PAYS, BankHarness

from deploy.doubles.acquirer.order import PAID, REFUNDED, REVERSED

_FIRST_VERSION = """
CREATE TABLE orders (
    order_id      TEXT PRIMARY KEY,
    order_number  TEXT NOT NULL UNIQUE,
    amount        INTEGER NOT NULL CHECK (amount > 0),
    refunded      INTEGER NOT NULL DEFAULT 0 CHECK (refunded BETWEEN 0 AND amount),
    return_url    TEXT NOT NULL,
    fail_url      TEXT NOT NULL,
    description   TEXT NOT NULL,
    status        INTEGER NOT NULL,
    action_code   INTEGER NOT NULL DEFAULT 0,
    registered_at INTEGER NOT NULL,
    expires_at    INTEGER NOT NULL,
    charged_at    INTEGER,
    masked_pan    TEXT,
    code_attempts INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX orders_open ON orders (expires_at) WHERE status IN (0, 5);
CREATE TABLE callbacks (
    callback_id  INTEGER PRIMARY KEY,
    order_id     TEXT NOT NULL REFERENCES orders,
    operation    TEXT NOT NULL,
    status       INTEGER NOT NULL,
    queued_at    INTEGER NOT NULL,
    due_at       INTEGER,
    attempts     INTEGER NOT NULL DEFAULT 0,
    delivered_at INTEGER,
    last_answer  TEXT
) STRICT;
CREATE INDEX callbacks_due ON callbacks (due_at) WHERE due_at IS NOT NULL;
INSERT INTO orders VALUES
    ('b1', 'n1', 500, 0, 'http://m', 'http://m', '', 2, 0, 1, 2, 3, '411111**1111', 0),
    ('b2', 'n2', 500, 0, 'http://m', 'http://m', '', 3, 0, 1, 2, 3, '411111**1111', 0),
    ('b3', 'n3', 500, 200, 'http://m', 'http://m', '', 4, 0, 1, 2, 3, '411111**1111', 0),
    ('b4', 'n4', 500, 0, 'http://m', 'http://m', '', 6, 116, 1, 2, NULL, '400000**0002', 0);
INSERT INTO callbacks VALUES (7, 'b1', 'deposited', 1, 3, 3, 0, NULL, NULL);
"""


def test_file_of_the_first_version_keeps_orders_and_callbacks(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "acquirer.sqlite") as old:
        old.executescript(_FIRST_VERSION)
    old.close()
    for _ in range(2):
        bank = BankHarness(tmp_path)
        told = [
            (one.order_id, one.status, one.charged, one.returned) for one in bank.list.all_orders()
        ]
        assert told == [
            ("b1", PAID, 500, 0),
            ("b2", REVERSED, 500, 500),
            ("b3", REFUNDED, 500, 200),
            ("b4", 6, 0, 0),
        ]
        assert [callback.callback_id for callback in bank.callbacks()] == [7]
        bank.database.close()


@pytest.mark.parametrize(
    "change",
    [
        "returned = charged + 1",
        "returned = -1",
        "charged = 0",
        "charged_at = NULL",
        "returned = 1",
        "status = 3",
        "status = 4",
        "status = 6",
        "status = 1",
    ],
)
def test_file_refuses_money_of_nothing(bank: BankHarness, change: str) -> None:
    bank.enter_card(bank.register(), PAYS)
    with pytest.raises(sqlite3.IntegrityError), bank.database.transaction() as db:
        db.execute(f"UPDATE orders SET {change}")
    assert bank.list.all_orders()[0].charged == 450_000
