"""What staff see of letters, and how they have one sent again.

No address and no text is seen: neither is kept. Who looked at the letters of a person, and who had
one sent again, is in the security log.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from services.notifications import application
from services.notifications.domain import Letter
from services.notifications.requests import LetterRequest
from shared import context
from shared.contracts.notifications import LetterKind
from shared.errors import Conflict, NotFound
from shared.eventstore import Session


class ListLetters(msgspec.Struct, frozen=True, kw_only=True):
    """The query for letters of any person, newest first; None leaves a condition out."""

    state: str | None
    kind: str | None
    person_id: UUID | None
    since: datetime | None
    limit: int


class Resend(msgspec.Struct, frozen=True, kw_only=True):
    """Have a letter sent again, and why; ``dry_run``: only check."""

    letter_id: UUID
    reason: str
    dry_run: bool


def listed(session: Session, query: ListLetters) -> dict[str, Any]:
    """Return {letters: [...]}; those of one person are noted in the security log."""
    if query.person_id is not None:
        session.security.note("letters_listed", person_id=query.person_id)
    rows = session.read.lists.listed(**msgspec.structs.asdict(query))
    return {"letters": [_on_the_wire(row) for row in rows]}


def shown(session: Session, letter_id: UUID) -> dict[str, Any]:
    """Return a letter with its history. Raises NotFound ``letter_not_found``."""
    row = session.read.lists.one(letter_id)
    if row is None:
        raise _unknown()
    session.security.note("letter_shown", person_id=row["person_id"], about=f"letter:{letter_id}")
    history = [
        {
            "event": recorded.event.topic.split(".")[1],
            "at": recorded.recorded_at.isoformat(),
            **_details(recorded.event),
        }
        for recorded in session.history(letter_id)
    ]
    return {**_on_the_wire(row), "history": history}


def failures(session: Session, since: datetime) -> dict[str, Any]:
    """Return {failures: [{state, kind, reason, letters, first_queued_at, last_queued_at}]}.

    `reason` is why a letter was given up, or the status with which it came back.
    """
    return {"failures": [_on_the_wire(row) for row in session.read.lists.failures(since)]}


def resend(session: Session, command: Resend) -> dict[str, Any]:
    """Queue a letter again, to be drawn at its delivery; return {letter_id, kind, state}.

    A secret in it is a new one then, and the address today's. Of one that waits already nothing
    changes. Raises NotFound ``letter_not_found``, Conflict ``letter_not_kept`` for a letter of an
    earlier version, of which nothing is known but that there was one, ``letter_out_of_date`` for
    one whose last day is over.
    """
    letter = session.load(Letter, command.letter_id)
    row = session.read.lists.one(command.letter_id)
    if row is None:
        raise _unknown()
    if not row["refs"]:
        raise Conflict("letter_not_kept", "What this letter was about is not known any more.")
    if letter.not_after is not None and letter.not_after <= session.now:
        raise Conflict("letter_out_of_date", "The last day on which this letter helps is over.")
    if not command.dry_run and letter.requeue(context.current().actor):
        _queue_again(session, letter, row["refs"])
        session.security.note(
            "letter_resent",
            person_id=letter.person_id,
            about=f"letter:{letter.id}",
            reason=command.reason,
        )
    return {"letter_id": str(letter.id), "kind": letter.requested_kind, "state": "queued"}


def _queue_again(session: Session, letter: Letter, refs: Mapping[str, Any]) -> None:
    request = LetterRequest(
        letter_id=letter.id,
        kind=LetterKind(letter.requested_kind),
        person_id=letter.person_id,
        refs=refs,
        not_after=letter.not_after,
    )
    application.put_into_outbox(session, [request], generation=letter.drawn_before)


def _on_the_wire(row: Mapping[str, Any]) -> dict[str, Any]:
    def plain(value: Any) -> Any:
        if isinstance(value, datetime):
            return value.isoformat()
        return str(value) if isinstance(value, UUID) else value

    return {name: plain(value) for name, value in row.items()}


def _details(event: Any) -> dict[str, Any]:
    """Return what an event says beside the kind and the person, which the letter has."""
    known = msgspec.structs.asdict(event)
    names = ("message_id", "attempts", "reason", "status", "by")
    return {name: known[name] for name in names if name in known}


def _unknown() -> NotFound:
    return NotFound("letter_not_found", "There is no such letter, or its time is over.")
