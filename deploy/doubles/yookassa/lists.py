"""Lists of payments and refunds: filtered, the newest first, page by page."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from deploy.doubles.yookassa.database import Database
from deploy.doubles.yookassa.objects import Payment, Refund, invalid

_OPERATORS: Final = {"gte": ">=", "gt": ">", "lte": "<=", "lt": "<"}
_PLAIN: Final = {"payments": {"status"}, "refunds": {"status", "payment_id"}}
_INSTANTS: Final = {"payments": {"created_at", "captured_at"}, "refunds": {"created_at"}}
_KEYS: Final = {"payments": "payment_id", "refunds": "refund_id"}
_DEFAULT_LIMIT: Final = 10
_LARGEST_LIMIT: Final = 100


class Lists:
    """The lists of the API, and those of the panel."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def payments(self, query: Mapping[str, str]) -> tuple[list[Payment], str]:
        """Return a page of payments, and the cursor of the next one."""
        rows, cursor = self._page("payments", query)
        return [Payment(**row) for row in rows], cursor

    def refunds(self, query: Mapping[str, str]) -> tuple[list[Refund], str]:
        """Return a page of refunds, and the cursor of the next one."""
        rows, cursor = self._page("refunds", query)
        return [Refund(**row) for row in rows], cursor

    def all_payments(self) -> list[Payment]:
        """Return all payments, oldest first: for reconciliation."""
        with self._database.transaction() as db:
            rows = db.execute("SELECT * FROM payments ORDER BY place").fetchall()
        return [Payment(**row) for row in rows]

    def _page(self, table: str, query: Mapping[str, str]) -> tuple[list[Any], str]:
        conditions, values = ["true"], list[Any]()
        for name, value in query.items():
            column, _, operator = name.partition(".")
            if column in _INSTANTS[table] and operator in _OPERATORS:
                conditions.append(f"{column} {_OPERATORS[operator]} ?")
                values.append(_milliseconds(name, value))
            elif name in _PLAIN[table]:
                conditions.append(f"{name} = ?")
                values.append(value)
            elif name == "cursor":
                key = _KEYS[table]
                conditions.append(f"place < (SELECT place FROM {table} WHERE {key} = ?)")  # noqa: S608
                values.append(value)
            elif name != "limit":
                raise invalid("Unknown parameter", name)
        limit = _limit(query.get("limit", str(_DEFAULT_LIMIT)))
        with self._database.transaction() as db:
            rows = db.execute(
                f"SELECT * FROM {table} WHERE {' AND '.join(conditions)}"  # noqa: S608 - names above
                " ORDER BY place DESC LIMIT ?",
                (*values, limit + 1),
            ).fetchall()
        cursor = rows[limit - 1][_KEYS[table]] if len(rows) > limit else ""
        return rows[:limit], cursor


def _limit(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,3}", text) or not 1 <= int(text) <= _LARGEST_LIMIT:
        raise invalid(f"From 1 to {_LARGEST_LIMIT}", "limit")
    return int(text)


def _milliseconds(name: str, text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
        return round(moment.timestamp() * 1000) if moment.tzinfo else _refuse(name)
    except ValueError:
        return _refuse(name)


def _refuse(name: str) -> int:
    raise invalid("An instant like 2018-07-18T10:51:18.139Z", name)
