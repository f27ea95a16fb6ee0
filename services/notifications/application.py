"""Use cases of letters.

None of them sees an address or a text: letters stay sealed. A letter and its row of the outbox
change in one transaction, and every use case may be repeated.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from services.notifications.domain import Letter
from shared import context
from shared.contracts.notifications import FailureReason, LetterKind
from shared.eventstore import Session

#: How long a letter with temporary failures is retried before it is given up.
RETRY_PERIOD = timedelta(days=5)

#: Delays after the first, second, ... failed attempt; the last one repeats.
RETRY_DELAYS = tuple(timedelta(seconds=s) for s in (5, 15, 60, 300, 900, 3600))

#: The longest delay of a letter with a secret, for which the person is waiting.
MAX_SECRET_RETRY_DELAY = timedelta(seconds=30)


class QueueLetter(msgspec.Struct, frozen=True, kw_only=True):
    """Queue a letter. `sealed` is its address and content (see `envelope`).

    A letter with a secret names the secret's topic ("registration:<id>"), so that a newer secret
    replaces an unsent older one, and the instant at which the secret expires.
    """

    letter_id: UUID
    kind: LetterKind
    person_id: UUID | None
    sealed: str
    secret_topic: str | None = None
    stale_at: datetime | None = None


class QueuedLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A letter in the outbox, with its number of failed attempts."""

    letter_id: UUID
    sealed: str
    secret_topic: str | None
    stale_at: datetime | None
    correlation_id: str
    attempts: int
    queued_at: datetime
    next_attempt_at: datetime


class MarkSent(msgspec.Struct, frozen=True, kw_only=True):
    """Record that the mail server accepted a letter, at an attempt counted from 1."""

    letter_id: UUID
    message_id: str
    attempts: int


class GiveUp(msgspec.Struct, frozen=True, kw_only=True):
    """Record that a letter will not be delivered."""

    letter_id: UUID
    reason: FailureReason


class Postpone(msgspec.Struct, frozen=True, kw_only=True):
    """Retry a letter later, after its attempt number `attempts` (from 1) failed temporarily."""

    letter_id: UUID
    attempts: int
    queued_at: datetime
    secret: bool


class LettersOf(msgspec.Struct, frozen=True, kw_only=True):
    """The query for a person's letters, at most `limit`."""

    person_id: UUID
    limit: int


def is_queued(session: Session, letter_id: UUID) -> bool:
    """Return whether a letter was ever queued: then no second secret may be requested for it."""
    return session.load(Letter, letter_id).version > 0


def queue_letter(session: Session, command: QueueLetter) -> None:
    """Queue a letter; repeating it with the same id has no effect."""
    letter = session.load(Letter, command.letter_id)
    if not letter.queue(command.kind, command.person_id):
        return
    if command.secret_topic is not None:
        _replace_older(session, command.secret_topic)
    session.read.outbox.add(
        QueuedLetter(
            letter_id=command.letter_id,
            sealed=command.sealed,
            secret_topic=command.secret_topic,
            stale_at=command.stale_at,
            correlation_id=context.current().correlation_id,
            attempts=0,
            queued_at=session.now,
            next_attempt_at=session.now,
        )
    )


def mark_sent(session: Session, command: MarkSent) -> None:
    """Mark a letter as sent and erase its content."""
    letter = session.load(Letter, command.letter_id)
    letter.mark_sent(command.message_id, command.attempts)
    session.read.outbox.erase(command.letter_id)


def give_up(session: Session, command: GiveUp) -> None:
    """Mark a letter as failed and erase its content."""
    session.load(Letter, command.letter_id).fail(command.reason)
    session.read.outbox.erase(command.letter_id)


def postpone(session: Session, command: Postpone) -> None:
    """Delay the next attempt, longer each time; after `RETRY_PERIOD`, give the letter up."""
    if session.now - command.queued_at >= RETRY_PERIOD:
        give_up(session, GiveUp(letter_id=command.letter_id, reason=FailureReason.GAVE_UP))
        return
    delay = RETRY_DELAYS[min(command.attempts, len(RETRY_DELAYS)) - 1]
    if command.secret:
        delay = min(delay, MAX_SECRET_RETRY_DELAY)
    session.read.outbox.postpone(command.letter_id, session.now + delay)


def due_letters(session: Session, limit: int) -> tuple[list[QueuedLetter], list[QueuedLetter]]:
    """Return the letters to send now, most urgent first, and the stale ones; `limit` in all."""
    fresh: list[QueuedLetter] = []
    stale: list[QueuedLetter] = []
    for letter in session.read.outbox.due(session.now, limit):
        expired = letter.stale_at is not None and letter.stale_at <= session.now
        (stale if expired else fresh).append(letter)
    return fresh, stale


def erase_letters(session: Session, person_id: UUID) -> int:
    """Give up what waits to be sent to a person; return how many letters there were."""
    waiting: list[UUID] = session.read.outbox.of_person(person_id)
    for letter_id in waiting:
        give_up(session, GiveUp(letter_id=letter_id, reason=FailureReason.STALE))
    return len(waiting)


def letters_of(session: Session, query: LettersOf) -> dict[str, Any]:
    """Return {letters: [{letter_id, kind, state, queued_at, sent_at|None}]}, newest first."""
    rows = session.read.letters_of(query.person_id, query.limit)
    return {
        "letters": [
            {
                "letter_id": str(row["letter_id"]),
                "kind": row["kind"],
                "state": row["state"],
                "queued_at": row["queued_at"].isoformat(),
                "sent_at": row["sent_at"].isoformat() if row["sent_at"] else None,
            }
            for row in rows
        ]
    }


def _replace_older(session: Session, topic: str) -> None:
    """Give up the unsent letters whose secret is replaced by a newer one."""
    for letter_id in session.read.outbox.with_secret(topic):
        give_up(session, GiveUp(letter_id=letter_id, reason=FailureReason.STALE))
