"""Delivery: claimed letters are drawn and handed over to the mail server, one by one.

Nothing is drawn before the server has greeted us. What became of a letter is recorded right after
the server's reply, under the claim of the letter.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager

from cryptography.exceptions import InvalidTag

from services.notifications import application
from services.notifications.application import ClaimedLetter, ClaimLetters
from services.notifications.drawing import Drawn, LostClaimError, draw
from services.notifications.mailer import (
    Connection,
    ConnectionBrokenError,
    DeferredError,
    RefusedError,
    UndeliverableError,
    compose,
    connect,
)
from services.notifications.recipes import Asking
from services.notifications.requests import Lane
from shared import context
from shared.bus import Services
from shared.contracts.notifications import FailureReason
from shared.errors import Unavailable
from shared.eventstore import Session
from shared.ids import new_id
from shared.keys import UnknownKeyError
from shared.logs import get_logger
from shared.smtp import ServerUnavailableError

log = get_logger(__name__)

#: Letters in one claim, of one lane. Small: a claim is delivered before the next secret.
PORTION = 10

#: Attempts to mark a letter as sent, and the seconds between them: enough for a restart of the
#: database, or for a batch of reactions that locks the log.
MARK_SENT_ATTEMPTS = 20
MARK_SENT_PAUSE = 0.5

Connect = Callable[[str], AbstractContextManager[Connection]]


def deliver_letters(
    services: Services, connect_to: Connect = connect, lowest: Lane = Lane.BULK
) -> int:
    """Deliver one claim of due letters, the most urgent ones, over one connection.

    Returns the number of letters that were tried: 0 if none was due or no mail server was
    available.
    """
    if not services.store.query(lambda session: session.read.outbox.any_due(session.now, lowest)):
        return 0
    try:
        with connect_to(services.settings.smtp_url) as connection:
            return _Claim(services, connection, lowest).deliver()
    except ServerUnavailableError as error:
        log.warning("mail_server_unavailable", reason=str(error))
        services.store.transact(application.give_up_old, PORTION)
        return 0


class _Claim:
    """A claim, and what becomes of its letters."""

    def __init__(self, services: Services, connection: Connection, lowest: Lane) -> None:
        self._services = services
        self._connection = connection
        self._id = new_id()
        command = ClaimLetters(claim=self._id, lowest=lowest, limit=PORTION)
        self._letters: list[ClaimedLetter] = services.store.transact(
            application.claim_letters, command
        )
        self._asking = Asking(services, self._letters)

    def deliver(self) -> int:
        """Deliver the letters in turn; return how many were tried.

        Raises ServerUnavailableError.
        """
        tried = 0
        try:
            for letter in self._letters:
                tried += 1
                with _context_of(letter):
                    self._deliver(letter)
        except ConnectionBrokenError as error:
            log.warning("mail_connection_broken", reason=str(error))
        finally:
            if tried < len(self._letters):
                self._services.store.transact(application.release, self._id)
        return tried

    def _deliver(self, letter: ClaimedLetter) -> None:
        drawn = self._drawn(letter)
        if drawn is None:
            return
        try:
            self._hand_over(letter, drawn)
        except LostClaimError:
            log.warning("claim_lost", letter_id=str(letter.letter_id))
        except UndeliverableError as error:
            log.warning("letter_undeliverable", letter_id=str(letter.letter_id), reason=str(error))
            self._give_up(letter, FailureReason.UNDELIVERABLE)
        except RefusedError as error:
            log.warning("letter_refused", letter_id=str(letter.letter_id), smtp_code=error.code)
            self._give_up(letter, FailureReason.REFUSED_BY_SERVER)
        except DeferredError as error:
            log.info("letter_deferred", letter_id=str(letter.letter_id), smtp_code=error.code)
            self._postpone(letter)
        except (ConnectionBrokenError, ServerUnavailableError):
            self._postpone(letter)
            raise

    def _drawn(self, letter: ClaimedLetter) -> Drawn | None:
        """Return what to send; None if what became of the letter is recorded."""
        letter_id = str(letter.letter_id)
        try:
            drawn = draw(self._services, self._asking, letter)
        except LostClaimError:
            log.warning("claim_lost", letter_id=letter_id)
        except Unavailable as error:
            log.warning("letter_waits_for_its_owner", letter_id=letter_id, code=error.code)
            self._postpone(letter)
        except (InvalidTag, UnknownKeyError):
            # Sealed under another secret, which an operator can restore.
            log.exception("letter_unreadable", letter_id=letter_id)
            self._postpone(letter)
        except Exception as error:  # noqa: BLE001 - logged; one letter must not stop the others
            log.error(  # noqa: TRY400 - without the text, which may quote data
                "letter_not_drawn",
                letter_id=letter_id,
                kind=letter.kind,
                error_id=str(new_id()),
                error=type(error).__name__,
                trace="".join(traceback.format_tb(error.__traceback__))[-3000:],
            )
            self._postpone(letter)
        else:
            if drawn is None:
                self._give_up(letter, FailureReason.STALE)
            return drawn
        return None

    def _hand_over(self, letter: ClaimedLetter, drawn: Drawn) -> None:
        message = compose(
            letter.letter_id,
            drawn.content,
            sender=self._services.settings.mail_from,
            queued_at=letter.queued_at,
            generation=drawn.generation,
        )
        if not self._services.store.query(lambda session: _is_held(session, letter)):
            raise LostClaimError
        self._connection.send(message)
        self._mark_sent(letter, drawn, str(message["Message-ID"]))

    def _mark_sent(self, letter: ClaimedLetter, drawn: Drawn, message_id: str) -> None:
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
                return

    def _give_up(self, letter: ClaimedLetter, reason: FailureReason) -> None:
        command = application.GiveUp(letter_id=letter.letter_id, reason=reason, claim=letter.claim)
        self._services.store.transact(application.give_up, command)

    def _postpone(self, letter: ClaimedLetter) -> None:
        command = application.Postpone(
            letter_id=letter.letter_id,
            claim=letter.claim,
            attempts=letter.attempts + 1,
            queued_at=letter.queued_at,
            secret=letter.is_secret,
        )
        self._services.store.transact(application.postpone, command)


def _is_held(session: Session, letter: ClaimedLetter) -> bool:
    held: bool = session.read.outbox.is_claimed(letter.letter_id, letter.claim, session.now)
    return held


def _context_of(letter: ClaimedLetter) -> AbstractContextManager[object]:
    # The outcome of a letter belongs to the correlation in which it was queued.
    return context.bind(
        actor="service:notifications", correlation_id=letter.correlation_id, command_id=None
    )
