"""The letter: queued, then sent or failed; sent, it may come back; staff may queue it again.

The events record the state of a letter and what it is about, by ids. Its address and content are
asked from their owners when it is delivered.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

import msgspec

from services.notifications.choices import ChoicesErased, LettersChosen
from shared.contracts.notifications import FailureReason, LetterKind
from shared.eventstore import Aggregate, Event, EventTypes


class State(StrEnum):
    """The state of a letter; NONE before it is queued."""

    NONE = "none"
    QUEUED = "queued"
    SENT = "sent"
    FAILED = "failed"
    BOUNCED = "bounced"


class LetterQueued(Event, frozen=True, kw_only=True):
    """A letter was queued; `person_id` is None if it is not for a known registered person.

    `refs` names by ids, days and sums what it is about. After `not_after` it is pointless.
    """

    topic: ClassVar[str] = "notifications.letter_queued.v1"
    kind: str
    person_id: UUID | None
    refs: dict[str, Any] = msgspec.field(default_factory=dict)
    not_after: datetime | None = None


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


class LetterDelayed(Event, frozen=True, kw_only=True):
    """A mail server reported that the letter is late, by a status of RFC 3463."""

    topic: ClassVar[str] = "notifications.letter_delayed.v1"
    kind: str
    status: str


class LetterBounced(Event, frozen=True, kw_only=True):
    """The letter came back; `hard`: the status says that its address receives no letters."""

    topic: ClassVar[str] = "notifications.letter_bounced.v1"
    kind: str
    status: str
    hard: bool


class LetterRequeued(Event, frozen=True, kw_only=True):
    """Somebody had the letter sent again, as the kind that was queued at first."""

    topic: ClassVar[str] = "notifications.letter_requeued.v1"
    kind: str
    by: str


EVENTS = EventTypes(
    LetterQueued,
    LetterSent,
    LetterFailed,
    LetterDelayed,
    LetterBounced,
    LetterRequeued,
    LettersChosen,
    ChoicesErased,
)

#: Draws of a letter are counted on from here when it is queued again: far above what those before
#: can have reached, whose row is gone.
DRAWS_BEFORE_REQUEUEING = 1000


class Letter(Aggregate):
    """One letter to one address."""

    def __init__(self, id: UUID) -> None:
        super().__init__(id)
        self.state = State.NONE
        self.kind = ""
        self.requested_kind = ""
        self.person_id: UUID | None = None
        self.not_after: datetime | None = None
        self.message_id = ""
        self._delayed_by = ""
        self._times_requeued = 0

    @property
    def drawn_before(self) -> int:
        """Return the number from which its draws are counted."""
        return self._times_requeued * DRAWS_BEFORE_REQUEUEING

    def queue(
        self,
        kind: LetterKind,
        person_id: UUID | None,
        refs: Mapping[str, Any] | None = None,
        *,
        not_after: datetime | None = None,
    ) -> bool:
        """Queue the letter; return False, without an event, if it was queued before."""
        if self.state is not State.NONE:
            return False
        queued = LetterQueued(
            kind=kind.value, person_id=person_id, refs=dict(refs or {}), not_after=not_after
        )
        self.trigger(queued)
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

    def note_delay(self, status: str, message_id: str | None) -> bool:
        """Note that the letter is late; return False, without an event, where that is no news."""
        if not self._may_report(message_id) or self._delayed_by == status:
            return False
        self.trigger(LetterDelayed(kind=self.kind, status=status))
        return True

    def bounce(self, status: str, message_id: str | None, *, hard: bool) -> bool:
        """Mark the letter as come back; return False, without an event, where that is no news.

        `message_id` is that of what came back, if that is known.
        """
        if not self._may_report(message_id):
            return False
        self.trigger(LetterBounced(kind=self.kind, status=status, hard=hard))
        return True

    def requeue(self, by: str) -> bool:
        """Queue a letter again; return False, without an event, if it waits already."""
        if self.state in {State.NONE, State.QUEUED}:
            return False
        self.trigger(LetterRequeued(kind=self.requested_kind, by=by))
        return True

    def _may_report(self, message_id: str | None) -> bool:
        """Return whether a report can be about the last sending.

        A letter that waits may have been handed over with an unknown outcome; one that was queued
        again must not be stopped by what is told of an earlier sending.
        """
        if self.state is State.QUEUED:
            return not self._times_requeued
        return self.state is State.SENT and message_id in {None, self.message_id}

    def apply(self, event: Any) -> None:
        match event:
            case LetterQueued():
                self.state = State.QUEUED
                self.kind = self.requested_kind = event.kind
                self.person_id = event.person_id
                self.not_after = event.not_after
            case LetterSent():
                self.state = State.SENT
                self.kind = event.kind
                self.person_id = event.person_id or self.person_id
                self.message_id = event.message_id
            case LetterFailed():
                self.state = State.FAILED
            case LetterDelayed():
                self._delayed_by = event.status
            case LetterBounced():
                self.state = State.BOUNCED
            case LetterRequeued():
                self.state = State.QUEUED
                self.kind = event.kind
                self._delayed_by = ""
                self._times_requeued += 1
