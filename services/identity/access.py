"""Use cases: signing in, sessions, the change of a password.

Passwords are checked and hashed between transactions, so that no database connection waits for it:
what the check found is trusted only while the hash that it was made with is still the kept one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple
from uuid import UUID

from services.identity.commands import Command
from services.identity.domain import PasswordOrigin, Person
from services.identity.limits import (
    PASSWORD_CHANGES,
    SEEN_RESOLUTION,
    SESSION_IDLE_LIFE,
    SESSION_LIFE,
    SESSIONS_PER_PERSON,
    SIGN_IN_OF_EMAIL,
    SIGN_IN_OF_NETWORK,
    TEMPORARY_SESSION_LIFE,
)
from services.identity.password_policy import check_password
from services.identity.personal_data import reveal
from services.identity.refusals import refusal, refused
from shared.errors import NotFound
from shared.eventstore import Session
from shared.ids import new_id


class CheckedPassword(NamedTuple):
    """What the slow check found: the hash that was kept, whether it matches, the new one's hash."""

    kept: str | None
    matches: bool
    new_hash: str


class BeginSignIn(Command, frozen=True, kw_only=True):
    email_index: bytes
    network_index: bytes


class FinishSignIn(Command, frozen=True, kw_only=True):
    """``checked_hash`` is the one that the password matched; ``stronger_hash`` may replace it."""

    person_id: UUID
    checked_hash: str
    stronger_hash: str | None
    token_digest: bytes
    device: str
    email_index: bytes
    network_index: bytes


class NoteSeen(Command, frozen=True, kw_only=True):
    session_id: UUID


class EndSession(Command, frozen=True, kw_only=True):
    person_id: UUID
    session_id: UUID


class ChangePassword(Command, frozen=True, kw_only=True):
    person_id: UUID
    session_id: UUID
    current_password: str
    new_password: str


def begin_sign_in(session: Session, command: BeginSignIn) -> dict[str, Any]:
    """Count an attempt -> {person_id|None, password_hash|None}, or ``too_many_attempts``.

    Counted before the password is checked: of many guesses at once no more are checked than may
    be. The right one takes its count back.
    """
    read = session.read
    for limit, subject in (
        (SIGN_IN_OF_NETWORK, command.network_index),
        (SIGN_IN_OF_EMAIL, command.email_index),
    ):
        wait = read.attempts.take(limit, subject, session.now)
        if wait:
            return refusal("too_many_attempts", retry_after_seconds=wait)
    credential = read.credentials.of_email(command.email_index)
    if credential is None:
        return {"person_id": None, "password_hash": None}
    return {"person_id": str(credential.person_id), "password_hash": credential.password_hash}


def finish_sign_in(session: Session, command: FinishSignIn) -> dict[str, Any]:
    """Open a session for a right password -> {session_id, person_id, must_change_password,
    expires_at}, or a refusal: ``wrong_credentials`` (it was changed meanwhile) or
    ``temporary_password_expired``.

    A session of a temporary password ends the earlier ones: there is never more than one.
    """
    read, now = session.read, session.now
    credential = read.credentials.lock(command.person_id)
    if credential is None or credential.password_hash != command.checked_hash:
        return refusal("wrong_credentials")
    if credential.temporary and (credential.expires_at is None or credential.expires_at <= now):
        return refusal("temporary_password_expired")
    if command.stronger_hash is not None:
        read.credentials.rehash(command.person_id, command.stronger_hash)
    read.attempts.give_back(SIGN_IN_OF_NETWORK, command.network_index)
    read.attempts.clear(SIGN_IN_OF_EMAIL, command.email_index)
    if credential.temporary:
        read.sessions.end_all(command.person_id)
    else:
        _end_surplus(session, command.person_id)
    session_id = new_id()
    expires_at = now + (TEMPORARY_SESSION_LIFE if credential.temporary else SESSION_LIFE)
    read.sessions.open(
        session_id,
        command.person_id,
        command.token_digest,
        command.device,
        now=now,
        expires_at=expires_at,
    )
    return {
        "session_id": str(session_id),
        "person_id": str(command.person_id),
        "must_change_password": credential.temporary,
        "expires_at": expires_at.isoformat(),
    }


def _end_surplus(session: Session, person_id: UUID) -> None:
    sessions = session.read.sessions
    live = sessions.of_person(person_id, session.now, SESSION_IDLE_LIFE)
    for surplus in live[SESSIONS_PER_PERSON - 1 :]:
        sessions.end(person_id, surplus.session_id)


def authenticate(session: Session, token_digest: bytes) -> dict[str, Any]:
    """Return {session_id, person_id, must_change_password, stale}; ``stale`` asks for NoteSeen.

    Raises Forbidden ``session_expired``.
    """
    found = session.read.sessions.of_token(token_digest, session.now, SESSION_IDLE_LIFE)
    if found is None:
        raise refused("session_expired")
    return {
        "session_id": str(found.session_id),
        "person_id": str(found.person_id),
        "must_change_password": found.temporary,
        "stale": session.now - found.last_seen_at >= SEEN_RESOLUTION,
    }


def note_seen(session: Session, command: NoteSeen) -> None:
    """Keep when a session was last in use."""
    session.read.sessions.seen(command.session_id, session.now)


def list_sessions(session: Session, person_id: UUID) -> dict[str, Any]:
    """Return {sessions: [{session_id, device, created_at, last_seen_at}]}, the latest first."""
    live = session.read.sessions.of_person(person_id, session.now, SESSION_IDLE_LIFE)
    return {
        "sessions": [
            {
                "session_id": str(entry.session_id),
                "device": entry.device,
                "created_at": entry.created_at.isoformat(),
                "last_seen_at": entry.last_seen_at.isoformat(),
            }
            for entry in live
        ]
    }


def end_session(session: Session, command: EndSession) -> dict[str, Any]:
    """End one session of the person -> {}. Raises NotFound ``session_not_found``."""
    if not session.read.sessions.end(command.person_id, command.session_id):
        raise NotFound("session_not_found", "There is no such session; it may have ended.")
    return {}


def kept_hash(session: Session, person_id: UUID) -> str | None:
    """Return the hash of a person's present password."""
    credential = session.read.credentials.of_person(person_id)
    return None if credential is None else credential.password_hash


def password_changer(
    checked: CheckedPassword,
) -> Callable[[Session, ChangePassword], dict[str, Any]]:
    """Return the use case that changes a password, given what the check found.

    That is no part of the command: the same command sent again has another salt.
    """

    def change_password(session: Session, command: ChangePassword) -> dict[str, Any]:
        """Take a new password for the present one -> {}, or a refusal that counts:
        ``wrong_current_password``, ``too_many_attempts``.

        All other sessions of the person end. Raises ValidationFailed ``password_...`` (see
        `check_password`), NotFound ``person_not_found``, Forbidden ``session_expired``.
        """
        read = session.read
        wait = read.attempts.take(PASSWORD_CHANGES, command.person_id.bytes, session.now)
        if wait:
            return refusal("too_many_attempts", retry_after_seconds=wait)
        credential = read.credentials.lock(command.person_id)
        person = session.load(Person, command.person_id)
        person.must_exist()
        check_password(
            command.new_password,
            email=reveal(session, person.id, person.email),
            previous=command.current_password,
        )
        live = read.sessions.of_person(person.id, session.now, SESSION_IDLE_LIFE)
        if command.session_id not in {entry.session_id for entry in live}:
            raise refused("session_expired")
        if not checked.matches or credential.password_hash != checked.kept:
            return refusal("wrong_current_password")
        read.attempts.clear(PASSWORD_CHANGES, command.person_id.bytes)
        read.credentials.set_own(person.id, checked.new_hash)
        read.sessions.end_all(person.id, but=command.session_id)
        read.sessions.extend(command.session_id, session.now + SESSION_LIFE)
        person.change_password(PasswordOrigin.CHANGED)
        return {}

    return change_password
