"""Auxiliary tables, which no event fills: attempts are forgotten, imports have a journal."""

from __future__ import annotations

from datetime import datetime
from math import ceil
from typing import Any
from uuid import UUID

import psycopg

from services.accounts.contract_loading import BeginImport, FinishImport
from services.accounts.policy import Limit


class Attempts:
    """Counters of attempts, one per kind and subject, each within a window of its own.

    A window opens with the first attempt. Counting locks the row until the transaction ends, so
    concurrent attempts cannot pass the limit together.
    """

    def __init__(self, cursor: psycopg.Cursor[dict[str, Any]]) -> None:
        self._cursor = cursor

    def count(self, kind: str, subject: UUID, limit: Limit, now: datetime) -> tuple[int, int]:
        """Count one attempt; return how many there were, and the seconds till the window closes."""
        self._cursor.execute(
            "INSERT INTO attempts (kind, subject, opened_at, made) VALUES (%(k)s, %(s)s, %(n)s, 1)"
            " ON CONFLICT (kind, subject) DO UPDATE SET"
            " made = CASE WHEN attempts.opened_at <= %(o)s THEN 1 ELSE attempts.made + 1 END,"
            " opened_at = CASE WHEN attempts.opened_at <= %(o)s THEN %(n)s"
            " ELSE attempts.opened_at END"
            " RETURNING made, opened_at",
            {"k": kind, "s": subject, "n": now, "o": now - limit.window},
        )
        row = self._cursor.fetchone()
        if row is None:
            raise RuntimeError("an upsert returned no row")
        closes_at: datetime = row["opened_at"] + limit.window
        return row["made"], max(1, ceil((closes_at - now).total_seconds()))

    def forget(self, before: datetime) -> int:
        """Delete the counters whose window opened before an instant; return how many."""
        self._cursor.execute("DELETE FROM attempts WHERE opened_at < %s", (before,))
        return self._cursor.rowcount


class Imports:
    """The journal of registry imports: who loaded which file, why, and with what outcome."""

    def __init__(self, cursor: psycopg.Cursor[dict[str, Any]]) -> None:
        self._cursor = cursor

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
