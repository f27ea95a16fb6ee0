"""One SQLite file: what was confirmed survives a kill at any moment."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from deploy.doubles.sqlite_file import SqliteFile

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


class Database(SqliteFile):
    """The file with the tables of payments, refunds, keys and notifications."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.connection.execute("PRAGMA foreign_keys = ON")
        self.connection.executescript(_TABLES)
