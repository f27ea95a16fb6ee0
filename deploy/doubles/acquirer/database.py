"""One SQLite file: what the bank has confirmed survives a kill at any moment."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from deploy.doubles.sqlite_file import SqliteFile

# The checks are the bank's own invariants: no defect of this program makes money of nothing.
_ORDERS: Final = """
CREATE TABLE orders (
    order_id      TEXT PRIMARY KEY,
    order_number  TEXT NOT NULL UNIQUE,
    amount        INTEGER NOT NULL CHECK (amount > 0),
    charged       INTEGER NOT NULL DEFAULT 0 CHECK (charged >= 0),
    returned      INTEGER NOT NULL DEFAULT 0 CHECK (returned BETWEEN 0 AND charged),
    return_url    TEXT NOT NULL,
    fail_url      TEXT NOT NULL,
    description   TEXT NOT NULL,
    status        INTEGER NOT NULL CHECK (status IN (0, 2, 3, 4, 5, 6)),
    action_code   INTEGER NOT NULL DEFAULT 0,
    registered_at INTEGER NOT NULL,
    expires_at    INTEGER NOT NULL,
    charged_at    INTEGER,
    paid_by       TEXT NOT NULL DEFAULT 'CARD',
    masked_pan    TEXT,
    code_attempts INTEGER NOT NULL DEFAULT 0,
    CHECK ((status IN (2, 3, 4)) = (charged > 0)),
    CHECK ((charged > 0) = (charged_at IS NOT NULL)),
    CHECK (status <> 2 OR returned = 0),
    CHECK (status <> 3 OR returned = charged),
    CHECK (status <> 4 OR returned > 0)
) STRICT;
CREATE INDEX orders_open ON orders (expires_at) WHERE status IN (0, 5);
CREATE INDEX orders_charged ON orders (charged_at) WHERE charged_at IS NOT NULL;
CREATE INDEX orders_registered ON orders (registered_at);
"""

_CALLBACKS: Final = """
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
CREATE INDEX callbacks_of_order ON callbacks (order_id);
"""

# The merchant's own names of its refunds, by which the bank knows a repeated call.
_REFUNDS: Final = """
CREATE TABLE IF NOT EXISTS refunds (
    refund_id TEXT PRIMARY KEY,
    order_id  TEXT NOT NULL REFERENCES orders,
    amount    INTEGER NOT NULL CHECK (amount > 0)
) STRICT;
"""

# A file of the first version knows neither `charged` nor `returned`.
_ASIDE: Final = """
DROP INDEX orders_open;
DROP INDEX callbacks_due;
ALTER TABLE orders RENAME TO orders_1;
ALTER TABLE callbacks RENAME TO callbacks_1;
"""
_BACK: Final = """
INSERT INTO orders (order_id, order_number, amount, charged, returned, return_url, fail_url,
                    description, status, action_code, registered_at, expires_at, charged_at,
                    masked_pan, code_attempts)
SELECT order_id, order_number, amount, iif(status IN (2, 3, 4), amount, 0),
       iif(status = 3, amount, refunded), return_url, fail_url, description, status, action_code,
       registered_at, expires_at, charged_at, masked_pan, code_attempts
FROM orders_1 ORDER BY rowid;
INSERT INTO callbacks SELECT * FROM callbacks_1;
DROP TABLE callbacks_1;
DROP TABLE orders_1;
"""

_VERSION: Final = 2


class Database(SqliteFile):
    """The file with the tables of the bank: an order shown as paid is still paid after a kill."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._create_tables()
        self.connection.executescript(_REFUNDS)
        self.connection.execute("PRAGMA foreign_keys = ON")

    def _create_tables(self) -> None:
        version = self.connection.execute("PRAGMA user_version").fetchone()[0]
        tables = self.connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
        if version == _VERSION:
            return
        tables_now = _ORDERS + _CALLBACKS
        steps = _ASIDE + tables_now + _BACK if tables else tables_now
        # One transaction: a kill in the middle leaves the old file.
        self.connection.executescript(
            f"BEGIN IMMEDIATE; {steps} PRAGMA user_version = {_VERSION}; COMMIT;"
        )
