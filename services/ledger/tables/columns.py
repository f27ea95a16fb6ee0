"""The columns of the read model's tables, each listed once.

Every statement and every encoding of a row is derived from these lists: the upsert of a command
(:mod:`services.ledger.readmodel`), COPY (:mod:`services.ledger.tables.bulk_copy`), the comparison
of an audit and the swap of a rebuild (:mod:`services.ledger.replay`), and the export.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import msgspec
from psycopg.types.json import Jsonb

from services.ledger.domain.events import PaymentPosted

BALANCES, PROPOSALS, POSTINGS = "balances", "proposals", "payment_postings"
TENURES = "tenures"

UNKNOWN = "~"
"""``last_fact`` of a row that was written before it had one: after all places, so that the history
of its account is asked."""

SqlType: TypeAlias = Literal["uuid", "text", "bigint", "date", "json", "jsonb", "text[]"]


class Column(NamedTuple):
    """A column: its SQL type, and its place in the life of a row.

    ``key`` columns are the primary key; ``fixed`` ones never change once the row is there.
    """

    name: str
    type: SqlType
    key: bool = False
    fixed: bool = False


TABLES: Mapping[str, tuple[Column, ...]] = {
    BALANCES: (
        Column("account_id", "uuid", key=True),
        Column("number", "text", fixed=True),
        Column("payer_kind", "text"),
        Column("version", "bigint"),
        Column("last_bill", "bigint"),
        Column("principal", "bigint"),
        Column("penalty", "bigint"),
        Column("advance", "bigint"),
        Column("open_items", "json"),
        Column("due_dates", "json"),
        Column("charged_periods", "text[]"),
        Column("late_days", "bigint"),
        Column("last_fact", "text"),
        Column("order_matters_on", "text"),
    ),
    PROPOSALS: (
        Column("proposal_id", "uuid", key=True),
        Column("version", "bigint"),
        Column("state", "text"),
        Column("correction", "jsonb", fixed=True),
        Column("accounts", "text[]", fixed=True),
        Column("amount", "bigint", fixed=True),
        Column("reason", "text", fixed=True),
        Column("proposed_by", "text", fixed=True),
        Column("decided_by", "text"),
    ),
    TENURES: (
        Column("account_id", "uuid", key=True),
        Column("number", "text", fixed=True),
        Column("tenure", "bigint", fixed=True),
        Column("since", "date"),
        Column("until", "date"),
        Column("version", "bigint"),
    ),
    POSTINGS: (
        Column("payment_id", "uuid", key=True),
        Column("account", "text", key=True),
        Column("position", "bigint", fixed=True),
        Column("amount", "bigint", fixed=True),
        Column("penalty", "bigint", fixed=True),
        Column("allocation", "jsonb", fixed=True),
    ),
}
"""Table -> its columns in order; those of an aggregate's table are the names of its row there."""

NAMES = {table: tuple(c.name for c in columns) for table, columns in TABLES.items()}
"""Table -> the names of all its columns."""
KEYS = {table: tuple(c.name for c in columns if c.key) for table, columns in TABLES.items()}
"""Table -> the columns of its primary key."""
COLUMNS = {table: tuple(c.name for c in columns if not c.key) for table, columns in TABLES.items()}
"""Table -> its other columns."""
CHANGING = {
    table: tuple(c.name for c in columns if not (c.key or c.fixed))
    for table, columns in TABLES.items()
}
"""Table -> the columns that a later event may change."""


def upsert(table: str) -> str:
    """Return the statement that writes rows, however many, given as one JSON array of objects.

    A row that is there already takes the new values of its changing columns; where no column can
    change, it is a violation of the primary key.
    """
    # Measured beside an array for each column and psycopg's executemany, in groups of 1, 20 and
    # 500 rows of balances: 98, 10 and 6 to 12 us of our time a row; arrays take 125, 15 and 7,
    # executemany 190, 38 and 23.
    names = NAMES[table]
    return _upsert(table, names, f"json_populate_recordset(NULL::{table}, %s::json)")


def upsert_arm(table: str, after_tail: str = "") -> str:
    """Return the same as an arm of a group's statement: see shared.eventstore.group_append.

    The values of the column ``after_tail`` count from the end of the log.
    """
    values = [f"tail.position + r.{n}" if n == after_tail else f"r.{n}" for n in NAMES[table]]
    rows = f"tail, json_populate_recordset(NULL::{table}, %s::json) AS r WHERE tail.usable"
    return _upsert(table, values, rows)


def _upsert(table: str, values: Sequence[str], rows: str) -> str:
    changes = ", ".join(f"{name} = excluded.{name}" for name in CHANGING[table])
    conflict = f"ON CONFLICT ({', '.join(KEYS[table])}) DO UPDATE SET {changes}" if changes else ""
    return (
        f"INSERT INTO {table} ({', '.join(NAMES[table])}) "
        f"SELECT {', '.join(values)} FROM {rows} {conflict}"
    )


def as_parameters(table: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row as psycopg takes it, by name."""
    is_json = {column.name for column in TABLES[table] if column.type in ("json", "jsonb")}
    return {name: Jsonb(value) if name in is_json else value for name, value in row.items()}


def row_of(table: str, aggregate: Any) -> dict[str, Any] | None:
    """Return the row of an account or a proposal without its key; None where it has none."""
    row: dict[str, Any] | None = (
        aggregate.tenure_row() if table == TENURES else aggregate.snapshot()
    )
    return row


def posting_row(account: str, position: int, event: PaymentPosted) -> dict[str, Any]:
    """Return the row that says where a payment is in the log."""
    return {
        "payment_id": event.payment_id,
        "account": account,
        "position": position,
        "amount": event.amount,
        "penalty": event.penalty,
        "allocation": msgspec.to_builtins(list(event.allocation)),
    }
