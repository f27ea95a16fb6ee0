"""The check of a new password against what is known of the person, in every way to set one."""

from __future__ import annotations

import hmac

import msgspec

from services.identity.domain import Person
from services.identity.organisation_details import Organisation
from services.identity.password_policy import check_password
from services.identity.personal_data import reveal
from shared.eventstore import Session


def check_new_password(
    session: Session,
    person: Person,
    password: str,
    *,
    fingerprint: bytes,
    previous: str | None = None,
) -> None:
    """Raise what `check_password` raises; ``fingerprint`` is `Fingerprints.password` of it."""
    sent = session.read.credentials.sent_password(person.id)
    check_password(
        password,
        email=reveal(session, person.id, person.email, "email"),
        names=_names(session, person),
        previous=previous,
        is_temporary=sent is not None and hmac.compare_digest(sent, fingerprint),
    )


def _names(session: Session, person: Person) -> list[str]:
    names = []
    if person.full_name:
        names.append(reveal(session, person.id, person.full_name, "full_name"))
    if person.organisation:
        text = reveal(session, person.id, person.organisation, "organisation")
        organisation = msgspec.json.decode(text, type=Organisation)
        names += [organisation.name, organisation.inn]
    return names
