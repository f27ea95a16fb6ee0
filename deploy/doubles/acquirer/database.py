"""One SQLite file: what the bank has confirmed survives a kill at any moment."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS orders (
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
CREATE INDEX IF NOT EXISTS orders_open ON orders (expires_at) WHERE status IN (0, 5);
CREATE TABLE IF NOT EXISTS callbacks (
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
CREATE INDEX IF NOT EXISTS callbacks_due ON callbacks (due_at) WHERE due_at IS NOT NULL;
"""


class Database:
    """The file, and one connection that the threads of the server share.

    `synchronous=FULL` puts every commit on the disk before it is confirmed: an order shown as paid
    is still paid after kill -9.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute("PRAGMA foreign_keys = ON")
        self._connection.executescript(_TABLES)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Commit everything inside together, or nothing on an exception."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def close(self) -> None:
        with self._lock:
            self._connection.close()
