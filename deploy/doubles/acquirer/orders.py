"""The bank's orders: registered, charged, reversed, refunded, and reported by callbacks.

A change of an order and the callback that reports it are one transaction, so no kill comes between
them. As in the protocol, amounts are integer kopecks, and instants are milliseconds of the Unix
epoch.
"""

from __future__ import annotations

import sqlite3
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from deploy.doubles.acquirer.cards import Card, IssuerResponse
from deploy.doubles.acquirer.database import Database
from deploy.doubles.acquirer.faults import FaultSwitch

REGISTERED: Final = 0
PAID: Final = 2
REVERSED: Final = 3
REFUNDED: Final = 4
CODE_REQUESTED: Final = 5
DECLINED: Final = 6

#: Why an order was declined (`actionCode`): refused by the issuer; session timed out; wrong 3-D
#: Secure code.
BY_ISSUER: Final = 116
BY_TIMEOUT: Final = -2007
BY_WRONG_CODE: Final = -2019

_SETTLED_AFTER_MS: Final = 24 * 3600 * 1000
_CODE_ATTEMPTS: Final = 3


class OrderRefusedError(Exception):
    """An operation that the bank refuses; `code` and `text` go into the response."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text


@dataclass(frozen=True)
class NewOrder:
    """The order that a merchant registers."""

    order_number: str
    amount: int
    return_url: str
    fail_url: str
    description: str
    session_seconds: int


@dataclass(frozen=True)
class Order:
    """One order; the fields are the columns of the table."""

    order_id: str
    order_number: str
    amount: int
    refunded: int
    return_url: str
    fail_url: str
    description: str
    status: int
    action_code: int
    registered_at: int
    expires_at: int
    charged_at: int | None
    masked_pan: str | None
    code_attempts: int

    @property
    def is_open(self) -> bool:
        return self.status in {REGISTERED, CODE_REQUESTED}


def epoch_ms() -> int:
    return time.time_ns() // 1_000_000


class Orders:
    """The operations on orders; each is atomic and thread-safe."""

    def __init__(
        self,
        database: Database,
        faults: FaultSwitch,
        clock: Callable[[], int] = epoch_ms,
        on_callback: Callable[[], None] = lambda: None,
    ) -> None:
        self._database = database
        self._faults = faults
        self._clock = clock
        self._on_callback = on_callback

    def register(self, new: NewOrder) -> Order:
        """Register an order; refuse a known order number with code 1."""
        now = self._clock()
        order_id = str(uuid.uuid4())
        with self._database.transaction() as db:
            try:
                db.execute(
                    "INSERT INTO orders (order_id, order_number, amount, return_url, fail_url,"
                    " description, status, registered_at, expires_at) VALUES (?,?,?,?,?,?,?,?,?)",
                    (
                        order_id,
                        new.order_number,
                        new.amount,
                        new.return_url,
                        new.fail_url,
                        new.description,
                        REGISTERED,
                        now,
                        now + new.session_seconds * 1000,
                    ),
                )
            except sqlite3.IntegrityError as error:
                raise OrderRefusedError(1, "Заказ с таким номером уже обработан") from error
            return _one(db, order_id)

    def find(self, *, order_id: str = "", order_number: str = "") -> Order:
        """Return an order, expired first if it is due; refuse an unknown one with code 6."""
        self.expire()
        with self._database.transaction() as db:
            row = db.execute(
                "SELECT * FROM orders WHERE order_id = ? OR (? = '' AND order_number = ?)",
                (order_id, order_id, order_number),
            ).fetchone()
        if row is None:
            raise OrderRefusedError(6, "Заказ не найден")
        return Order(**row)

    def pay(self, order_id: str, card: Card) -> Order:
        """Charge, decline, or ask for the code: the payer submitted the card form.

        An order that is no longer open is returned unchanged: a second submit charges nothing.
        """
        self.expire()
        with self._database.transaction() as db:
            order = _one(db, order_id)
            if order.status != REGISTERED:
                return order
            db.execute(
                "UPDATE orders SET masked_pan = ? WHERE order_id = ?", (card.masked_pan, order_id)
            )
            match card.issuer_response:
                case IssuerResponse.APPROVE:
                    self._charge(db, order_id)
                case IssuerResponse.DECLINE:
                    self._decline(db, order_id, BY_ISSUER)
                case IssuerResponse.CHALLENGE:
                    _set_status(db, order_id, CODE_REQUESTED)
            order = _one(db, order_id)
        self._on_callback()
        return order

    def confirm_code(self, order_id: str, *, accepted: bool) -> Order:
        """Check the code from the issuer's page; the third wrong one declines the payment."""
        self.expire()
        with self._database.transaction() as db:
            order = _one(db, order_id)
            if order.status != CODE_REQUESTED:
                return order
            if accepted:
                self._charge(db, order_id)
            elif order.code_attempts + 1 >= _CODE_ATTEMPTS:
                self._decline(db, order_id, BY_WRONG_CODE)
            else:
                db.execute(
                    "UPDATE orders SET code_attempts = code_attempts + 1 WHERE order_id = ?",
                    (order_id,),
                )
            order = _one(db, order_id)
        self._on_callback()
        return order

    def reverse(self, order_id: str) -> Order:
        """Reverse a charge before settlement (here: within a day); later it takes a refund."""
        with self._database.transaction() as db:
            order = _one(db, order_id)
            settled = (order.charged_at or 0) + _SETTLED_AFTER_MS <= self._clock()
            if order.status != PAID or settled:
                raise OrderRefusedError(7, "Отмена невозможна для текущего состояния заказа")
            _set_status(db, order_id, REVERSED)
            self._queue_callback(db, order_id, "reversed", 1)
            order = _one(db, order_id)
        self._on_callback()
        return order

    def refund(self, order_id: str, amount: int) -> Order:
        """Refund all or a part; partial refunds may add up to the amount."""
        with self._database.transaction() as db:
            order = _one(db, order_id)
            if order.status not in {PAID, REFUNDED}:
                raise OrderRefusedError(7, "Возврат невозможен для текущего состояния заказа")
            if not 0 < amount <= order.amount - order.refunded:
                raise OrderRefusedError(7, "Сумма возврата превышает остаток платежа")
            db.execute(
                "UPDATE orders SET status = ?, refunded = refunded + ? WHERE order_id = ?",
                (REFUNDED, amount, order_id),
            )
            self._queue_callback(db, order_id, "refunded", 1)
            order = _one(db, order_id)
        self._on_callback()
        return order

    def expire(self) -> int:
        """Decline the open orders whose session is over; return their number."""
        now = self._clock()
        with self._database.transaction() as db:
            due = db.execute(
                "SELECT order_id FROM orders WHERE status IN (0, 5) AND (expires_at <= ? OR ?)",
                (now, self._faults.now.end_sessions),
            ).fetchall()
            for row in due:
                _set_status(db, row["order_id"], DECLINED, BY_TIMEOUT)
                self._queue_callback(db, row["order_id"], "declinedByTimeout", 1)
        if due:
            self._on_callback()
        return len(due)

    def all_orders(self) -> list[Order]:
        """Return all orders, oldest first: for reconciliation."""
        with self._database.transaction() as db:
            rows = db.execute("SELECT * FROM orders ORDER BY registered_at, rowid").fetchall()
        return [Order(**row) for row in rows]

    def _charge(self, db: sqlite3.Connection, order_id: str) -> None:
        db.execute(
            "UPDATE orders SET status = ?, charged_at = ? WHERE order_id = ?",
            (PAID, self._clock(), order_id),
        )
        self._queue_callback(db, order_id, "deposited", 1)

    def _decline(self, db: sqlite3.Connection, order_id: str, action_code: int) -> None:
        _set_status(db, order_id, DECLINED, action_code)
        # A one-stage payment that fails is reported as a deposit that did not happen.
        self._queue_callback(db, order_id, "deposited", 0)

    def _queue_callback(
        self, db: sqlite3.Connection, order_id: str, operation: str, status: int
    ) -> None:
        faults = self._faults.now
        copies = 0 if faults.drop_callbacks else 2 if faults.double_callbacks else 1
        now = self._clock()
        due_at = now + round(faults.callback_delay_seconds * 1000)
        for _ in range(copies):
            db.execute(
                "INSERT INTO callbacks (order_id, operation, status, queued_at, due_at)"
                " VALUES (?,?,?,?,?)",
                (order_id, operation, status, now, due_at),
            )


def _one(db: sqlite3.Connection, order_id: str) -> Order:
    row: Any = db.execute("SELECT * FROM orders WHERE order_id = ?", (order_id,)).fetchone()
    if row is None:
        raise OrderRefusedError(6, "Заказ не найден")
    return Order(**row)


def _set_status(
    db: sqlite3.Connection, order_id: str, status: int, action_code: int | None = None
) -> None:
    db.execute(
        "UPDATE orders SET status = ?, action_code = coalesce(?, action_code) WHERE order_id = ?",
        (status, action_code, order_id),
    )
