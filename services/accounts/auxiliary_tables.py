"""Auxiliary tables, which no event fills: bills change every month, attempts are forgotten."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from math import ceil
from typing import Any
from uuid import UUID

import psycopg

from services.accounts.contract_loading import BeginImport, FinishImport
from services.accounts.policy import Limit
from services.accounts.proof import BillDigests


class Bills:
    """The facts of each account's last paper bill, as keyed digests."""

    def __init__(self, cursor: psycopg.Cursor[dict[str, Any]]) -> None:
        self._cursor = cursor

    def of(self, numbers: Sequence[str]) -> dict[str, BillDigests]:
        """Return the digests of those accounts that have a bill."""
        self._cursor.execute(
            "SELECT number, bill_number, bill_total FROM bills WHERE number = ANY(%s)",
            (list(numbers),),
        )
        return {
            row["number"]: BillDigests(bill_number=row["bill_number"], bill_total=row["bill_total"])
            for row in self._cursor
        }

    def keep(self, bills: Mapping[str, BillDigests], now: datetime) -> None:
        """Store new bills in place of the former ones."""
        self._cursor.executemany(
            "INSERT INTO bills (number, bill_number, bill_total, kept_at) VALUES (%s, %s, %s, %s)"
            " ON CONFLICT (number) DO UPDATE SET bill_number = excluded.bill_number,"
            " bill_total = excluded.bill_total, kept_at = excluded.kept_at",
            [(number, bill.bill_number, bill.bill_total, now) for number, bill in bills.items()],
        )


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
            "UPDATE imports SET finished_at = %s, rows = %s, registered = %s, amended = %s,"
            " unchanged = %s, bills = %s, refused = %s WHERE import_id = %s",
            (
                now,
                command.rows,
                command.registered,
                command.amended,
                command.unchanged,
                command.bills,
                command.refused,
                command.import_id,
            ),
        )
