"""What became of a letter: recorded at once, counted, and logged without an address or a text."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from datetime import datetime

from services.notifications import application
from services.notifications.application import ClaimedLetter
from services.notifications.drawing import Drawn
from shared import context, telemetry
from shared.bus import Services
from shared.contracts.notifications import FailureReason
from shared.errors import Unavailable
from shared.logs import get_logger

log = get_logger(__name__)

#: Attempts to mark a letter as sent, and the seconds between them: enough for a restart of the
#: database, or for a batch of reactions that locks the log.
MARK_SENT_ATTEMPTS = 20
MARK_SENT_PAUSE = 0.5

#: The outcome of an attempt at which the letter may have arrived.
UNKNOWN = "unknown"


class Outcomes:
    """Records what became of claimed letters."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def sent(self, letter: ClaimedLetter, drawn: Drawn, message_id: str) -> None:
        """Mark a letter as sent, with retries: if this fails, the letter is sent twice."""
        command = application.MarkSent(
            letter_id=letter.letter_id,
            message_id=message_id,
            attempts=letter.attempts + 1,
            kind=drawn.content.kind,
            person_id=drawn.content.person_id,
        )
        for attempt in range(1, MARK_SENT_ATTEMPTS + 1):
            try:
                self._services.store.transact(application.mark_sent, command)
            except Unavailable:
                log.warning("mark_sent_failed", letter_id=str(letter.letter_id), attempt=attempt)
                if attempt == MARK_SENT_ATTEMPTS:
                    raise
                time.sleep(MARK_SENT_PAUSE)
            else:
                break
        _count(letter, "sent")
        waited = self._services.store.clock.now() - letter.queued_at
        telemetry.LETTER_SECONDS.labels(letter.lane_name).observe(waited.total_seconds())

    def gave_up(self, letter: ClaimedLetter, reason: FailureReason) -> None:
        """Record that a letter will not be delivered."""
        command = application.GiveUp(letter_id=letter.letter_id, reason=reason, claim=letter.claim)
        self._services.store.transact(application.give_up, command)
        _count(letter, reason.value)

    def failed_for_now(self, letter: ClaimedLetter, outcome: str) -> None:
        """Count a failed attempt: the letter is due again after a delay that grows with them."""
        self._postpone(letter, attempts=letter.attempts + 1, unknown=outcome == UNKNOWN)
        _count(letter, outcome)

    def waits(self, letter: ClaimedLetter, until: datetime) -> None:
        """Let a letter wait that was not tried."""
        self._postpone(letter, attempts=letter.attempts, until=until)
        _count(letter, "waits")

    def _postpone(
        self,
        letter: ClaimedLetter,
        *,
        attempts: int,
        unknown: bool = False,
        until: datetime | None = None,
    ) -> None:
        command = application.Postpone(
            letter_id=letter.letter_id,
            claim=letter.claim,
            attempts=attempts,
            queued_at=letter.queued_at,
            secret=letter.is_secret,
            unknown=unknown,
            until=until,
        )
        self._services.store.transact(application.postpone, command)


def context_of(letter: ClaimedLetter) -> AbstractContextManager[object]:
    """Return a context in which what happens belongs to the journey that queued a letter."""
    return context.bind(
        actor="service:notifications", correlation_id=letter.correlation_id, command_id=None
    )


def _count(letter: ClaimedLetter, outcome: str) -> None:
    telemetry.LETTER_ATTEMPTS.labels(letter.lane_name, outcome).inc()
