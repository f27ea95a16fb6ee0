"""One SQLite file: what was confirmed survives a kill at any moment."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS payments (
    place         INTEGER PRIMARY KEY,
    payment_id    TEXT NOT NULL UNIQUE,
    amount        INTEGER NOT NULL CHECK (amount > 0),
    refunded      INTEGER NOT NULL DEFAULT 0 CHECK (refunded BETWEEN 0 AND amount),
    status        TEXT NOT NULL,
    party         TEXT NOT NULL DEFAULT '',
    reason        TEXT NOT NULL DEFAULT '',
    capture       INTEGER NOT NULL,
    description   TEXT NOT NULL,
    metadata      TEXT NOT NULL,
    return_url    TEXT NOT NULL,
    created_at    INTEGER NOT NULL,
    expires_at    INTEGER NOT NULL,
    captured_at   INTEGER,
    masked_pan    TEXT,
    code_asked    INTEGER NOT NULL DEFAULT 0,
    code_attempts INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX IF NOT EXISTS payments_open ON payments (expires_at)
    WHERE status IN ('pending', 'waiting_for_capture');
CREATE TABLE IF NOT EXISTS refunds (
    place       INTEGER PRIMARY KEY,
    refund_id   TEXT NOT NULL UNIQUE,
    payment_id  TEXT NOT NULL REFERENCES payments (payment_id),
    amount      INTEGER NOT NULL CHECK (amount > 0),
    status      TEXT NOT NULL,
    description TEXT NOT NULL,
    created_at  INTEGER NOT NULL,
    due_at      INTEGER
) STRICT;
CREATE INDEX IF NOT EXISTS refunds_of_payment ON refunds (payment_id);
CREATE INDEX IF NOT EXISTS refunds_pending ON refunds (due_at) WHERE due_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS keys (
    key        TEXT PRIMARY KEY,
    digest     TEXT NOT NULL,
    object_id  TEXT NOT NULL,
    refusal    TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS keys_by_age ON keys (created_at);
CREATE TABLE IF NOT EXISTS notifications (
    notification_id INTEGER PRIMARY KEY,
    payment_id      TEXT NOT NULL REFERENCES payments (payment_id),
    event           TEXT NOT NULL,
    body            TEXT NOT NULL,
    queued_at       INTEGER NOT NULL,
    due_at          INTEGER,
    attempts        INTEGER NOT NULL DEFAULT 0,
    delivered_at    INTEGER,
    last_answer     TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS notifications_due ON notifications (due_at) WHERE due_at IS NOT NULL;
"""


class Database:
    """The file, and one connection that the threads of the server share.

    `synchronous=FULL` puts every commit on the disk before it is confirmed.
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
