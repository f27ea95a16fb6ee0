"""The current password, asked again for what an open cabinet alone must not allow."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from services.identity.commands import Command
from services.identity.limits import CURRENT_PASSWORDS, CURRENT_PASSWORDS_OF_DAY, SESSION_IDLE_LIFE
from services.identity.refusals import refusal, refused
from shared.eventstore import Session


class Change(Command, frozen=True, kw_only=True):
    """A change by the person himself, in a session."""

    person_id: UUID
    session_id: UUID


class ConfirmedChange(Change, frozen=True, kw_only=True):
    """A change for which the current password was given; its hash is the one that matched.

    None: it matched none. The hash is not compared: once the password is changed or the person is
    erased, a repeated command finds another one or none.
    """

    not_compared: ClassVar[frozenset[str]] = Command.not_compared | {"verified_hash"}

    verified_hash: str | None


def begin_confirmation(session: Session, command: Change) -> dict[str, Any]:
    """Count an attempt before anything is verified; return {password_hash} or a refusal.

    That is ``too_many_attempts``, or ``session_expired``: whoever is wrong all day is put out.
    Attempts are counted by session: who finds an open cabinet does not spend those of its owner
    elsewhere.
    """
    read = session.read
    wait = read.attempts.take(CURRENT_PASSWORDS, command.session_id.bytes, session.now)
    if wait:
        return refusal("too_many_attempts", **CURRENT_PASSWORDS.exceeded(wait))
    if read.attempts.take(CURRENT_PASSWORDS_OF_DAY, command.session_id.bytes, session.now):
        if read.sessions.end(command.person_id, command.session_id):
            session.security.note(
                "session_ended", person_id=command.person_id, about="current_password"
            )
        return refusal("session_expired")
    credential = read.credentials.of_person(command.person_id)
    return {"password_hash": None if credential is None else credential.password_hash}


def clear_attempts(session: Session, command: Change) -> None:
    """Forget the attempts of a session, whose password was right, whatever becomes of the change.

    In a transaction of its own: a change that is refused is rolled back.
    """
    for limit in (CURRENT_PASSWORDS, CURRENT_PASSWORDS_OF_DAY):
        session.read.attempts.clear(limit, command.session_id.bytes)


def confirm(session: Session, command: ConfirmedChange) -> None:
    """Lock the person's credential, whose password was verified.

    Raises Forbidden ``session_expired``, ValidationFailed ``wrong_current_password``, also for one
    that was changed in between.
    """
    read = session.read
    credential = read.credentials.lock(command.person_id)
    live = read.sessions.of_person(command.person_id, session.now, SESSION_IDLE_LIFE)
    if command.session_id not in {entry.session_id for entry in live}:
        raise refused("session_expired")
    stored = None if credential is None else credential.password_hash
    if stored is None or stored != command.verified_hash:
        raise refused("wrong_current_password")
