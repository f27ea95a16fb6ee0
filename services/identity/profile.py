"""Use cases: the settings of a person."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import msgspec

from services.identity.commands import Command
from services.identity.contact_details import parse_phone
from services.identity.domain import Person
from services.identity.names import parse_full_name
from services.identity.personal_data import reveal
from shared.contracts.identity import Language
from shared.errors import NotFound
from shared.eventstore import Session


class UpdateProfile(Command, frozen=True, kw_only=True):
    """None leaves a value as it is, the empty text clears it."""

    person_id: UUID
    full_name: str | None
    phone: str | None


class ChooseLanguage(Command, frozen=True, kw_only=True):
    person_id: UUID
    language: Language


def update_profile(session: Session, command: UpdateProfile) -> dict[str, Any]:
    """Save full name and phone; unchanged values make no event.

    Raises ValidationFailed ``full_name_invalid`` or ``phone_invalid``, NotFound
    ``person_not_found``.
    """
    person = session.load(Person, command.person_id)
    person.must_exist()

    def sealed_change(field: str, entered: str | None, stored: str) -> str | None:
        known = reveal(session, person.id, stored, field) if stored else ""
        if entered is None or entered == known:
            return None
        return session.vault.seal(person.id, entered, field) if entered else ""

    full_name = _parsed(command.full_name, parse_full_name)
    phone = _parsed(command.phone, parse_phone)
    person.change_profile(
        sealed_change("full_name", full_name, person.full_name),
        sealed_change("phone", phone, person.phone),
    )
    return {}


def _parsed(text: str | None, parse: Callable[[str], str]) -> str | None:
    return parse(text) if text and text.strip() else text and ""


def choose_language(session: Session, command: ChooseLanguage) -> dict[str, Any]:
    """Choose the language of the letters; return {language}. Raises NotFound `person_not_found`."""
    session.load(Person, command.person_id).choose_language(command.language)
    return {"language": command.language.value}


def contact_of(session: Session, person: Person) -> dict[str, Any]:
    """Return {email, language} for a letter. Raises NotFound ``person_not_found``."""
    return {
        "email": reveal(session, person.id, person.email, "email"),
        "language": person.language.value,
    }


def language_of_address(session: Session, email_index: bytes) -> dict[str, Any]:
    """Return {language} of the person of an address; None where nobody has it."""
    owner = session.read.credentials.of_email(email_index)
    if owner is None:
        return {"language": None}
    return {"language": session.load(Person, owner.person_id).language.value}


def contacts(session: Session, person_ids: Sequence[UUID]) -> dict[str, Any]:
    """Return {contacts: {person_id: {email, language}}}, without those who are erased."""
    session.vault.fetch_keys(person_ids)
    return {
        "contacts": {
            str(row.person_id): {"email": email, "language": row.language}
            for row in session.read.persons_of(person_ids)
            if (email := session.vault.reveal(row.person_id, row.email, "email")) is not None
        }
    }


def profile(session: Session, person_id: UUID) -> dict[str, Any]:
    """Return a person in clear.

    That is {person_id, person_type, email, language, organisation|None, full_name|None,
    phone|None}. Raises NotFound ``person_not_found``.
    """
    row = session.read.person(person_id)
    if row is None:
        raise NotFound("person_not_found", "There is no such person.")

    def opened(field: str, sealed: str | None) -> str | None:
        return reveal(session, person_id, sealed, field) if sealed else None

    organisation = opened("organisation", row.organisation)
    return {
        "person_id": str(person_id),
        "person_type": str(row.person_type),
        "email": opened("email", row.email),
        "language": row.language,
        "organisation": organisation and msgspec.json.decode(organisation),
        "full_name": opened("full_name", row.full_name),
        "phone": opened("phone", row.phone),
    }
