"""Notifications to the shop: JSON, not signed, repeated with back-off until HTTP 200."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from deploy.doubles.sending import send
from deploy.doubles.yookassa.database import Database
from deploy.doubles.yookassa.objects import epoch_ms

_SENDERS: Final = 4
_LONGEST_PAUSE_MS: Final = 5 * 60 * 1000
_GIVE_UP_AFTER_MS: Final = 24 * 3600 * 1000


@dataclass(frozen=True)
class Notification:
    """One notification, queued in the transaction of the change that it reports."""

    notification_id: int
    payment_id: str
    event: str
    body: str
    queued_at: int
    attempts: int


class NotificationSender:
    """Delivers the notifications that are due; the queue is in the database."""

    def __init__(
        self,
        database: Database,
        callback_url: str,
        log: Any,
        clock: Callable[[], int] = epoch_ms,
    ) -> None:
        self._database = database
        self._callback_url = callback_url
        self._log = log
        self._clock = clock
        self._queued = threading.Event()

    def wake(self) -> None:
        """Wake the loop: a notification was queued."""
        self._queued.set()

    def run(self, stopping: threading.Event, tidy: Callable[[], int]) -> None:
        """Deliver notifications and end what is over until `stopping` is set."""
        with ThreadPoolExecutor(_SENDERS, thread_name_prefix="notification") as senders:
            while not stopping.is_set():
                self._queued.clear()
                tidy()
                delivered = list(senders.map(self.deliver, self.due()))
                if not delivered:
                    self._queued.wait(timeout=0.5)

    def due(self, limit: int = 16) -> list[Notification]:
        """Return the notifications that are due, oldest first."""
        with self._database.transaction() as db:
            rows = db.execute(
                "SELECT notification_id, payment_id, event, body, queued_at, attempts"
                " FROM notifications WHERE due_at <= ? ORDER BY due_at, notification_id LIMIT ?",
                (self._clock(), limit),
            ).fetchall()
        return [Notification(**row) for row in rows]

    def deliver(self, notification: Notification) -> bool:
        """Send one and record the outcome; return whether the shop answered 200."""
        answer = self._send(notification)
        now = self._clock()
        if answer == "200":
            due_at, delivered_at = None, now
        else:
            pause = min(1000 * 2**notification.attempts, _LONGEST_PAUSE_MS)
            given_up = now - notification.queued_at > _GIVE_UP_AFTER_MS
            due_at, delivered_at = (None if given_up else now + pause), None
        with self._database.transaction() as db:
            db.execute(
                "UPDATE notifications SET due_at = ?, delivered_at = ?, attempts = attempts + 1,"
                " last_answer = ? WHERE notification_id = ?",
                (due_at, delivered_at, answer, notification.notification_id),
            )
        self._log.info(
            "notification_sent",
            payment_id=notification.payment_id,
            subject=notification.event,
            answer=answer,
        )
        return delivered_at is not None

    def _send(self, notification: Notification) -> str:
        return send("POST", self._callback_url, notification.body.encode(), "application/json")
