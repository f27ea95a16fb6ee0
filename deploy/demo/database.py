"""Read-only access to an installation's database, as its owner."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.rows import dict_row


@contextmanager
def open_snapshot(url: str) -> Iterator[psycopg.Cursor[dict[str, Any]]]:
    """Yield a cursor on one consistent, read-only snapshot of all schemas."""
    with psycopg.connect(url, connect_timeout=3, row_factory=dict_row) as connection:
        connection.read_only = True
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        with connection.cursor() as cursor:
            yield cursor


def open_accounts(url: str, numbers: Sequence[str]) -> int:
    """Return how many of the accounts are open in the ledger."""
    query = "SELECT count(*) AS open FROM ledger.balances WHERE number = ANY(%s)"
    with open_snapshot(url) as cursor:
        return int(cursor.execute(query, (list(numbers),)).fetchall()[0]["open"])


def in_debt(url: str, numbers: Sequence[str]) -> list[str]:
    """Return the accounts that owe something, in the order given."""
    query = (
        "SELECT number FROM ledger.balances WHERE number = ANY(%s)"
        " AND (principal > advance OR penalty > 0)"
    )
    with open_snapshot(url) as cursor:
        owing = {row["number"] for row in cursor.execute(query, (list(numbers),)).fetchall()}
    return [number for number in numbers if number in owing]


def events_of(url: str, service: str) -> int:
    """Return the number of events in the log of a service."""
    query = psycopg.sql.SQL("SELECT count(*) AS events FROM {}.events")
    with open_snapshot(url) as cursor:
        named = query.format(psycopg.sql.Identifier(service))
        return int(cursor.execute(named).fetchall()[0]["events"])
