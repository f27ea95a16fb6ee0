"""The bank's orders in lists: for reconciliation, for the report of a period, for the panel."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from deploy.doubles.acquirer.database import Database
from deploy.doubles.acquirer.order import Order

PAGE_ROWS: Final = 50

_CHARGED: Final = (
    "SELECT * FROM orders WHERE charged_at BETWEEN ? AND ?"
    " AND status IN (SELECT value FROM json_each(?)) ORDER BY charged_at DESC, order_id"
)
_CREATED: Final = (
    "SELECT * FROM orders WHERE registered_at BETWEEN ? AND ?"
    " AND status IN (SELECT value FROM json_each(?)) ORDER BY registered_at DESC, order_id"
)


@dataclass(frozen=True)
class Totals:
    """The number of orders in a state, and their sums."""

    status: int
    orders: int
    charged: int
    returned: int


@dataclass(frozen=True)
class OrderPage:
    """Some orders, the newest first; `older` leads to those before them."""

    orders: list[Order]
    older: int | None


@dataclass(frozen=True)
class SentCallback:
    """A callback of one order, as far as it has come."""

    operation: str
    status: int
    queued_at: int
    due_at: int | None
    attempts: int
    delivered_at: int | None
    last_answer: str | None


class OrderList:
    """Reads of many orders; none of them grows slow with their number, but `brief`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all_orders(self) -> list[Order]:
        """Return all orders, oldest first."""
        return [Order(**row) for row in self._rows("SELECT * FROM orders ORDER BY rowid")]

    def brief(self) -> list[dict[str, Any]]:
        """Return what reconciliation compares of all orders, oldest first."""
        rows = self._rows(
            "SELECT order_id AS orderId, order_number AS orderNumber, amount, status,"
            # A reversal is no refund, though its money is returned, too.
            " iif(status = 3, 0, returned) AS refunded, charged_at AS chargedAt, charged, returned"
            " FROM orders ORDER BY rowid"
        )
        return [dict(row) for row in rows]

    def of_period(
        self,
        since: int,
        until: int,
        statuses: Iterable[int],
        *,
        created: bool,
        size: int,
        page: int,
    ) -> tuple[list[Order], int]:
        """Return a page of the orders of a period, the newest first, and how many there are."""
        chosen = _CREATED if created else _CHARGED
        values = (since, until, json.dumps(sorted(statuses)))
        with self._database.transaction() as db:
            total = db.execute(f"SELECT count(*) FROM ({chosen})", values).fetchone()[0]  # noqa: S608 - constants
            rows = db.execute(f"{chosen} LIMIT ? OFFSET ?", (*values, size, size * page)).fetchall()
        return [Order(**row) for row in rows], int(total)

    def totals(self) -> list[Totals]:
        """Return the sums by state."""
        rows = self._rows(
            "SELECT status, count(*) AS orders, sum(charged) AS charged, sum(returned) AS returned"
            " FROM orders GROUP BY status ORDER BY status"
        )
        return [Totals(**row) for row in rows]

    def waiting_callbacks(self) -> int:
        """Return how many callbacks the merchant has yet to accept."""
        row = self._rows("SELECT count(*) AS waiting FROM callbacks WHERE due_at IS NOT NULL")[0]
        return int(row["waiting"])

    def page(self, before: int | None, status: int | None, number: str) -> OrderPage:
        """Return the orders before a place in the list, those of a state or number only."""
        rows = self._rows(
            "SELECT rowid AS place, * FROM orders WHERE rowid < coalesce(?, rowid + 1)"
            " AND status = coalesce(?, status) AND (? = '' OR order_number = ? OR order_id = ?)"
            " ORDER BY rowid DESC LIMIT ?",
            (before, status, number, number, number, PAGE_ROWS + 1),
        )
        orders = []
        for row in rows[:PAGE_ROWS]:
            columns = dict(row)
            older = columns.pop("place")
            orders.append(Order(**columns))
        return OrderPage(orders, older if len(rows) > PAGE_ROWS else None)

    def callbacks_of(self, order_id: str) -> list[SentCallback]:
        """Return the callbacks of an order, oldest first."""
        rows = self._rows(
            "SELECT operation, status, queued_at, due_at, attempts, delivered_at, last_answer"
            " FROM callbacks WHERE order_id = ? ORDER BY callback_id",
            (order_id,),
        )
        return [SentCallback(**row) for row in rows]

    def _rows(self, query: str, values: tuple[Any, ...] = ()) -> list[Any]:
        with self._database.transaction() as db:
            return db.execute(query, values).fetchall()
