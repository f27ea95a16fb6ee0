"""Authenticating again for what an open cabinet alone must not allow.

That is the current password with the change itself, and where there is a second factor the second
step within the last minutes (`reauthentication`).
"""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from services.identity.commands import Command
from services.identity.limits import (
    CURRENT_PASSWORDS,
    CURRENT_PASSWORDS_OF_DAY,
    REAUTHENTICATION_LIFE,
    SESSION_IDLE_LIFE,
)
from services.identity.refusals import refusal, refused
from services.identity.sessions import SignedIn
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

    That is ``reauthentication_required``: without the second step nothing is learned of the
    password. Or ``too_many_attempts``, or ``session_expired``: who is wrong all day is put out.
    Attempts are counted by session: who finds an open cabinet does not spend those of its owner
    elsewhere.
    """
    read = session.read
    entry = _session_of(session, command)
    if entry is not None and second_step_is_due(session, entry):
        return refusal("reauthentication_required")
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

    Raises Forbidden ``session_expired`` or ``reauthentication_required``, ValidationFailed
    ``wrong_current_password``, also for one that was changed in between.
    """
    credential = session.read.credentials.lock(command.person_id)
    if second_step_is_due(session, live_session(session, command)):
        raise refused("reauthentication_required")
    stored = None if credential is None else credential.password_hash
    if stored is None or stored != command.verified_hash:
        raise refused("wrong_current_password")


def live_session(session: Session, change: Change) -> SignedIn:
    """Return the session of a change. Raises Forbidden ``session_expired``."""
    entry = _session_of(session, change)
    if entry is None:
        raise refused("session_expired")
    return entry


def _session_of(session: Session, change: Change) -> SignedIn | None:
    live: list[SignedIn] = session.read.sessions.of_person(
        change.person_id, session.now, SESSION_IDLE_LIFE
    )
    return next((entry for entry in live if entry.session_id == change.session_id), None)


def second_step_is_due(session: Session, entry: SignedIn) -> bool:
    """Return whether a session has to take the second step before a change of access."""
    taken = entry.second_step_at
    if taken is not None and session.now - taken < REAUTHENTICATION_LIFE:
        return False
    return bool(session.read.second_factors.methods(entry.person_id))
