"""The use case of a person who changes the password within a session."""

from __future__ import annotations

from typing import Any, ClassVar

from services.identity.current_password import ConfirmedChange, confirm
from services.identity.domain import PasswordOrigin, Person
from services.identity.eviction import leave_only
from services.identity.limits import SESSION_LIFE
from services.identity.new_passwords import check_new_password
from shared.eventstore import Session


class ChangePassword(ConfirmedChange, frozen=True, kw_only=True):
    """``token_digest`` is of the token that the session gets, the same when a command is repeated.

    The hash is not compared: a repeated command has one with another salt.
    """

    not_compared: ClassVar[frozenset[str]] = ConfirmedChange.not_compared | {"new_hash"}

    current_password: str
    new_password: str
    fingerprint: bytes
    new_hash: str
    token_digest: bytes


def change_password(session: Session, command: ChangePassword) -> dict[str, Any]:
    """Replace the current password, end all other sessions, and give this one a new token.

    Returns {expires_at}. Raises what `confirm` raises, ValidationFailed ``password_...`` (see
    `check_password`), NotFound ``person_not_found``.
    """
    read = session.read
    read.credentials.lock(command.person_id)
    person = session.load(Person, command.person_id)
    person.must_exist()
    check_new_password(
        session,
        person,
        command.new_password,
        fingerprint=command.fingerprint,
        previous=command.current_password,
    )
    confirm(session, command)
    read.credentials.set_chosen(person.id, command.new_hash)
    leave_only(session, person.id, command.session_id)
    read.password_resets.drop_of(person.id)
    read.sign_in_links.drop_all(person.id)
    expires_at = session.now + SESSION_LIFE
    read.sessions.extend(command.session_id, expires_at)
    read.sessions.renew_token(command.session_id, command.token_digest)
    person.change_password(PasswordOrigin.CHANGED)
    session.security.note("password_changed", person_id=person.id)
    return {"expires_at": expires_at.isoformat()}
