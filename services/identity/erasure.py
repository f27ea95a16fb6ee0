"""Use cases: erasing a person, at his own wish or by staff.

What others hold of him follows from the published event. What stays, by law, has his id and
nothing that says who he was: the events of his payments, and who did what in the security log.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from services.identity.commands import Command
from services.identity.current_password import ConfirmedChange, confirm
from services.identity.domain import ErasureCause, Person, farewell_id
from services.identity.farewells import Farewell
from services.identity.registrations import Registration
from shared.errors import NotFound
from shared.eventstore import Session
from shared.letters import LETTER_LIFE

FAREWELL_LIFE = LETTER_LIFE
"""How long the address is kept for the last letter, if nobody asks for it."""
FAREWELL_TAKEN_LIFE = timedelta(minutes=1)
"""How long once the letter is being drawn: that may fail, and be repeated."""


FORGOTTEN_AT_ONCE = 100


class ErasePerson(Command, frozen=True, kw_only=True):
    """``reason`` is that of staff, for the security log."""

    person_id: UUID
    reason: str


class TakeFarewell(Command, frozen=True, kw_only=True):
    person_id: UUID


def erase_person(session: Session, command: ErasePerson) -> dict[str, Any]:
    """Erase a person; return {person_id, erased}. Who is erased already stays so.

    Raises NotFound ``person_not_found`` for somebody who never was.
    """
    session.read.credentials.lock(command.person_id)
    person = session.load(Person, command.person_id)
    erased = not person.erased
    if erased:
        _erase(session, person, ErasureCause.STAFF, command.reason)
    return {"person_id": str(person.id), "erased": erased}


def is_erased(session: Session, person_id: UUID) -> bool:
    """Return whether a person is erased. Raises NotFound ``person_not_found`` for nobody."""
    person = session.load(Person, person_id)
    if not person.erased:
        person.must_exist()
    return person.erased


def withdraw_consent(session: Session, command: ConfirmedChange) -> dict[str, Any]:
    """Erase the person. Withdrawing the consent is erasure: without it nothing may be kept.

    Returns {person_id, erased}. Raises what `confirm` raises, and NotFound ``person_not_found``.
    """
    session.read.credentials.lock(command.person_id)
    person = session.load(Person, command.person_id)
    person.must_exist()
    confirm(session, command)
    _erase(session, person, ErasureCause.WITHDRAWN, "")
    return {"person_id": str(person.id), "erased": True}


def _erase(session: Session, person: Person, cause: ErasureCause, reason: str) -> None:
    """Delete the rows of a person, record that he is erased, and destroy his key.

    Open registrations of his address are abandoned: each holds the address under a key of its own.
    """
    person.must_exist()
    read, email = session.read, session.vault.reveal(person.id, person.email, "email")
    # Without the key he was erased before, and the log was put back since: he got his letter.
    if email is not None:
        # The last letter needs the address once more: under a key of its own, until it is drawn.
        sealed = session.vault.seal(farewell_id(person.id), email, "email")
        farewell = Farewell(email=sealed, language=person.language.value)
        read.farewells.keep(person.id, farewell, session.now + FAREWELL_LIFE)
    credential = read.credentials.of_person(person.id)
    email_index = None if credential is None else credential.email_index
    if email_index is not None:
        abandon_registrations(session, read.codes.of_email(email_index, "registration"))
    read.person_rows.delete(person.id, email_index)
    session.security.note("erased", person_id=person.id, about=cause.value, reason=reason)
    person.erase(cause)
    session.vault.destroy(person.id)


def abandon_registrations(session: Session, registration_ids: Sequence[UUID]) -> None:
    """Abandon open registrations, and destroy the keys under which their data is sealed."""
    codes = session.read.codes
    # A code that is already gone belongs to a registration that was confirmed just now.
    for registration_id in [owner_id for owner_id in registration_ids if codes.drop(owner_id)]:
        registration = session.load(Registration, registration_id)
        registration.abandon()
        session.vault.destroy(registration.person_id)


def take_farewell(session: Session, command: TakeFarewell) -> dict[str, Any]:
    """Return {email, language} for the last letter, soon for the last time.

    Raises NotFound ``person_not_found``.
    """
    person_id = command.person_id
    kept = session.read.farewells.take(person_id, session.now + FAREWELL_TAKEN_LIFE)
    email = kept and session.vault.reveal(farewell_id(person_id), kept.email, "email")
    if not email:
        raise NotFound("person_not_found", "There is no such person.")
    return {"email": email, "language": kept.language}


def forget_farewells(session: Session, _: None) -> int:
    """Delete addresses of last letters that have been written; return how many there were."""
    forgotten: list[UUID] = session.read.farewells.expire(session.now, FORGOTTEN_AT_ONCE)
    for person_id in forgotten:
        session.vault.destroy(farewell_id(person_id))
    return len(forgotten)
