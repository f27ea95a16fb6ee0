"""Use cases: registration, up to the temporary password.

`access` has signing in, `recovery` lost passwords, `profile` the settings.

A use case writes to its tables before it triggers an event. Appending to the log takes the log's
lock, and whoever holds that lock must not wait for a row of these tables.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar
from uuid import UUID

import msgspec

from services.identity.commands import Command
from services.identity.documents import Documents
from services.identity.domain import Person, PersonRegistered
from services.identity.limits import (
    TEMPORARY_PASSWORD_LIFE,
)
from services.identity.organisation_details import Organisation
from services.identity.personal_data import reveal
from services.identity.profile import contact_of
from services.identity.registrations import Registration, registration_expired
from services.identity.verification_codes import (
    IssueCode,
    count_letter,
    issue_code,
    open_code,
    try_code,
)
from shared.contracts.identity import Language, PersonType
from shared.errors import Conflict, ValidationFailed
from shared.eventstore import Session
from shared.ids import new_id


class StartRegistration(Command, frozen=True, kw_only=True):
    """``email`` is a parsed address; the indexes are the fingerprints of it and of the caller.

    A browser may name another language when it repeats the request.
    """

    not_compared: ClassVar[frozenset[str]] = Command.not_compared | {"language"}

    person_type: PersonType
    email: str
    organisation: Organisation | None
    language: Language
    email_index: bytes
    network_index: bytes


class ResendCode(Command, frozen=True, kw_only=True):
    registration_id: UUID
    network_index: bytes


class CorrectEmail(Command, frozen=True, kw_only=True):
    """``email`` is a parsed address."""

    registration_id: UUID
    email: str
    email_index: bytes
    network_index: bytes


class ConfirmRegistration(Command, frozen=True, kw_only=True):
    registration_id: UUID
    digest: bytes
    network_index: bytes
    accept_rules: bool
    consent_personal_data: bool
    rules_version: str | None
    consent_version: str | None
    ip: str


class IssueTemporaryPassword(Command, frozen=True, kw_only=True):
    """``fingerprint`` is kept to refuse the password as one's own."""

    person_id: UUID
    password_hash: str
    fingerprint: bytes


def start_registration(session: Session, command: StartRegistration) -> dict[str, Any]:
    """Start a registration; return {registration_id}.

    A known address is treated the same: only its owner learns of it, by letter.
    Raises Forbidden ``too_many_attempts``.
    """
    registration = session.load(Registration, new_id())
    open_code(session, registration.id, command.email_index, command.network_index)

    def sealed(field: str, text: str) -> str:
        return session.vault.seal(registration.person_id, text, field)

    organisation = command.organisation
    registration.start(
        command.person_type,
        sealed("email", command.email),
        None
        if organisation is None
        else sealed("organisation", msgspec.json.encode(organisation).decode()),
        command.language,
    )
    return {"registration_id": str(registration.id)}


def resend_code(session: Session, command: ResendCode) -> dict[str, Any]:
    """Request another letter, which voids the earlier code once it is written.

    Raises NotFound ``registration_not_found``, Conflict ``registration_confirmed`` or
    ``registration_expired``, Forbidden ``too_many_attempts``.
    """
    codes = session.read.codes
    code, registration = _locked(session, command.registration_id)
    long = count_letter(session, code.email_index, command.network_index)
    codes.set_long(command.registration_id, long=long)
    registration.request_code()
    return {}


def correct_email(session: Session, command: CorrectEmail) -> dict[str, Any]:
    """Correct the address before the code; another letter goes there, and the code sent is void.

    A known address is treated the same. Raises what `resend_code` raises.
    """
    codes = session.read.codes
    _, registration = _locked(session, command.registration_id)
    long = count_letter(session, command.email_index, command.network_index)
    codes.readdress(command.registration_id, command.email_index)
    codes.set_long(command.registration_id, long=long)
    registration.correct_email(session.vault.seal(registration.person_id, command.email, "email"))
    registration.request_code()
    return {}


def issue_registration_code(session: Session, command: IssueCode) -> dict[str, Any]:
    """Store a fresh code for the letter being written; return {kind, email, language, long}.

    For a registered address the kind is ``already_registered``, no code is stored, and the language
    is its owner's. Raises what `resend_code` raises, limits aside.
    """
    code, registration = _locked(session, command.owner_id)
    owner = session.read.credentials.of_email(code.email_index)
    fresh = command.long_digest if code.long else command.digest
    issue_code(session, command.owner_id, None if owner else fresh)
    addressee = registration if owner is None else session.load(Person, owner.person_id)
    return {
        "kind": "code" if owner is None else "already_registered",
        "email": reveal(session, registration.person_id, registration.email, "email"),
        "language": addressee.language.value,
        "long": code.long,
    }


def registration_confirmer(
    documents: Documents,
) -> Callable[[Session, ConfirmRegistration], dict[str, Any]]:
    """Return the use case that confirms a registration, given the documents."""

    def confirm_registration(session: Session, command: ConfirmRegistration) -> dict[str, Any]:
        """Register the person; return {status: "confirmed"} or a counted refusal.

        Refusals: ``wrong_code`` (``attempts_left``), ``code_expired``, ``code_attempts_used_up``,
        ``registration_attempts_used_up``.
        Raises ValidationFailed ``rules_not_accepted`` or ``consent_not_given``, Conflict
        ``documents_changed``, NotFound and Conflict as `resend_code` does, Conflict
        ``already_registered``.
        """
        _check_consents(command)
        seen = {"rules": command.rules_version, "consent": command.consent_version}
        documents.must_be_in_force(seen, session.today)
        read = session.read
        code, registration = _locked(session, command.registration_id)
        wrong = try_code(session, code, command.digest, command.network_index)
        if wrong is not None:
            return wrong
        if not read.credentials.claim(registration.person_id, code.email_index):
            raise Conflict(
                "already_registered",
                "This e-mail address is registered already; sign in or recover the password.",
            )
        read.codes.drop(command.registration_id)
        registration.confirm()
        _register(session, registration, documents, command.ip)
        return {"status": "confirmed"}

    return confirm_registration


def _locked(session: Session, registration_id: UUID) -> tuple[Any, Registration]:
    """Return the locked code of an open registration, and the registration.

    Raises NotFound ``registration_not_found``, Conflict ``registration_confirmed`` or
    ``registration_expired``, the latter also when the code alone is gone.
    """
    code = session.read.codes.lock(registration_id)
    registration = session.load(Registration, registration_id)
    registration.must_be_open()
    if code is None:
        raise registration_expired()
    return code, registration


def _check_consents(command: ConfirmRegistration) -> None:
    if not command.accept_rules:
        raise ValidationFailed(
            "rules_not_accepted", "Read the rules of access and tick that you accept them."
        )
    if not command.consent_personal_data:
        raise ValidationFailed(
            "consent_not_given",
            "Tick the consent to personal-data processing; without it there is no cabinet.",
        )


def _register(session: Session, registration: Registration, documents: Documents, ip: str) -> None:
    session.load(Person, registration.person_id).register(
        PersonRegistered(
            registration_id=registration.id,
            person_type=registration.person_type,
            email=registration.email,
            organisation=registration.organisation,
            rules_version=documents.in_force("rules", session.today),
            consent_version=documents.in_force("consent", session.today),
            consented_at=session.now,
            consented_from=session.vault.seal(registration.person_id, ip, "address"),
            language=registration.language,
        )
    )


def issue_temporary_password(session: Session, command: IssueTemporaryPassword) -> dict[str, Any]:
    """Store the password for the first sign-in, for the letter being written.

    Returns {email, language}. An earlier one is void, and the sessions opened with it end.

    Raises NotFound ``person_not_found``, Conflict ``password_already_chosen``.
    """
    read = session.read
    read.credentials.lock(command.person_id)
    person = session.load(Person, command.person_id)
    expires_at = session.now + TEMPORARY_PASSWORD_LIFE
    person.issue_temporary_password(expires_at)
    read.credentials.set_temporary(
        person.id, command.password_hash, command.fingerprint, expires_at
    )
    read.sessions.end_all(person.id)
    return contact_of(session, person)
