"""Use cases of letters.

None of them sees an address or a text: a letter comes sealed and goes sealed. What is done to a
letter and to its row of the outbox is done in one transaction, and each use case may be repeated.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from services.notifications.domain import Kind, Letter, Reason
from shared import context
from shared.eventstore import Session

#: How long temporary failures are tried again before a letter is given up.
PATIENCE = timedelta(days=5)

#: Waits after the first, second, ... failed attempt; the last one repeats.
PAUSES = tuple(timedelta(seconds=s) for s in (5, 15, 60, 300, 900, 3600))

#: The longest wait of a letter with a secret: the person is waiting in front of the screen.
PAUSE_OF_SECRETS = timedelta(seconds=30)


class QueueLetter(msgspec.Struct, frozen=True, kw_only=True):
    """Queue a letter. `sealed` is its address and content (see `envelope`).

    A letter with a secret names the secret's topic ("registration:<id>"), so that a newer secret
    replaces an unsent older one, and the instant after which the secret is worth nothing.
    """

    letter_id: UUID
    kind: Kind
    person_id: UUID | None
    sealed: str
    secret_topic: str | None = None
    stale_at: datetime | None = None


class WaitingLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A letter in the outbox; `attempts` have failed so far."""

    letter_id: UUID
    sealed: str
    secret_topic: str | None
    stale_at: datetime | None
    correlation_id: str
    attempts: int
    queued_at: datetime
    next_attempt_at: datetime


class MarkSent(msgspec.Struct, frozen=True, kw_only=True):
    """Note that the mail server accepted a letter at the given attempt (from 1)."""

    letter_id: UUID
    message_id: str
    attempts: int


class GiveUp(msgspec.Struct, frozen=True, kw_only=True):
    """End a letter that nobody will receive."""

    letter_id: UUID
    reason: Reason


class Postpone(msgspec.Struct, frozen=True, kw_only=True):
    """Try a letter again later, after its attempt number `attempts` (from 1) failed for now."""

    letter_id: UUID
    attempts: int
    queued_at: datetime
    secret: bool


class LettersOf(msgspec.Struct, frozen=True, kw_only=True):
    """Ask for a person's letters, at most `limit`."""

    person_id: UUID
    limit: int


def is_queued(session: Session, letter_id: UUID) -> bool:
    """Whether this letter was ever queued: then its secret must not be asked for again."""
    return session.load(Letter, letter_id).version > 0


def queue_letter(session: Session, command: QueueLetter) -> None:
    """Queue a letter once; the same id again does nothing."""
    letter = session.load(Letter, command.letter_id)
    if not letter.queue(command.kind, command.person_id):
        return
    if command.secret_topic is not None:
        _replace_older(session, command.secret_topic)
    session.read.outbox.add(
        WaitingLetter(
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
    """End a letter well, and erase its content."""
    letter = session.load(Letter, command.letter_id)
    letter.mark_sent(command.message_id, command.attempts)
    session.read.outbox.erase(command.letter_id)


def give_up(session: Session, command: GiveUp) -> None:
    """End a letter badly, and erase its content."""
    session.load(Letter, command.letter_id).fail(command.reason)
    session.read.outbox.erase(command.letter_id)


def postpone(session: Session, command: Postpone) -> None:
    """Let a letter wait longer after each failed attempt; after `PATIENCE`, give it up."""
    if session.now - command.queued_at >= PATIENCE:
        give_up(session, GiveUp(letter_id=command.letter_id, reason=Reason.GAVE_UP))
        return
    pause = PAUSES[min(command.attempts, len(PAUSES)) - 1]
    if command.secret:
        pause = min(pause, PAUSE_OF_SECRETS)
    session.read.outbox.postpone(command.letter_id, session.now + pause)


def due_letters(session: Session, limit: int) -> tuple[list[WaitingLetter], list[WaitingLetter]]:
    """(what to send now, the most urgent first; what is stale by now), together `limit`."""
    fresh: list[WaitingLetter] = []
    stale: list[WaitingLetter] = []
    for letter in session.read.outbox.due(session.now, limit):
        expired = letter.stale_at is not None and letter.stale_at <= session.now
        (stale if expired else fresh).append(letter)
    return fresh, stale


def letters_of(session: Session, query: LettersOf) -> dict[str, Any]:
    """{letters: [{letter_id, kind, state, queued_at, sent_at|None}]}, the newest first."""
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
    """A newer secret makes the older one worthless: do not send it any more."""
    for letter_id in session.read.outbox.with_secret(topic):
        give_up(session, GiveUp(letter_id=letter_id, reason=Reason.STALE))
