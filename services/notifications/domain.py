"""The letter: queued once, then either sent or failed.

The events record the state of a letter and what it is about, by ids. Its address and content are
asked from their owners when it is delivered.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

import msgspec

from shared.contracts.notifications import FailureReason, LetterKind
from shared.eventstore import Aggregate, Event, EventTypes


class State(StrEnum):
    """The state of a letter; NONE before it is queued."""

    NONE = "none"
    QUEUED = "queued"
    SENT = "sent"
    FAILED = "failed"


class LetterQueued(Event, frozen=True, kw_only=True):
    """A letter was queued; `person_id` is None if it is not for a known registered person.

    `refs` names by ids, days and sums what it is about.
    """

    topic: ClassVar[str] = "notifications.letter_queued.v1"
    kind: str
    person_id: UUID | None
    refs: dict[str, Any] = msgspec.field(default_factory=dict)


class LetterSent(Event, frozen=True, kw_only=True):
    """The mail server accepted the letter, at an attempt counted from 1.

    The kind may be another than was queued: an address that turns out to have a cabinet gets no
    code. `person_id` is whose letter it turned out to be.
    """

    topic: ClassVar[str] = "notifications.letter_sent.v1"
    kind: str
    message_id: str
    attempts: int
    person_id: UUID | None = None


class LetterFailed(Event, frozen=True, kw_only=True):
    """The letter was given up; `reason` is a `FailureReason`."""

    topic: ClassVar[str] = "notifications.letter_failed.v1"
    kind: str
    reason: str


EVENTS = EventTypes(LetterQueued, LetterSent, LetterFailed)


class Letter(Aggregate):
    """One letter to one address."""

    def __init__(self, id: UUID) -> None:
        super().__init__(id)
        self.state = State.NONE
        self.kind = ""
        self.person_id: UUID | None = None

    def queue(
        self, kind: LetterKind, person_id: UUID | None, refs: Mapping[str, Any] | None = None
    ) -> bool:
        """Queue the letter; return False, without an event, if it was queued before."""
        if self.state is not State.NONE:
            return False
        self.trigger(LetterQueued(kind=kind.value, person_id=person_id, refs=dict(refs or {})))
        return True

    def mark_sent(
        self,
        message_id: str,
        attempts: int,
        *,
        kind: LetterKind | None = None,
        person_id: UUID | None = None,
    ) -> bool:
        """Mark the letter as sent; return False, without an event, if it is not queued.

        `kind` and `person_id` are what it turned out to be, if not what was queued.
        """
        if self.state is not State.QUEUED:
            return False
        sent = LetterSent(
            kind=kind.value if kind else self.kind,
            message_id=message_id,
            attempts=attempts,
            person_id=person_id or self.person_id,
        )
        self.trigger(sent)
        return True

    def fail(self, reason: FailureReason) -> bool:
        """Mark the letter as failed; return False, without an event, if it is not queued."""
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
                self.kind = event.kind
                self.person_id = event.person_id or self.person_id
            case LetterFailed():
                self.state = State.FAILED
