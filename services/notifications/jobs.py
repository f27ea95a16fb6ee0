"""Delivery: what the worker does by itself, a second after a letter was queued or sooner.

Rules: a letter is marked sent in a transaction right after the server accepted it; what the server
refuses for now is tried again for days; what it refuses for good fails; a secret that is worth
nothing any more is not sent. Only one process of the service runs this at a time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from email.message import EmailMessage

from cryptography.exceptions import InvalidTag

from services.notifications import application
from services.notifications.application import WaitingLetter
from services.notifications.domain import Reason
from services.notifications.envelope import unseal
from services.notifications.mailer import (
    Connection,
    ConnectionBrokenError,
    NotNowError,
    RefusedError,
    ServerUnavailableError,
    UndeliverableError,
    compose,
    connect,
)
from shared import context
from shared.bus import Job, Services
from shared.errors import Unavailable
from shared.logs import get_logger

log = get_logger(__name__)

#: Letters that share one connection, before the next look at what is due (and most urgent).
BATCH = 50

#: How often the database is asked to note that a letter was sent, and the seconds between: long
#: enough for its restart, or for a batch of reactions that holds the log.
INSISTENCE = 20
PAUSE = 0.5

Connect = Callable[[str], AbstractContextManager[Connection]]


def deliver_letters(services: Services, connect_to: Connect = connect) -> int:
    """Send what is due, the most urgent first, over one connection.

    Returns the number of letters whose state changed; 0 when there was nothing to do or no mail
    server to do it with.
    """
    fresh, stale = services.store.query(lambda session: application.due_letters(session, BATCH))
    for letter in stale:
        _give_up(services, letter, Reason.STALE)
    return len(stale) + (_send(services, fresh, connect_to) if fresh else 0)


JOBS = [Job("deliver_letters", every=1.0, run=deliver_letters)]


def _send(services: Services, letters: list[WaitingLetter], connect_to: Connect) -> int:
    tried = 0
    try:
        with connect_to(services.settings.smtp_url) as connection:
            for letter in letters:
                _deliver(services, connection, letter)
                tried += 1
    except ConnectionBrokenError as error:
        log.warning(
            "mail_connection_broken", letter_id=str(letters[tried].letter_id), why=str(error)
        )
        _postpone(services, letters[tried])
        tried += 1
    except ServerUnavailableError as error:
        log.warning("mail_server_unavailable", why=str(error), waiting=len(letters) - tried)
        for letter in letters[tried:]:
            _postpone(services, letter)
    return tried


def _deliver(services: Services, connection: Connection, letter: WaitingLetter) -> None:
    try:
        message = _open(services, letter)
        connection.send(message)
    except InvalidTag:
        # Sealed under another SALDO_SECRET: an operator can put the right one back.
        log.exception("letter_unreadable", letter_id=str(letter.letter_id))
        _postpone(services, letter)
    except UndeliverableError as error:
        log.warning("letter_undeliverable", letter_id=str(letter.letter_id), why=str(error))
        _give_up(services, letter, Reason.UNDELIVERABLE)
    except RefusedError as error:
        log.warning("letter_refused", letter_id=str(letter.letter_id), smtp_code=error.code)
        _give_up(services, letter, Reason.REFUSED_BY_SERVER)
    except NotNowError as error:
        log.info("letter_not_now", letter_id=str(letter.letter_id), smtp_code=error.code)
        _postpone(services, letter)
    else:
        _mark_sent(services, letter, message)


def _open(services: Services, letter: WaitingLetter) -> EmailMessage:
    settings = services.settings
    content = unseal(settings, letter.letter_id, letter.sealed)
    return compose(letter.letter_id, content, sender=settings.mail_from, queued_at=letter.queued_at)


def _mark_sent(services: Services, letter: WaitingLetter, message: EmailMessage) -> None:
    """The server has the letter: failing to note that would send it twice, so insist."""
    command = application.MarkSent(
        letter_id=letter.letter_id,
        message_id=str(message["Message-ID"]),
        attempts=letter.attempts + 1,
    )
    with _journey_of(letter):
        for attempt in range(1, INSISTENCE + 1):
            try:
                services.store.transact(application.mark_sent, command)
            except Unavailable:
                log.warning("sent_not_noted", letter_id=str(letter.letter_id), attempt=attempt)
                if attempt == INSISTENCE:
                    raise
                time.sleep(PAUSE)
            else:
                return


def _give_up(services: Services, letter: WaitingLetter, reason: Reason) -> None:
    command = application.GiveUp(letter_id=letter.letter_id, reason=reason)
    with _journey_of(letter):
        services.store.transact(application.give_up, command)


def _postpone(services: Services, letter: WaitingLetter) -> None:
    command = application.Postpone(
        letter_id=letter.letter_id,
        attempts=letter.attempts + 1,
        queued_at=letter.queued_at,
        secret=letter.stale_at is not None,
    )
    with _journey_of(letter):
        services.store.transact(application.postpone, command)


def _journey_of(letter: WaitingLetter) -> AbstractContextManager[object]:
    # What becomes of a letter belongs to the journey in which it was queued.
    return context.bind(
        actor="service:notifications", correlation_id=letter.correlation_id, command_id=None
    )
