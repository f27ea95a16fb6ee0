"""The letter: queued once, then either sent or failed.

The events tell the fate of a letter. Its address and its content never stand in an event: they
wait, encrypted, in the outbox, and are erased with the letter's last event.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

from shared.eventstore import Aggregate, Event, EventTypes


class Kind(StrEnum):
    """What a letter says; each kind has its template in `letters/`."""

    REGISTRATION_CODE = "registration_code"
    ALREADY_REGISTERED = "already_registered"
    TEMPORARY_PASSWORD = "temporary_password"  # noqa: S105 - a name, not a password
    PASSWORD_RESET_CODE = "password_reset_code"  # noqa: S105
    PASSWORD_CHANGED = "password_changed"  # noqa: S105
    ACCOUNT_LINKED_BY_ANOTHER = "account_linked_by_another"
    PAYMENT_RECEIPT = "payment_receipt"
    PAYMENT_FAILED = "payment_failed"
    QUESTION_ACCEPTED = "question_accepted"
    QUESTION_TO_DEPARTMENT = "question_to_department"
    QUESTION_ANSWERED = "question_answered"


class Reason(StrEnum):
    """Why nobody will receive a letter."""

    REFUSED_BY_SERVER = "refused_by_server"
    """The mail server answered 5xx to this recipient or this content."""
    UNDELIVERABLE = "undeliverable"
    """No mail can be written to this address at all: it is not a valid one."""
    STALE = "stale"
    """The secret in it expired, or was replaced by a newer one, before it could be sent."""
    GAVE_UP = "gave_up"
    """Days of temporary failures."""


class State(StrEnum):
    """Where a letter stands; NONE before it was queued."""

    NONE = "none"
    QUEUED = "queued"
    SENT = "sent"
    FAILED = "failed"


class LetterQueued(Event, frozen=True, kw_only=True):
    """A letter is to be sent; `person_id` is None when it goes to no registered person."""

    topic: ClassVar[str] = "notifications.letter_queued.v1"
    kind: str
    person_id: UUID | None


class LetterSent(Event, frozen=True, kw_only=True):
    """The mail server took responsibility for the letter, at the given attempt (from 1)."""

    topic: ClassVar[str] = "notifications.letter_sent.v1"
    kind: str
    message_id: str
    attempts: int


class LetterFailed(Event, frozen=True, kw_only=True):
    """The letter was given up; `reason` is one of `Reason`."""

    topic: ClassVar[str] = "notifications.letter_failed.v1"
    kind: str
    reason: str


EVENTS = EventTypes(LetterQueued, LetterSent, LetterFailed)


class Letter(Aggregate):
    """One letter to one address."""

    def __init__(self, id: UUID) -> None:  # noqa: A002 - the base class's own word
        super().__init__(id)
        self.state = State.NONE
        self.kind = ""
        self.person_id: UUID | None = None

    def queue(self, kind: Kind, person_id: UUID | None) -> bool:
        """Queue the letter; False (and no event) when that was done before."""
        if self.state is not State.NONE:
            return False
        self.trigger(LetterQueued(kind=kind.value, person_id=person_id))
        return True

    def mark_sent(self, message_id: str, attempts: int) -> bool:
        """Note the server's acceptance; False (and no event) when the letter is not waiting."""
        if self.state is not State.QUEUED:
            return False
        self.trigger(LetterSent(kind=self.kind, message_id=message_id, attempts=attempts))
        return True

    def fail(self, reason: Reason) -> bool:
        """Give the letter up; False (and no event) when it is not waiting."""
        if self.state is not State.QUEUED:
            return False
        self.trigger(LetterFailed(kind=self.kind, reason=reason.value))
        return True

    def apply(self, event: Any) -> None:
        match event:
            case LetterQueued():
                self.state = State.QUEUED
                self.kind = event.kind
                self.person_id = event.person_id
            case LetterSent():
                self.state = State.SENT
            case LetterFailed():
                self.state = State.FAILED
