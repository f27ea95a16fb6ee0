"""Rows of ``balances`` by the thousand: read by one query, written by COPY and one UPDATE."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from services.ledger.domain import Account
from services.ledger.rows import BALANCES, COLUMNS

_NAMES = ("account_id", *COLUMNS[BALANCES])
_TYPES: dict[str, str] = {
    "account_id": "uuid",
    "number": "text",
    "payer_kind": "text",
    "version": "int8",
    "principal": "int8",
    "penalty": "int8",
    "advance": "int8",
    # Encoded here, so the bytes go through as they are: the binary form of json is its text.
    "open_items": "bytea",
    "due_dates": "bytea",
    "charged_periods": "text[]",
}
_UNCHANGING = frozenset({"account_id", "number", "payer_kind"})
_FIND = f"SELECT {', '.join(_NAMES)} FROM balances WHERE number = ANY(%s)"  # noqa: S608
_COPY = f"COPY new_balances ({', '.join(_NAMES)}) FROM STDIN (FORMAT BINARY)"
# The temporary table has no statistics: left alone, the planner reads all of balances for it.
_PLANS = ("enable_hashjoin", "enable_mergejoin", "enable_seqscan")
_BY_INDEX = "; ".join(f"SET LOCAL {plan} = off" for plan in _PLANS)
_AS_BEFORE = "; ".join(f"RESET {plan}" for plan in _PLANS)
_CHANGES = ", ".join(f"{name} = n.{name}" for name in _NAMES if name not in _UNCHANGING)
_UPDATE = (
    f"UPDATE balances AS b SET {_CHANGES} "  # noqa: S608
    "FROM new_balances AS n WHERE b.account_id = n.account_id"
)
_INSERT = (
    f"INSERT INTO balances ({', '.join(_NAMES)}) SELECT {', '.join(_NAMES)} "  # noqa: S608
    "FROM new_balances ON CONFLICT (account_id) DO NOTHING"
)
_encode = msgspec.json.encode


def find_balances(cursor: Any, numbers: Sequence[str]) -> list[dict[str, Any]]:
    """Answer the rows of many accounts, in any order; unknown ones are left out."""
    cursor.execute(_FIND, (list(numbers),), binary=True)
    return cursor.fetchall()  # type: ignore[no-any-return]


def write_balances(cursor: Any, accounts: Iterable[Account]) -> None:
    """Write the state of many accounts, each once; those that have no row yet get one."""
    write_rows(cursor, [balance_row(account) for account in accounts])


def balance_row(account: Account) -> tuple[Any, ...]:
    """Answer the row that keeps the state of an account, in the form that write_rows takes."""
    snapshot = account.snapshot()
    snapshot["open_items"] = _encode(snapshot["open_items"])
    snapshot["due_dates"] = _encode(snapshot["due_dates"])
    return (account.id, *[snapshot[name] for name in COLUMNS[BALANCES]])


def write_rows(cursor: Any, rows: Sequence[tuple[Any, ...]]) -> None:
    """Write rows of balance_row, each of another account."""
    cursor.execute("CREATE TEMP TABLE IF NOT EXISTS new_balances (LIKE balances) ON COMMIT DROP")
    cursor.execute("TRUNCATE new_balances")
    with cursor.copy(_COPY) as copy:
        copy.set_types([_TYPES[name] for name in _NAMES])
        for row in rows:
            copy.write_row(row)
    cursor.execute(_BY_INDEX)
    cursor.execute(_UPDATE)
    if cursor.rowcount < len(rows):
        cursor.execute(_INSERT)
    cursor.execute(_AS_BEFORE)
