"""Use cases: signing in, sessions, changing a password.

Passwords are verified and hashed between transactions, so that no database connection waits. The
result is valid only as long as the stored hash is still the one that was verified.
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
from services.identity.new_passwords import check_new_password
from services.identity.refusals import refusal, refused
from services.identity.sessions import SignedIn
from shared.errors import NotFound
from shared.eventstore import Session
from shared.ids import new_id


class VerifiedPassword(NamedTuple):
    """The result of verifying: the stored hash, whether it matches, and the new password's hash."""

    stored_hash: str | None
    matches: bool
    new_hash: str


class BeginSignIn(Command, frozen=True, kw_only=True):
    email_index: bytes
    network_index: bytes


class FinishSignIn(Command, frozen=True, kw_only=True):
    """``verified_hash`` is the one that matched; ``stronger_hash`` replaces it unless None."""

    person_id: UUID
    verified_hash: str
    stronger_hash: str | None
    token_digest: bytes
    device: str
    email_index: bytes
    network_index: bytes


class MarkSeen(Command, frozen=True, kw_only=True):
    session_id: UUID


class EndSession(Command, frozen=True, kw_only=True):
    person_id: UUID
    session_id: UUID


class ChangePassword(Command, frozen=True, kw_only=True):
    person_id: UUID
    session_id: UUID
    current_password: str
    new_password: str
    fingerprint: bytes


def begin_sign_in(session: Session, command: BeginSignIn) -> dict[str, Any]:
    """Count an attempt; return {person_id|None, password_hash|None} or ``too_many_attempts``.

    It is counted before the password is verified, so that concurrent guesses cannot exceed the
    limit. A right password takes its count back.
    """
    read = session.read
    for limit, subject in (
        (SIGN_IN_OF_NETWORK, command.network_index),
        (SIGN_IN_OF_EMAIL, command.email_index),
    ):
        wait = read.attempts.take(limit, subject, session.now)
        if wait:
            return refusal("too_many_attempts", **limit.exceeded(wait))
    credential = read.credentials.of_email(command.email_index)
    if credential is None:
        return {"person_id": None, "password_hash": None}
    return {"person_id": str(credential.person_id), "password_hash": credential.password_hash}


def finish_sign_in(session: Session, command: FinishSignIn) -> dict[str, Any]:
    """Open a session; return {session_id, person_id, must_change_password, expires_at, accepted}.

    ``accepted`` has the versions of the documents that the person has accepted. Or return a
    refusal: ``wrong_credentials`` (the password was changed in between) or
    ``temporary_password_expired``. A session of a temporary password ends the earlier ones.
    """
    read, now = session.read, session.now
    credential = read.credentials.lock(command.person_id)
    if credential is None or credential.password_hash != command.verified_hash:
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
        "accepted": _accepted(read.sessions.of_token(command.token_digest, now, SESSION_IDLE_LIFE)),
    }


def _accepted(found: SignedIn) -> dict[str, str]:
    return {"rules": found.rules_version, "consent": found.consent_version}


def _end_surplus(session: Session, person_id: UUID) -> None:
    sessions = session.read.sessions
    live = sessions.of_person(person_id, session.now, SESSION_IDLE_LIFE)
    for surplus in live[SESSIONS_PER_PERSON - 1 :]:
        sessions.end(person_id, surplus.session_id)


def authenticate(session: Session, token_digest: bytes) -> dict[str, Any]:
    """Return {session_id, person_id, must_change_password, accepted, stale}.

    MarkSeen is due if stale. ``accepted`` is as in `finish_sign_in`.
    Raises Forbidden ``session_expired``.
    """
    found = session.read.sessions.of_token(token_digest, session.now, SESSION_IDLE_LIFE)
    if found is None:
        raise refused("session_expired")
    return {
        "session_id": str(found.session_id),
        "person_id": str(found.person_id),
        "must_change_password": found.temporary,
        "accepted": _accepted(found),
        "stale": session.now - found.last_seen_at >= SEEN_RESOLUTION,
    }


def mark_seen(session: Session, command: MarkSeen) -> None:
    """Store when a session was last used."""
    session.read.sessions.seen(command.session_id, session.now)


def list_sessions(session: Session, person_id: UUID) -> dict[str, Any]:
    """Return {sessions: [{session_id, device, created_at, last_seen_at}]}, latest first."""
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
    """End one session of the person. Raises NotFound ``session_not_found``."""
    if not session.read.sessions.end(command.person_id, command.session_id):
        raise NotFound("session_not_found", "There is no such session; it may have ended.")
    return {}


def stored_hash(session: Session, person_id: UUID) -> str | None:
    """Return the hash of a person's current password."""
    credential = session.read.credentials.of_person(person_id)
    return None if credential is None else credential.password_hash


def password_changer(
    verified: VerifiedPassword,
) -> Callable[[Session, ChangePassword], dict[str, Any]]:
    """Return the use case that changes a password, given the result of verifying it.

    The result is not part of the command: a repeated command has a hash with another salt.
    """

    def change_password(session: Session, command: ChangePassword) -> dict[str, Any]:
        """Replace the current password, and end all other sessions of the person.

        Returns {}, or a counted refusal: ``wrong_current_password``, ``too_many_attempts``.
        Raises ValidationFailed ``password_...`` (see `check_password`), NotFound
        ``person_not_found``, Forbidden ``session_expired``.
        """
        read = session.read
        wait = read.attempts.take(PASSWORD_CHANGES, command.person_id.bytes, session.now)
        if wait:
            return refusal("too_many_attempts", **PASSWORD_CHANGES.exceeded(wait))
        credential = read.credentials.lock(command.person_id)
        person = session.load(Person, command.person_id)
        person.must_exist()
        check_new_password(
            session,
            person,
            command.new_password,
            fingerprint=command.fingerprint,
            previous=command.current_password,
        )
        live = read.sessions.of_person(person.id, session.now, SESSION_IDLE_LIFE)
        if command.session_id not in {entry.session_id for entry in live}:
            raise refused("session_expired")
        if not verified.matches or credential.password_hash != verified.stored_hash:
            return refusal("wrong_current_password")
        read.attempts.clear(PASSWORD_CHANGES, command.person_id.bytes)
        read.credentials.set_chosen(person.id, verified.new_hash)
        read.password_resets.drop_of(person.id)
        read.sessions.end_all(person.id, but=command.session_id)
        read.sessions.extend(command.session_id, session.now + SESSION_LIFE)
        person.change_password(PasswordOrigin.CHANGED)
        return {}

    return change_password
