"""Delivery, a background job of the worker, within a second after a letter is queued.

A letter is marked sent in a transaction right after the server accepts it. Temporary refusals are
retried for days, permanent ones fail the letter, expired secrets are not sent. Only one process of
the service runs this at a time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from email.message import EmailMessage

from cryptography.exceptions import InvalidTag

from services.notifications import application
from services.notifications.application import QueuedLetter
from services.notifications.envelope import unseal
from services.notifications.mailer import (
    Connection,
    ConnectionBrokenError,
    DeferredError,
    RefusedError,
    UndeliverableError,
    compose,
    connect,
)
from shared import context
from shared.bus import Job, Services
from shared.contracts.notifications import FailureReason
from shared.errors import Unavailable
from shared.eventstore import Session
from shared.keys import UnknownKeyError
from shared.logs import get_logger
from shared.retention import load_retention
from shared.smtp import ServerUnavailableError

log = get_logger(__name__)

#: Letters per connection, after which the due letters are read again, most urgent first.
BATCH = 50

#: Attempts to mark a letter as sent, and the seconds between them: enough for a restart of the
#: database, or for a batch of reactions that locks the log.
MARK_SENT_ATTEMPTS = 20
MARK_SENT_PAUSE = 0.5

#: Rows of letters deleted in one transaction.
FORGOTTEN_AT_ONCE = 1000

Connect = Callable[[str], AbstractContextManager[Connection]]


def deliver_letters(services: Services, connect_to: Connect = connect) -> int:
    """Send the due letters, most urgent first, over one connection.

    Returns the number of letters whose state changed: 0 if none was due or no mail server was
    available.
    """
    due, stale = services.store.query(lambda session: application.due_letters(session, BATCH))
    for letter in stale:
        _give_up(services, letter, FailureReason.STALE)
    return len(stale) + (_send(services, due, connect_to) if due else 0)


def forget_letters(services: Services) -> int:
    """Delete the rows of letters that have had their time; return how many there were."""
    kept = load_retention().letters

    def forget(session: Session, _: None) -> int:
        forgotten: int = session.read.forget_letters(session.now - kept, FORGOTTEN_AT_ONCE)
        return forgotten

    return services.store.transact(forget, None)


JOBS = [
    Job("deliver_letters", every=1.0, run=deliver_letters),
    Job("forget_letters", every=3600.0, run=forget_letters),
]


def _send(services: Services, letters: list[QueuedLetter], connect_to: Connect) -> int:
    tried = 0
    try:
        with connect_to(services.settings.smtp_url) as connection:
            for letter in letters:
                _deliver(services, connection, letter)
                tried += 1
    except ConnectionBrokenError as error:
        log.warning(
            "mail_connection_broken", letter_id=str(letters[tried].letter_id), reason=str(error)
        )
        _postpone(services, letters[tried])
        tried += 1
    except ServerUnavailableError as error:
        log.warning("mail_server_unavailable", reason=str(error), queued=len(letters) - tried)
        for letter in letters[tried:]:
            _postpone(services, letter)
    return tried


def _deliver(services: Services, connection: Connection, letter: QueuedLetter) -> None:
    try:
        message = _open(services, letter)
        connection.send(message)
    except (InvalidTag, UnknownKeyError):
        # Sealed under another secret, which an operator can restore.
        log.exception("letter_unreadable", letter_id=str(letter.letter_id))
        _postpone(services, letter)
    except UndeliverableError as error:
        log.warning("letter_undeliverable", letter_id=str(letter.letter_id), reason=str(error))
        _give_up(services, letter, FailureReason.UNDELIVERABLE)
    except RefusedError as error:
        log.warning("letter_refused", letter_id=str(letter.letter_id), smtp_code=error.code)
        _give_up(services, letter, FailureReason.REFUSED_BY_SERVER)
    except DeferredError as error:
        log.info("letter_deferred", letter_id=str(letter.letter_id), smtp_code=error.code)
        _postpone(services, letter)
    else:
        _mark_sent(services, letter, message)


def _open(services: Services, letter: QueuedLetter) -> EmailMessage:
    settings = services.settings
    content = unseal(settings, letter.letter_id, letter.sealed)
    return compose(letter.letter_id, content, sender=settings.mail_from, queued_at=letter.queued_at)


def _mark_sent(services: Services, letter: QueuedLetter, message: EmailMessage) -> None:
    """Mark a letter as sent, with retries: if this fails, the letter is sent twice."""
    command = application.MarkSent(
        letter_id=letter.letter_id,
        message_id=str(message["Message-ID"]),
        attempts=letter.attempts + 1,
    )
    with _context_of(letter):
        for attempt in range(1, MARK_SENT_ATTEMPTS + 1):
            try:
                services.store.transact(application.mark_sent, command)
            except Unavailable:
                log.warning("mark_sent_failed", letter_id=str(letter.letter_id), attempt=attempt)
                if attempt == MARK_SENT_ATTEMPTS:
                    raise
                time.sleep(MARK_SENT_PAUSE)
            else:
                return


def _give_up(services: Services, letter: QueuedLetter, reason: FailureReason) -> None:
    command = application.GiveUp(letter_id=letter.letter_id, reason=reason)
    with _context_of(letter):
        services.store.transact(application.give_up, command)


def _postpone(services: Services, letter: QueuedLetter) -> None:
    command = application.Postpone(
        letter_id=letter.letter_id,
        attempts=letter.attempts + 1,
        queued_at=letter.queued_at,
        secret=letter.stale_at is not None,
    )
    with _context_of(letter):
        services.store.transact(application.postpone, command)


def _context_of(letter: QueuedLetter) -> AbstractContextManager[object]:
    # The outcome of a letter belongs to the correlation in which it was queued.
    return context.bind(
        actor="service:notifications", correlation_id=letter.correlation_id, command_id=None
    )
