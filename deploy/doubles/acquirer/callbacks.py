"""Callbacks to the merchant: signed, and retried with back-off until HTTP 200."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from deploy.doubles.acquirer.database import Database
from deploy.doubles.acquirer.order import epoch_ms
from deploy.doubles.acquirer.signature import Signer
from deploy.doubles.sending import send

_SENDERS: Final = 4
_LONGEST_PAUSE_MS: Final = 30 * 1000
_GIVE_UP_AFTER_MS: Final = 3 * 24 * 3600 * 1000


@dataclass(frozen=True)
class Callback:
    """One callback, queued in the transaction of the change that it reports."""

    callback_id: int
    order_id: str
    order_number: str
    operation: str
    status: int
    queued_at: int
    attempts: int

    def signed_parameters(self, sign: Signer) -> dict[str, str]:
        """Return the query of the GET request, checksum included."""
        parameters = {
            "mdOrder": self.order_id,
            "orderNumber": self.order_number,
            "operation": self.operation,
            "status": str(self.status),
        }
        return {**parameters, "checksum": sign(parameters)}


class CallbackSender:
    """Delivers the callbacks that are due.

    The queue is in the database: a kill loses nothing, and may repeat the callback in flight, as at
    a real bank.
    """

    def __init__(
        self,
        database: Database,
        callback_url: str,
        sign: Signer,
        log: Any,
        clock: Callable[[], int] = epoch_ms,
    ) -> None:
        self._database = database
        self._callback_url = callback_url
        self._sign = sign
        self._log = log
        self._clock = clock
        self._queued = threading.Event()

    def wake(self) -> None:
        """Wake the loop: a callback was queued."""
        self._queued.set()

    def run(self, stopping: threading.Event, expire: Callable[[], int]) -> None:
        """Deliver callbacks and expire sessions until `stopping` is set."""
        with ThreadPoolExecutor(_SENDERS, thread_name_prefix="callback") as senders:
            while not stopping.is_set():
                self._queued.clear()
                expire()
                delivered = list(senders.map(self.deliver, self.due()))
                if not delivered:
                    self._queued.wait(timeout=0.5)

    def due(self, limit: int = 16) -> list[Callback]:
        """Return the callbacks that are due, oldest first."""
        with self._database.transaction() as db:
            rows = db.execute(
                "SELECT callback_id, order_id, order_number, operation, callbacks.status,"
                " queued_at, attempts FROM callbacks JOIN orders USING (order_id)"
                " WHERE due_at <= ? ORDER BY due_at, callback_id LIMIT ?",
                (self._clock(), limit),
            ).fetchall()
        return [Callback(**row) for row in rows]

    def deliver(self, callback: Callback) -> bool:
        """Send one callback and record the outcome; return whether the merchant answered 200."""
        answer = self._send(callback)
        now = self._clock()
        if answer == "200":
            due_at, delivered_at = None, now
        else:
            pause = min(1000 * 2**callback.attempts, _LONGEST_PAUSE_MS)
            expired = now - callback.queued_at > _GIVE_UP_AFTER_MS
            due_at, delivered_at = (None if expired else now + pause), None
        with self._database.transaction() as db:
            db.execute(
                "UPDATE callbacks SET due_at = ?, delivered_at = ?, attempts = attempts + 1,"
                " last_answer = ? WHERE callback_id = ?",
                (due_at, delivered_at, answer, callback.callback_id),
            )
        self._log.info(
            "callback_sent",
            order_number=callback.order_number,
            operation=callback.operation,
            answer=answer,
        )
        return delivered_at is not None

    def _send(self, callback: Callback) -> str:
        parameters = urlencode(callback.signed_parameters(self._sign))
        return send("GET", f"{self._callback_url}?{parameters}")
