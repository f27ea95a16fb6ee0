"""What happens to the bank's orders: registered, charged, closed, returned, and called back.

A change of an order and the callback that reports it are one transaction, so no kill comes between
them.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Callable
from typing import Any, Final

from deploy.doubles.acquirer.cards import Card, IssuerResponse
from deploy.doubles.acquirer.database import Database
from deploy.doubles.acquirer.faults import FaultSwitch
from deploy.doubles.acquirer.order import (
    BY_CARD,
    BY_ISSUER,
    BY_QR,
    BY_TIMEOUT,
    BY_WRONG_CODE,
    CODE_REQUESTED,
    DECLINED,
    PAID,
    REFUNDED,
    REGISTERED,
    REVERSED,
    WITHOUT_ATTEMPT,
    NewOrder,
    Order,
    OrderRefusedError,
    epoch_ms,
)

_SETTLED_AFTER_MS: Final = 24 * 3600 * 1000
_CODE_ATTEMPTS: Final = 3


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
                "SELECT * FROM orders WHERE order_id = ?"
                if order_id
                else "SELECT * FROM orders WHERE order_number = ?",
                (order_id or order_number,),
            ).fetchone()
        if row is None:
            raise OrderRefusedError(6, "Заказ не найден")
        return Order(**row)

    def pay(self, order_id: str, card: Card, difference: int = 0) -> Order:
        """Charge, decline, or ask for the code: the payer submitted the card form.

        An order that is no longer open is returned unchanged: a second submit charges nothing.
        `difference` is by how much the bank errs.
        """
        return self._pay(order_id, card.issuer_response, BY_CARD, card.masked_pan, difference)

    def pay_by_qr(self, order_id: str, response: IssuerResponse, difference: int = 0) -> Order:
        """Do the same with the payer's account: it was confirmed in the application of his bank."""
        return self._pay(order_id, response, BY_QR, None, difference)

    def confirm_code(self, order_id: str, *, accepted: bool, difference: int = 0) -> Order:
        """Check the code from the issuer's page; the third wrong one declines the payment."""
        self.expire()
        with self._database.transaction() as db:
            order = _one(db, order_id)
            if order.status != CODE_REQUESTED:
                return order
            if accepted:
                self._charge(db, order, difference)
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

    def close(self, order_id: str) -> Order:
        """Close an order that nobody has paid: the merchant wants no payment any more."""
        self.expire()
        with self._database.transaction() as db:
            order = _one(db, order_id)
            if not order.is_open:
                raise OrderRefusedError(7, "Заказ в этом состоянии закрыть нельзя")
            _set_status(db, order_id, DECLINED, WITHOUT_ATTEMPT)
            return _one(db, order_id)

    def reverse(self, order_id: str) -> Order:
        """Reverse a charge before settlement (here: within a day); later it takes a refund."""
        with self._database.transaction() as db:
            order = _one(db, order_id)
            settled = (order.charged_at or 0) + _SETTLED_AFTER_MS <= self._clock()
            if order.status != PAID or settled:
                raise OrderRefusedError(7, "Отмена невозможна для текущего состояния заказа")
            self._return(db, order, REVERSED, order.charged)
            order = _one(db, order_id)
        self._on_callback()
        return order

    def refund(self, order_id: str, amount: int | None = None, refund_id: str = "") -> Order:
        """Refund all that is left, or a part; partial refunds may add up to what was charged.

        A refund that the bank knows by the merchant's id is not made again.
        """
        with self._database.transaction() as db:
            order = _one(db, order_id)
            if refund_id and _is_made(db, refund_id, order_id, amount):
                return order
            if order.status not in {PAID, REFUNDED}:
                raise OrderRefusedError(7, "Возврат невозможен для текущего состояния заказа")
            amount = order.left if amount is None else amount
            if not 0 < amount <= order.left:
                raise OrderRefusedError(7, "Сумма возврата превышает остаток платежа")
            if refund_id:
                db.execute("INSERT INTO refunds VALUES (?,?,?)", (refund_id, order_id, amount))
            self._return(db, order, REFUNDED, amount)
            order = _one(db, order_id)
        self._on_callback()
        return order

    def call_back_again(self, order_id: str) -> None:
        """Queue the callback of the order's present state once more, whatever fault is on."""
        with self._database.transaction() as db:
            order = _one(db, order_id)
            operation, status = _last_operation(order)
            self._insert_callback(db, order_id, operation, status, self._clock())
        self._on_callback()

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

    def _pay(
        self,
        order_id: str,
        response: IssuerResponse,
        paid_by: str,
        masked_pan: str | None,
        difference: int,
    ) -> Order:
        self.expire()
        with self._database.transaction() as db:
            order = _one(db, order_id)
            if order.status != REGISTERED:
                return order
            db.execute(
                "UPDATE orders SET paid_by = ?, masked_pan = ? WHERE order_id = ?",
                (paid_by, masked_pan, order_id),
            )
            match response:
                case IssuerResponse.APPROVE:
                    self._charge(db, order, difference)
                case IssuerResponse.DECLINE:
                    self._decline(db, order_id, BY_ISSUER)
                case IssuerResponse.CHALLENGE:
                    _set_status(db, order_id, CODE_REQUESTED)
            order = _one(db, order_id)
        self._on_callback()
        return order

    def _charge(self, db: sqlite3.Connection, order: Order, difference: int) -> None:
        charged = order.amount + difference
        if charged <= 0:
            charged = order.amount - difference
        db.execute(
            "UPDATE orders SET status = ?, charged = ?, charged_at = ? WHERE order_id = ?",
            (PAID, charged, self._clock(), order.order_id),
        )
        self._queue_callback(db, order.order_id, "deposited", 1)

    def _decline(self, db: sqlite3.Connection, order_id: str, action_code: int) -> None:
        _set_status(db, order_id, DECLINED, action_code)
        # A one-stage payment that fails is reported as a deposit that did not happen.
        self._queue_callback(db, order_id, "deposited", 0)

    def _return(self, db: sqlite3.Connection, order: Order, status: int, amount: int) -> None:
        db.execute(
            "UPDATE orders SET status = ?, returned = returned + ? WHERE order_id = ?",
            (status, amount, order.order_id),
        )
        operation = "reversed" if status == REVERSED else "refunded"
        self._queue_callback(db, order.order_id, operation, 1)

    def _queue_callback(
        self, db: sqlite3.Connection, order_id: str, operation: str, status: int
    ) -> None:
        faults = self._faults.drawn("callback")
        copies = 0 if faults.drop_callbacks else 2 if faults.double_callbacks else 1
        due_at = self._clock() + round(faults.callback_delay_seconds * 1000)
        for _ in range(copies):
            self._insert_callback(db, order_id, operation, status, due_at)

    def _insert_callback(
        self, db: sqlite3.Connection, order_id: str, operation: str, status: int, due_at: int
    ) -> None:
        db.execute(
            "INSERT INTO callbacks (order_id, operation, status, queued_at, due_at)"
            " VALUES (?,?,?,?,?)",
            (order_id, operation, status, self._clock(), due_at),
        )


def _last_operation(order: Order) -> tuple[str, int]:
    """Return the operation, and whether it succeeded, that led to the order's state."""
    if order.is_open:
        raise OrderRefusedError(7, "Об открытом заказе сообщать нечего")
    if order.status == DECLINED:
        return ("declinedByTimeout", 1) if order.action_code == BY_TIMEOUT else ("deposited", 0)
    return {PAID: "deposited", REVERSED: "reversed", REFUNDED: "refunded"}[order.status], 1


def _is_made(db: sqlite3.Connection, refund_id: str, order_id: str, amount: int | None) -> bool:
    """Return whether this very refund was made; refuse another one under the same id."""
    row = db.execute(
        "SELECT order_id, amount FROM refunds WHERE refund_id = ?", (refund_id,)
    ).fetchone()
    if row is not None and tuple(row) != (order_id, amount):
        raise OrderRefusedError(7, "Возврат с этим номером уже сделан, и он другой")
    return row is not None


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
