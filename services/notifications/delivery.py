"""Delivery: claimed letters are drawn and handed over to the mail server, one by one.

Nothing is drawn before the server has greeted us. What became of a letter is recorded right after
the server's reply.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from threading import Event as StopSignal
from uuid import UUID

from cryptography.exceptions import InvalidTag

from services.notifications import application
from services.notifications.application import ClaimedLetter, ClaimLetters, LostClaimError
from services.notifications.claims import Claims
from services.notifications.drawing import Drawn, draw
from services.notifications.mailer import (
    Connection,
    ConnectionBrokenError,
    DeferredError,
    RefusedError,
    UndeliverableError,
    compose,
    connect,
    envelope_sender,
)
from services.notifications.outcomes import UNKNOWN, Outcomes, context_of
from services.notifications.recipes import Asking
from services.notifications.requests import Lane
from services.notifications.slow_domains import SlowDomains
from shared import telemetry
from shared.bus import Services
from shared.contracts.notifications import FailureReason
from shared.errors import Unavailable
from shared.eventstore import Session
from shared.ids import new_id
from shared.keys import UnknownKeyError
from shared.logs import get_logger, trace_of
from shared.smtp import ServerUnavailableError

log = get_logger(__name__)

#: Letters in one claim, of one lane. Small: a claim is delivered before the next secret.
PORTION = 10

#: Letters over one connection, after which the server sees a new one.
PER_CONNECTION = 200

Connect = Callable[[str], AbstractContextManager[Connection]]


class Delivery:
    """Delivers letters over one connection at a time; several share their claims and domains."""

    def __init__(
        self,
        services: Services,
        claims: Claims,
        slow_domains: SlowDomains,
        *,
        lowest: Lane = Lane.BULK,
        stop: StopSignal | None = None,
        connect_to: Connect = connect,
    ) -> None:
        self._services = services
        self._claims = claims
        self._slow_domains = slow_domains
        self._lowest = lowest
        self._stop = stop or StopSignal()
        self._connect_to = connect_to
        self._outcomes = Outcomes(services)

    def deliver(self) -> int:
        """Deliver what is due, the most urgent letters first; return how many were tried.

        Raises ServerUnavailableError when there is no mail server for any letter.
        """
        tried = 0
        lane = self._most_urgent()
        if lane is None:
            return tried
        try:
            with self._connect_to(self._services.settings.smtp_url) as connection:
                while tried < PER_CONNECTION and lane is not None:
                    letters = self._claim(lane)
                    if not letters:
                        break
                    with self._held(letters[0].claim):
                        asking = Asking(self._services, letters)
                        for letter in letters:
                            tried += 1
                            with context_of(letter):
                                self._deliver(connection, asking, letter)
                    lane = self._most_urgent()
        except ConnectionBrokenError as error:
            log.warning("mail_connection_broken", reason=str(error))
        except ServerUnavailableError as error:
            log.warning("mail_server_unavailable", reason=str(error))
            telemetry.MAIL_SERVER_FAILURES.inc()
            self._services.store.transact(application.give_up_old, PORTION)
            raise
        return tried

    def _most_urgent(self) -> Lane | None:
        """Return the lane to claim from; None where no letter is due."""

        def look(session: Session) -> Lane | None:
            lane: Lane | None = session.read.outbox.most_urgent(session.now, self._lowest)
            return lane

        return self._services.store.look(look)

    def _claim(self, lane: Lane) -> Sequence[ClaimedLetter]:
        if self._stop.is_set():
            return ()
        command = ClaimLetters(claim=new_id(), lowest=self._lowest, limit=PORTION, highest=lane)
        return self._services.store.transact(application.claim_letters, command)

    @contextmanager
    def _held(self, claim: UUID) -> Iterator[None]:
        """Hold a claim during a block; letters that it does not get to are due at once."""
        with self._claims.held(claim):
            try:
                yield
            except (ConnectionBrokenError, ServerUnavailableError):
                self._services.store.transact(application.release, claim)
                raise

    def _deliver(self, connection: Connection, asking: Asking, letter: ClaimedLetter) -> None:
        drawn = self._drawn(asking, letter)
        if drawn is None or self._must_wait(letter, drawn):
            return
        letter_id, to = str(letter.letter_id), drawn.content.to
        try:
            message_id = self._hand_over(connection, letter, drawn)
        except LostClaimError:
            log.warning("claim_lost", letter_id=letter_id)
        except UndeliverableError as error:
            log.warning("letter_undeliverable", letter_id=letter_id, reason=str(error))
            self._outcomes.gave_up(letter, FailureReason.UNDELIVERABLE)
        except RefusedError as error:
            log.warning("letter_refused", letter_id=letter_id, smtp_code=error.code)
            self._outcomes.gave_up(letter, FailureReason.REFUSED_BY_SERVER)
        except DeferredError as error:
            log.info("letter_deferred", letter_id=letter_id, smtp_code=error.code)
            self._slow_domains.defer(to, self._services.store.clock.now())
            self._outcomes.failed_for_now(letter, "deferred")
        except ConnectionBrokenError as error:
            outcome = UNKNOWN if error.may_have_arrived else "deferred"
            self._outcomes.failed_for_now(letter, outcome)
            raise
        except ServerUnavailableError:
            self._outcomes.failed_for_now(letter, "deferred")
            raise
        else:
            self._slow_domains.accept(to)
            self._outcomes.sent(letter, drawn, message_id)

    def _drawn(self, asking: Asking, letter: ClaimedLetter) -> Drawn | None:
        """Return what to send; None if what became of the letter is recorded."""
        letter_id = str(letter.letter_id)
        try:
            drawn = draw(self._services, asking, letter)
        except LostClaimError:
            log.warning("claim_lost", letter_id=letter_id)
        except Unavailable as error:
            log.warning("letter_waits_for_its_owner", letter_id=letter_id, code=error.code)
            self._outcomes.failed_for_now(letter, "owner_unavailable")
        except (InvalidTag, UnknownKeyError):
            # Sealed under another secret, which an operator can restore.
            log.exception("letter_unreadable", letter_id=letter_id)
            self._outcomes.failed_for_now(letter, "not_drawn")
        except Exception as error:  # noqa: BLE001 - logged; one letter must not stop the others
            log.error(  # noqa: TRY400 - without the text, which may quote data
                "letter_not_drawn",
                letter_id=letter_id,
                kind=letter.kind,
                error_id=str(new_id()),
                error=type(error).__name__,
                trace=trace_of(error),
            )
            self._outcomes.failed_for_now(letter, "not_drawn")
        else:
            if drawn is None:
                self._outcomes.gave_up(letter, FailureReason.STALE)
            return drawn
        return None

    def _must_wait(self, letter: ClaimedLetter, drawn: Drawn) -> bool:
        """Return whether a letter waits because its domain defers letters; a secret never does."""
        if letter.is_secret:
            return False
        now = self._services.store.clock.now()
        until = self._slow_domains.waits_until(drawn.content.to, now)
        if until is not None:
            self._outcomes.waits(letter, until)
        return until is not None

    def _hand_over(self, connection: Connection, letter: ClaimedLetter, drawn: Drawn) -> str:
        """Hand a letter over to the mail server; return its Message-ID."""
        settings = self._services.settings
        message = compose(
            letter.letter_id,
            drawn.content,
            sender=settings.mail_from,
            queued_at=letter.queued_at,
            generation=drawn.generation,
        )
        if not self._services.store.look(lambda session: _is_held(session, letter)):
            raise LostClaimError
        connection.send(message, envelope_sender(settings, letter.letter_id))
        return str(message["Message-ID"])


def _is_held(session: Session, letter: ClaimedLetter) -> bool:
    held: bool = session.read.outbox.is_claimed(letter.letter_id, letter.claim, session.now)
    return held
