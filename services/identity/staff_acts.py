"""What staff do for a person who cannot get in; each act is in the security log, with its reason.

A dry run runs the same checks in a transaction that cannot write, and stops where writing begins.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from services.identity import email_change
from services.identity.commands import Command
from services.identity.domain import Person
from services.identity.eviction import leave_only
from services.identity.limits import SIGN_IN_LETTERS
from services.identity.recovery import start_recovery
from services.identity.registrations import Registration
from shared.errors import Conflict, NotFound
from shared.eventstore import Session


class ActOnPerson(Command, frozen=True, kw_only=True):
    """Whom it concerns, and why; ``dry_run``: only check."""

    person_id: UUID
    reason: str
    dry_run: bool


class RestoreAccess(ActOnPerson, frozen=True, kw_only=True):
    """``email`` is an address that the person can read."""

    email: str
    email_index: bytes


class ResendRegistrationCode(Command, frozen=True, kw_only=True):
    email_index: bytes
    reason: str
    dry_run: bool


def unblock(session: Session, command: ActOnPerson) -> dict[str, Any]:
    """End all delays of a person's attempts; return {person_id}.

    Raises NotFound ``person_not_found``.
    """
    person = _person(session, command.person_id)
    credential = session.read.credentials.of_person(person.id)
    if credential is not None and not command.dry_run:
        session.read.attempts.clear_of(credential.email_index)
        session.read.attempts.clear(SIGN_IN_LETTERS, person.id.bytes)
        session.security.note("unblocked", person_id=person.id, reason=command.reason)
    return {"person_id": str(person.id)}


def end_sessions(session: Session, command: ActOnPerson) -> dict[str, Any]:
    """End all sessions of a person, to whom every place is strange then; return {person_id}.

    Raises NotFound ``person_not_found``.
    """
    person = _person(session, command.person_id)
    if not command.dry_run:
        session.read.credentials.lock(person.id)
        leave_only(session, person.id, None)
        session.security.note("sessions_ended", person_id=person.id, reason=command.reason)
    return {"person_id": str(person.id)}


def resend(session: Session, command: ActOnPerson) -> dict[str, Any]:
    """Have a person's letter written again; return {person_id, letter}.

    ``letter`` is ``temporary_password`` for somebody who has chosen no password yet, else
    ``recovery_link``. What an earlier letter holds is void when the new one is written. Raises
    NotFound ``person_not_found``.
    """
    person = _person(session, command.person_id)
    letter = "recovery_link" if person.has_own_password else "temporary_password"
    if not command.dry_run:
        if person.has_own_password:
            start_recovery(session, person.id)
        else:
            person.request_temporary_password()
        session.security.note(
            "letter_resent", person_id=person.id, about=letter, reason=command.reason
        )
    return {"person_id": str(person.id), "letter": letter}


def restore_access(session: Session, command: RestoreAccess) -> dict[str, Any]:
    """Start giving a person another address; return {person_id, due_at}.

    The old mailbox is told at once, and can refuse until then. Raises NotFound
    ``person_not_found``, Conflict ``email_taken``.
    """
    person = _person(session, command.person_id)
    if session.read.credentials.of_email(command.email_index) is not None:
        raise Conflict("email_taken", "This address has a cabinet of its own; choose another.")
    if command.dry_run:
        return {"person_id": str(person.id), "due_at": None}
    started = email_change.restore_access(
        session,
        email_change.RestoreAccess(
            person_id=person.id,
            email=command.email,
            email_index=command.email_index,
            reason=command.reason,
        ),
    )
    session.security.note("access_restored", person_id=person.id, reason=command.reason)
    return {"person_id": str(person.id), "due_at": started["due_at"]}


def resend_registration_code(session: Session, command: ResendRegistrationCode) -> dict[str, Any]:
    """Have the code of an unconfirmed registration sent again; return {person_id, letter}.

    Raises NotFound ``registration_not_found`` for an address that nobody registers.
    """
    registration_id = session.read.codes.newest_of(command.email_index, "registration")
    if registration_id is None:
        raise NotFound("registration_not_found", "There is no such registration; start one.")
    registration = session.load(Registration, registration_id)
    registration.must_be_open()
    if not command.dry_run:
        registration.request_code()
        session.security.note(
            "letter_resent",
            person_id=registration.person_id,
            about="registration_code",
            reason=command.reason,
        )
    return {"person_id": str(registration.person_id), "letter": "registration_code"}


def _person(session: Session, person_id: UUID) -> Person:
    person = session.load(Person, person_id)
    person.must_exist()
    return person
