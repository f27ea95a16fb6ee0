"""Use cases: the settings of a person."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import msgspec

from services.identity.commands import Command
from services.identity.contact_details import parse_phone
from services.identity.domain import Person
from services.identity.names import parse_full_name
from services.identity.personal_data import reveal
from shared.errors import NotFound
from shared.eventstore import Session


class UpdateProfile(Command, frozen=True, kw_only=True):
    """None leaves a value as it is, the empty text clears it."""

    person_id: UUID
    full_name: str | None
    phone: str | None


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


def profile(session: Session, person_id: UUID) -> dict[str, Any]:
    """Return {person_id, person_type, email, organisation|None, full_name|None, phone|None}.

    Raises NotFound ``person_not_found``.
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
        "organisation": organisation and msgspec.json.decode(organisation),
        "full_name": opened("full_name", row.full_name),
        "phone": opened("phone", row.phone),
    }
