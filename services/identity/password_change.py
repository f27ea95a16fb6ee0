"""The use case of a person who changes the password within a session."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple
from uuid import UUID

from services.identity.commands import Command
from services.identity.current_password import clear_attempts
from services.identity.domain import PasswordOrigin, Person
from services.identity.eviction import leave_only
from services.identity.limits import SESSION_IDLE_LIFE, SESSION_LIFE
from services.identity.new_passwords import check_new_password
from services.identity.refusals import refusal, refused
from shared.eventstore import Session


class VerifiedPassword(NamedTuple):
    """The result of verifying: the stored hash, whether it matches, the new password's hash, and
    the digest of the token that the session gets.
    """

    stored_hash: str | None
    matches: bool
    new_hash: str
    token_digest: bytes


class ChangePassword(Command, frozen=True, kw_only=True):
    person_id: UUID
    session_id: UUID
    current_password: str
    new_password: str
    fingerprint: bytes


class RenewToken(Command, frozen=True, kw_only=True):
    session_id: UUID
    token_digest: bytes


def password_changer(
    verified: VerifiedPassword,
) -> Callable[[Session, ChangePassword], dict[str, Any]]:
    """Return the use case that changes a password, given the result of verifying it.

    The result is not part of the command: a repeated command has a hash with another salt.
    """

    def change_password(session: Session, command: ChangePassword) -> dict[str, Any]:
        """Replace the current password, end all other sessions, and give this one a new token.

        Returns {expires_at}, or the refusal ``wrong_current_password``, which has been counted.
        Raises ValidationFailed ``password_...`` (see `check_password`), NotFound
        ``person_not_found``, Forbidden ``session_expired``.
        """
        read = session.read
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
        clear_attempts(session, command.session_id)
        read.credentials.set_chosen(person.id, verified.new_hash)
        leave_only(session, person.id, command.session_id)
        read.password_resets.drop_of(person.id)
        read.sign_in_links.drop_all(person.id)
        expires_at = session.now + SESSION_LIFE
        read.sessions.extend(command.session_id, expires_at)
        read.sessions.renew_token(command.session_id, verified.token_digest)
        person.change_password(PasswordOrigin.CHANGED)
        session.security.note("password_changed", person_id=person.id)
        return {"expires_at": expires_at.isoformat()}

    return change_password


def renew_token(session: Session, command: RenewToken) -> None:
    """Give a session a token once more: the answer with the one it has was lost."""
    session.read.sessions.renew_token(command.session_id, command.token_digest)
