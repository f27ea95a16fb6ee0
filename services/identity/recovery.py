"""Use cases: recovering a lost password, the same for known and unknown addresses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from services.identity.commands import Command
from services.identity.domain import PasswordOrigin, PasswordReset, Person
from services.identity.limits import LETTERS_OF_NETWORK, RESET_LETTERS, SIGN_IN_OF_EMAIL
from services.identity.password_policy import check_password
from services.identity.personal_data import reveal
from services.identity.rate_limits import enforce_limit
from services.identity.refusals import refusal
from services.identity.verification_codes import IssueCode, issue_code, open_code, try_code
from shared.errors import Conflict, NotFound
from shared.eventstore import Session
from shared.ids import new_id


class RequestPasswordReset(Command, frozen=True, kw_only=True):
    email_index: bytes
    network_index: bytes


class ConfirmPasswordReset(Command, frozen=True, kw_only=True):
    reset_id: UUID
    digest: bytes
    new_password: str


def request_password_reset(session: Session, command: RequestPasswordReset) -> dict[str, Any]:
    """Start a recovery; return {reset_id}. An unknown address causes the same writes.

    Raises Forbidden ``too_many_attempts``.
    """
    enforce_limit(session, LETTERS_OF_NETWORK, command.network_index)
    enforce_limit(session, RESET_LETTERS, command.email_index)
    credential = session.read.credentials.of_email(command.email_index)
    reset = session.load(PasswordReset, new_id())
    open_code(session, reset.id, "password_reset", command.email_index)
    reset.request(None if credential is None else credential.person_id)
    return {"reset_id": str(reset.id)}


def start_recovery(session: Session, person_id: UUID) -> None:
    """Start a recovery of a known person, whom nobody else can keep from it."""
    credential = session.read.credentials.of_person(person_id)
    if credential is None:
        raise NotFound("person_not_found", "There is no such person.")
    reset = session.load(PasswordReset, new_id())
    open_code(session, reset.id, "password_reset", credential.email_index)
    reset.request(person_id)


def issue_reset_code(session: Session, command: IssueCode) -> dict[str, Any]:
    """Store a fresh code for the letter being written; return {email}.

    Raises NotFound ``password_reset_not_found`` or ``person_not_found``, Conflict
    ``password_reset_completed`` or ``password_reset_expired``.
    """
    code = session.read.codes.lock(command.owner_id)
    reset = session.load(PasswordReset, command.owner_id)
    reset.must_be_open()
    if code is None:
        raise Conflict("password_reset_expired", "This recovery is too old for another letter.")
    person = _person_of(session, reset)
    issue_code(session, reset.id, command.digest)
    return {"email": reveal(session, person.id, person.email, "email")}


def _person_of(session: Session, reset: PasswordReset) -> Person:
    if reset.person_id is None:
        raise NotFound("person_not_found", "Nobody is known by that address: no letter is sent.")
    person = session.load(Person, reset.person_id)
    person.must_exist()
    return person


def password_resetter(
    new_hash: str,
) -> Callable[[Session, ConfirmPasswordReset], dict[str, Any]]:
    """Return the use case that completes a recovery, given the hash of the new password.

    The hash is not part of the command: a repeated command has one with another salt.
    """

    def confirm_password_reset(session: Session, command: ConfirmPasswordReset) -> dict[str, Any]:
        """Set a new password by a code; return {} or a refusal as `confirm_registration` does.

        All sessions of the person end, and sign-in by the address is unlocked. Raises
        ValidationFailed ``password_...``, NotFound ``password_reset_not_found``, Conflict
        ``password_reset_completed``.
        """
        # What depends on the address is checked only after the code: earlier, the refusal would
        # reveal whether the address is known.
        check_password(command.new_password)
        read = session.read
        code = read.codes.lock(command.reset_id)
        reset = session.load(PasswordReset, command.reset_id)
        reset.must_be_open()
        if code is None:
            return refusal("code_expired")
        wrong = try_code(session, code, command.digest)
        if wrong is not None:
            return wrong
        person = _person_of(session, reset)
        check_password(
            command.new_password, email=reveal(session, person.id, person.email, "email")
        )
        read.codes.drop(reset.id)
        read.credentials.lock(person.id)
        read.credentials.set_chosen(person.id, new_hash)
        read.sessions.end_all(person.id)
        read.attempts.clear(SIGN_IN_OF_EMAIL, code.email_index)
        person.change_password(PasswordOrigin.RESET)
        reset.complete()
        return {}

    return confirm_password_reset
