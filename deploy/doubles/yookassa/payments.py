"""The payments of the shop: created, held, captured, canceled, refunded.

A change, the notification of it and the key of the call that asked for it are one transaction, so
no kill comes between them. Amounts are kopecks, instants milliseconds of the Unix epoch.
"""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from deploy.doubles.acquirer.cards import Card, IssuerResponse
from deploy.doubles.yookassa.database import Database
from deploy.doubles.yookassa.faults import FaultSwitch
from deploy.doubles.yookassa.keys import KeyedCall, known_object, remember
from deploy.doubles.yookassa.objects import (
    CANCELED,
    PENDING,
    SUCCEEDED,
    WAITING_FOR_CAPTURE,
    Payment,
    Refund,
    absent,
    describe_payment,
    describe_refund,
    epoch_ms,
    invalid,
)

_TIME_TO_PAY_MS: Final = 3600 * 1000
_TIME_TO_CAPTURE_MS: Final = 7 * 24 * 3600 * 1000
_CODE_ATTEMPTS: Final = 3


@dataclass(frozen=True)
class NewPayment:
    """The payment that a shop creates."""

    amount: int
    capture: bool
    description: str
    metadata: Mapping[str, str]
    return_url: str


@dataclass(frozen=True)
class NewRefund:
    """A refund to make; it stays pending for a time."""

    payment_id: str
    amount: int
    description: str
    pending_seconds: float = 0.0


class Payments:
    """The operations on payments; each is atomic and thread-safe."""

    def __init__(
        self,
        database: Database,
        faults: FaultSwitch,
        base_url: str,
        clock: Callable[[], int] = epoch_ms,
        on_notification: Callable[[], None] = lambda: None,
    ) -> None:
        self._database = database
        self._faults = faults
        self._base_url = base_url
        self._clock = clock
        self._on_notification = on_notification

    def create(self, new: NewPayment, call: KeyedCall) -> Payment:
        """Create a payment that waits for the payer."""
        now = self._clock()
        with self._database.transaction() as db:
            if known := known_object(db, call, now):
                return one_payment(db, known)
            payment_id = str(uuid.uuid4())
            db.execute(
                "INSERT INTO payments (payment_id, amount, status, capture, description, metadata,"
                " return_url, created_at, expires_at) VALUES (?,?,?,?,?,?,?,?,?)",
                (
                    payment_id,
                    new.amount,
                    PENDING,
                    new.capture,
                    new.description,
                    json.dumps(dict(new.metadata), ensure_ascii=False),
                    new.return_url,
                    now,
                    now + _TIME_TO_PAY_MS,
                ),
            )
            remember(db, call, payment_id, now)
            return one_payment(db, payment_id)

    def find(self, payment_id: str) -> Payment:
        """Return a payment, expired first if it is due; refuse an unknown one."""
        self.tidy()
        with self._database.transaction() as db:
            return one_payment(db, payment_id)

    def pay(self, payment_id: str, card: Card, other: int = 0) -> Payment:
        """Hold or charge the sum, decline, or ask for the code: the card was entered.

        `other` is what is taken beyond the sum, by mistake. A payment that is no longer open is
        returned unchanged: a second submit takes nothing.
        """
        self.tidy()
        with self._database.transaction() as db:
            payment = one_payment(db, payment_id)
            if payment.status != PENDING or payment.code_asked:
                return payment
            _set(db, payment_id, masked_pan=card.masked_pan)
            match card.issuer_response:
                case IssuerResponse.APPROVE:
                    self._take(db, payment, other)
                case IssuerResponse.DECLINE:
                    self._cancel(db, payment_id, "payment_network", "general_decline")
                case IssuerResponse.CHALLENGE:
                    _set(db, payment_id, code_asked=1)
            payment = one_payment(db, payment_id)
        self._on_notification()
        return payment

    def confirm_code(self, payment_id: str, *, accepted: bool, other: int = 0) -> Payment:
        """Check the code of the issuer's page; the third wrong one cancels the payment."""
        self.tidy()
        with self._database.transaction() as db:
            payment = one_payment(db, payment_id)
            if not payment.awaits_code:
                return payment
            if accepted:
                self._take(db, payment, other)
            elif payment.code_attempts + 1 >= _CODE_ATTEMPTS:
                self._cancel(db, payment_id, "payment_network", "3d_secure_failed")
            else:
                _set(db, payment_id, code_attempts=payment.code_attempts + 1)
            payment = one_payment(db, payment_id)
        self._on_notification()
        return payment

    def capture(self, payment_id: str, amount: int | None, call: KeyedCall) -> Payment:
        """Charge what is held; without an amount, all of it. The rest is released."""
        self.tidy()
        with self._database.transaction() as db:
            if known_object(db, call, self._clock()):
                return one_payment(db, payment_id)
            payment = one_payment(db, payment_id)
            if payment.status != WAITING_FOR_CAPTURE:
                raise invalid("Payment should be in the waiting_for_capture status")
            charged = payment.amount if amount is None else amount
            if charged > payment.amount:
                raise invalid("The amount is larger than what is held", "amount.value")
            _set(db, payment_id, amount=charged)
            self._charge(db, payment_id)
            remember(db, call, payment_id, self._clock())
            payment = one_payment(db, payment_id)
        self._on_notification()
        return payment

    def cancel(self, payment_id: str, call: KeyedCall) -> Payment:
        """Release what is held; a payment of any other status is refused."""
        self.tidy()
        with self._database.transaction() as db:
            if known_object(db, call, self._clock()):
                return one_payment(db, payment_id)
            if one_payment(db, payment_id).status != WAITING_FOR_CAPTURE:
                raise invalid("Payment should be in the waiting_for_capture status")
            self._cancel(db, payment_id, "merchant", "canceled_by_merchant")
            remember(db, call, payment_id, self._clock())
            payment = one_payment(db, payment_id)
        self._on_notification()
        return payment

    def refund(self, new: NewRefund, call: KeyedCall | None = None) -> Refund:
        """Return all of a payment or a part; without a key it is a refund by the bank itself."""
        now = self._clock()
        with self._database.transaction() as db:
            if call and (known := known_object(db, call, now)):
                return one_refund(db, known)
            payment = one_payment(db, new.payment_id)
            under_way = db.execute(
                "SELECT coalesce(sum(amount), 0) FROM refunds WHERE payment_id = ? AND status = ?",
                (new.payment_id, PENDING),
            ).fetchone()[0]
            if payment.status != SUCCEEDED:
                raise invalid("Payment should be in the succeeded status", "payment_id")
            if new.amount > payment.amount - payment.refunded - under_way:
                raise invalid("The amount is larger than what is left", "amount.value")
            refund_id, due_at = str(uuid.uuid4()), now + round(new.pending_seconds * 1000)
            db.execute(
                "INSERT INTO refunds (refund_id, payment_id, amount, status, description,"
                " created_at, due_at) VALUES (?,?,?,?,?,?,?)",
                (refund_id, new.payment_id, new.amount, PENDING, new.description, now, due_at),
            )
            if call:
                remember(db, call, refund_id, now)
            if due_at <= now:
                self._complete(db, one_refund(db, refund_id))
            refund = one_refund(db, refund_id)
        self._on_notification()
        return refund

    def tidy(self) -> int:
        """End what is over: unpaid payments, uncaptured ones, pending refunds; return how many."""
        now, faults = self._clock(), self._faults.now
        with self._database.transaction() as db:
            unpaid = _due(db, PENDING, now, over=faults.end_sessions)
            held = _due(db, WAITING_FOR_CAPTURE, now, over=faults.end_holds)
            for payment_id in unpaid:
                self._cancel(db, payment_id, "yoo_money", "expired_on_confirmation")
            for payment_id in held:
                self._cancel(db, payment_id, "yoo_money", "expired_on_capture")
            refunds = db.execute("SELECT * FROM refunds WHERE due_at <= ?", (now,)).fetchall()
            for row in refunds:
                self._complete(db, Refund(**row))
        ended = len(unpaid) + len(held) + len(refunds)
        if ended:
            self._on_notification()
        return ended

    def _take(self, db: sqlite3.Connection, payment: Payment, other: int) -> None:
        _set(db, payment.payment_id, amount=max(1, payment.amount + other))
        if payment.capture:
            self._charge(db, payment.payment_id)
            return
        until = self._clock() + _TIME_TO_CAPTURE_MS
        _set(db, payment.payment_id, status=WAITING_FOR_CAPTURE, expires_at=until)
        self._notify_of(db, payment.payment_id)

    def _charge(self, db: sqlite3.Connection, payment_id: str) -> None:
        _set(db, payment_id, status=SUCCEEDED, captured_at=self._clock())
        self._notify_of(db, payment_id)

    def _cancel(self, db: sqlite3.Connection, payment_id: str, party: str, reason: str) -> None:
        _set(db, payment_id, status=CANCELED, party=party, reason=reason)
        self._notify_of(db, payment_id)

    def _complete(self, db: sqlite3.Connection, refund: Refund) -> None:
        db.execute(
            "UPDATE refunds SET status = ?, due_at = NULL WHERE refund_id = ?",
            (SUCCEEDED, refund.refund_id),
        )
        db.execute(
            "UPDATE payments SET refunded = refunded + ? WHERE payment_id = ?",
            (refund.amount, refund.payment_id),
        )
        described = describe_refund(one_refund(db, refund.refund_id))
        self._notify(db, refund.payment_id, "refund.succeeded", described)

    def _notify_of(self, db: sqlite3.Connection, payment_id: str) -> None:
        payment = one_payment(db, payment_id)
        described = describe_payment(payment, self._base_url)
        self._notify(db, payment_id, f"payment.{payment.status}", described)

    def _notify(
        self, db: sqlite3.Connection, payment_id: str, event: str, about: dict[str, Any]
    ) -> None:
        now, faults = self._clock(), self._faults.drawn("callback")
        body = {"type": "notification", "event": event, "object": about}
        copies = 0 if faults.drop_callbacks else 2 if faults.double_callbacks else 1
        for _ in range(copies):
            db.execute(
                "INSERT INTO notifications (payment_id, event, body, queued_at, due_at)"
                " VALUES (?,?,?,?,?)",
                (
                    payment_id,
                    event,
                    json.dumps(body, ensure_ascii=False),
                    now,
                    now + round(faults.callback_delay_seconds * 1000),
                ),
            )


def one_payment(db: sqlite3.Connection, payment_id: str) -> Payment:
    """Return a payment; refuse an unknown one."""
    row: Any = db.execute("SELECT * FROM payments WHERE payment_id = ?", (payment_id,)).fetchone()
    if row is None:
        raise absent("Payment")
    return Payment(**row)


def one_refund(db: sqlite3.Connection, refund_id: str) -> Refund:
    """Return a refund; refuse an unknown one."""
    row: Any = db.execute("SELECT * FROM refunds WHERE refund_id = ?", (refund_id,)).fetchone()
    if row is None:
        raise absent("Refund")
    return Refund(**row)


def _due(db: sqlite3.Connection, status: str, now: int, *, over: bool) -> list[str]:
    rows = db.execute(
        "SELECT payment_id FROM payments WHERE status = ? AND (expires_at <= ? OR ?)",
        (status, now, over),
    )
    return [row["payment_id"] for row in rows.fetchall()]


def _set(db: sqlite3.Connection, payment_id: str, **columns: Any) -> None:
    changes = ", ".join(f"{name} = ?" for name in columns)
    db.execute(
        f"UPDATE payments SET {changes} WHERE payment_id = ?",  # noqa: S608 - names of columns
        (*columns.values(), payment_id),
    )
