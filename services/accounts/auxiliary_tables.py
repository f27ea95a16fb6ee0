"""Auxiliary tables, which no event fills: attempts are forgotten, imports have a journal."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import psycopg

from services.accounts.contract_loading import BeginImport, FinishImport


class Imports:
    """The journal of registry imports: who loaded which file, why, and with what outcome."""

    PATIENCE = "60s"
    """How long a batch waits for the lock of the log, which another batch may hold."""

    def __init__(self, cursor: psycopg.Cursor[dict[str, Any]]) -> None:
        self._cursor = cursor

    def be_patient(self) -> None:
        """Let this transaction wait longer for the log than that of a person."""
        self._cursor.execute(f"SET LOCAL lock_timeout = '{self.PATIENCE}'")

    def begin(self, command: BeginImport, now: datetime) -> None:
        self._cursor.execute(
            "INSERT INTO imports (import_id, file_name, sha256, actor, reason, begun_at)"
            " VALUES (%s, %s, %s, %s, %s, %s)",
            (
                command.import_id,
                command.file_name,
                command.sha256,
                command.actor,
                command.reason,
                now,
            ),
        )

    def finish(self, command: FinishImport, now: datetime) -> None:
        self._cursor.execute(
            "UPDATE imports SET finished_at = %s, rows = %s, registered = %s, opened = %s,"
            " closed = %s, amended = %s, unchanged = %s, bills = %s, refused = %s"
            " WHERE import_id = %s",
            (
                now,
                command.rows,
                command.registered,
                command.opened,
                command.closed,
                command.amended,
                command.unchanged,
                command.bills,
                command.refused,
                command.import_id,
            ),
        )
