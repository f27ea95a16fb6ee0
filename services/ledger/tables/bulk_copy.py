"""Bulk reads and writes of ``balances``: one query, and COPY with one UPDATE."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any
from uuid import UUID

import msgspec
from psycopg.rows import tuple_row
from psycopg.types.string import ByteaBinaryLoader

from services.ledger.domain import Account
from services.ledger.domain.months import month_ranges
from services.ledger.tables.columns import BALANCES, CHANGING, NAMES
from shared.eventstore.arrays import uuids

_AT_ONCE = 200
_NAMES = ", ".join(NAMES[BALANCES])
_FIND = f"SELECT {_NAMES} FROM balances WHERE number = ANY(%s)"
# Account.from_values takes the columns in their order; principal follows from the open items.
_VALUES = ", ".join(name for name in NAMES[BALANCES] if name != "principal")
_READ = f"SELECT {_VALUES} FROM balances WHERE "
# Sent as one text: psycopg looks at each element of an array.
_BY_NUMBER = _READ + "number = ANY(string_to_array(%s, E'\\n'))"
_BY_ID = _READ + "account_id = ANY(%s)"
_COPY = f"COPY new_balances ({_NAMES}) FROM STDIN (FORMAT BINARY)"
# The temporary table has no statistics: left alone, the planner reads all of balances for it.
_PLANS = ("enable_hashjoin", "enable_mergejoin", "enable_seqscan")
_BY_INDEX = "; ".join(f"SET LOCAL {plan} = off" for plan in _PLANS)
_AS_BEFORE = "; ".join(f"RESET {plan}" for plan in _PLANS)
_CHANGES = ", ".join(f"{name} = n.{name}" for name in CHANGING[BALANCES])
_UPDATE = (
    f"UPDATE balances AS b SET {_CHANGES} FROM new_balances AS n WHERE b.account_id = n.account_id"
)
_INSERT = (
    f"INSERT INTO balances ({_NAMES}) SELECT {_NAMES} "
    "FROM new_balances ON CONFLICT (account_id) DO NOTHING"
)
_encode, _decode = msgspec.json.encode, msgspec.json.decode
_NOTHING = b"{}"
_WIDTH = len(NAMES[BALANCES])
_HEAD = struct.Struct(">hi16si")
_NUMBERS = struct.Struct(">iqiqiqiqiqi")
_NUMBER = struct.Struct(">iq")
_LENGTH = struct.Struct(">i")
_SIGNATURE = b"PGCOPY\n\xff\r\n\x00" + struct.pack(">ii", 0, 0)
_END = struct.pack(">h", -1)
_TEXT = 25
_NO_ARRAY = struct.pack(">iii", 0, 0, _TEXT)


def find_balances(cursor: Any, numbers: Sequence[str]) -> list[dict[str, Any]]:
    """Return the rows of many accounts, in any order; unknown ones are left out."""
    cursor.execute(_FIND, (list(numbers),), binary=True)
    return cursor.fetchall()  # type: ignore[no-any-return]


def read_accounts(cursor: Any, numbers: Sequence[str]) -> Iterator[Account]:
    """Yield the accounts of many numbers from their rows, in any order; unknown ones are left out.

    It reads what ``find_balances`` does, without a dictionary for each row.
    """
    return _read(cursor, _BY_NUMBER, "\n".join(numbers))


def read_accounts_by_id(cursor: Any, ids: Sequence[UUID]) -> Iterator[Account]:
    """Yield accounts by their ids; as ``read_accounts`` does."""
    return _read(cursor, _BY_ID, uuids(ids))


def _read(cursor: Any, query: str, keys: Any) -> Iterator[Account]:
    with cursor.connection.cursor(binary=True, row_factory=tuple_row) as reading:
        # JSON as bytes: a loader in Python would be called twice for each of a million rows.
        reading.adapters.register_loader("json", ByteaBinaryLoader)
        reading.execute(query, (keys,))
        from_values: Callable[..., Account] = Account.from_values
        for *before, items, days, months, late_days, last_fact, order_matters_on in reading:
            open_items = {} if items == _NOTHING else _decode(items)
            due_dates = {} if days == _NOTHING else _decode(days)
            yield from_values(
                *before, open_items, due_dates, months, late_days, last_fact, order_matters_on
            )


def write_balances(cursor: Any, accounts: Iterable[Account]) -> None:
    """Write the rows of many accounts, each once; insert those that have none."""
    write_rows(cursor, [balance_row(account) for account in accounts])


def balance_row(account: Account) -> bytes:
    """Return the row of an account in the binary format of COPY: the columns in their order.

    Written by hand because a billing run encodes every account: 155 000 to 256 000 rows/s, where
    psycopg's ``write_row`` makes 108 000 to 140 000 of their snapshots.
    """
    number, owed, due_dates = account.number.encode(), account.open_items, account.due_dates
    items, last_fact = _encode(owed), account.last_fact.encode()
    due = _encode({period: due_dates[period] for period in sorted(owed)})
    return b"".join(
        (
            _HEAD.pack(_WIDTH, 16, account.id.bytes, len(number)),
            number,
            _text(account.payer_kind),
            _NUMBERS.pack(
                *(8, account.version, 8, account.last_bill, 8, account.principal),
                *(8, account.penalty, 8, account.advance, len(items)),
            ),
            items,
            _LENGTH.pack(len(due)),
            due,
            _text_array(month_ranges(account.charged_periods)),
            _NUMBER.pack(8, account.late_days),
            _LENGTH.pack(len(last_fact)),
            last_fact,
            _text(account.order_matters_on),
        )
    )


def write_rows(cursor: Any, rows: Sequence[bytes]) -> None:
    """Write rows from balance_row, each of a different account."""
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


@lru_cache(maxsize=1_024)
def _text(text: str) -> bytes:
    encoded = text.encode()
    return _LENGTH.pack(len(encoded)) + encoded


@lru_cache(maxsize=4_096)
def _text_array(texts: tuple[str, ...]) -> bytes:
    # Nearly all accounts have been charged for the same months.
    head = struct.pack(">iiiii", 1, 0, _TEXT, len(texts), 1) if texts else _NO_ARRAY
    array = head + b"".join(map(_text, texts))
    return _LENGTH.pack(len(array)) + array
