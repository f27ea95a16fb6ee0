"""Rows of ``balances`` by the thousand: read by one query, written by COPY and one UPDATE."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from services.ledger.domain import Account
from services.ledger.rows import BALANCES, COLUMNS

_NAMES = (
    "account_id",
    "number",
    "payer_kind",
    "version",
    "principal",
    "penalty",
    "advance",
    "open_items",
    "due_dates",
    "charged_periods",
)
if set(_NAMES) != {"account_id", *COLUMNS[BALANCES]}:
    raise RuntimeError("balance_row does not write the columns that a row of balances has")
_AT_ONCE = 200
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
_HEAD = struct.Struct(">hi16si")
_NUMBERS = struct.Struct(">iqiqiqiqi")
_LENGTH = struct.Struct(">i")
_SIGNATURE = b"PGCOPY\n\xff\r\n\x00" + struct.pack(">ii", 0, 0)
_END = struct.pack(">h", -1)
_TEXT = 25
_NO_ARRAY = struct.pack(">iii", 0, 0, _TEXT)


def find_balances(cursor: Any, numbers: Sequence[str]) -> list[dict[str, Any]]:
    """Answer the rows of many accounts, in any order; unknown ones are left out."""
    cursor.execute(_FIND, (list(numbers),), binary=True)
    return cursor.fetchall()  # type: ignore[no-any-return]


def write_balances(cursor: Any, accounts: Iterable[Account]) -> None:
    """Write the state of many accounts, each once; those that have no row yet get one."""
    write_rows(cursor, [balance_row(account) for account in accounts])


def balance_row(account: Account) -> bytes:
    """Answer the row that keeps the state of an account, as binary COPY takes it.

    It holds what ``snapshot`` answers, without the detour: a billing run makes it of each account.
    """
    number, kind, owed = account.number.encode(), account.payer_kind.encode(), account.open_items
    items = _encode(owed)
    due_dates = _encode({period: account.due_dates[period] for period in sorted(owed)})
    periods = _text_array(sorted(account.charged_periods))
    head, length = _HEAD.pack, _LENGTH.pack
    return b"".join(
        (
            head(len(_NAMES), 16, account.id.bytes, len(number)),
            number,
            length(len(kind)),
            kind,
            _NUMBERS.pack(
                *(8, account.version, 8, account.principal, 8, account.penalty),
                *(8, account.advance, len(items)),
            ),
            items,
            length(len(due_dates)),
            due_dates,
            length(len(periods)),
            periods,
        )
    )


def write_rows(cursor: Any, rows: Sequence[bytes]) -> None:
    """Write rows of balance_row, each of another account."""
    cursor.execute("CREATE TEMP TABLE IF NOT EXISTS new_balances (LIKE balances) ON COMMIT DROP")
    cursor.execute("TRUNCATE new_balances")
    with cursor.copy(_COPY) as copy:
        copy.write(_SIGNATURE)
        for first in range(0, len(rows), _AT_ONCE):
            copy.write(b"".join(rows[first : first + _AT_ONCE]))
        copy.write(_END)
    cursor.execute(_BY_INDEX)
    cursor.execute(_UPDATE)
    if cursor.rowcount < len(rows):
        cursor.execute(_INSERT)
    cursor.execute(_AS_BEFORE)


def _text_array(texts: Sequence[str]) -> bytes:
    if not texts:
        return _NO_ARRAY
    parts = [struct.pack(">iiiii", 1, 0, _TEXT, len(texts), 1)]
    for text in texts:
        encoded = text.encode()
        parts += (_LENGTH.pack(len(encoded)), encoded)
    return b"".join(parts)
