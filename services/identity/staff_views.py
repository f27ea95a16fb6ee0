"""What staff and other persons see of a person; who saw it is in the security log.

A support code, an account, a payment or a question leads to a person's id; what is found is masked.
Only `show_person` has all in clear, for a reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

import msgspec

from services.identity.commands import Command
from services.identity.limits import SESSION_IDLE_LIFE, SUPPORT_CODES_OF_PERSON
from services.identity.masks import mask_email, mask_name
from services.identity.profile import profile
from shared.context import ANONYMOUS
from shared.errors import NotFound
from shared.eventstore import Session
from shared.eventstore.security_log import SecurityEntry

FOUND, MISSED, SHOWN = "person_found", "person_missed", "person_shown"
"""Actions of the security log: a person was found, masked; nobody was; all of one was shown."""

SIGNING_IN = ("signed_in", "signed_in_from_new_device", "recovery_code_used")
"""Actions of whoever has just shown who he is."""


class NoteSupportCode(Command, frozen=True, kw_only=True):
    code: str
    person_id: UUID


class FindPersons(Command, frozen=True, kw_only=True):
    """By one of them: an index of the address, a support code, ids that another service found."""

    email_index: bytes | None
    support_code: str | None
    person_ids: Sequence[UUID]


class ShowPerson(Command, frozen=True, kw_only=True):
    person_id: UUID
    reason: str


def note_support_code(session: Session, command: NoteSupportCode) -> None:
    """Keep who met an error page."""
    session.read.support_codes.note(
        command.code, command.person_id, session.now, SUPPORT_CODES_OF_PERSON
    )


def find_persons(session: Session, command: FindPersons) -> dict[str, Any]:
    """Return {persons: [...]}, masked, in the order in which they were found.

    Whoever is erased is found by his id alone. Each one found is in the security log, and that
    nobody was: whoever tries addresses learns from both.
    """
    found = [
        described
        for person_id in dict.fromkeys(_ids(session, command))
        if (described := _described(session, person_id)) is not None
    ]
    how = f"support-code:{command.support_code}" if command.support_code else ""
    if not found:
        session.security.note(MISSED, about="email" if command.email_index else how)
    for person in found:
        session.security.note(
            FOUND,
            person_id=UUID(person["person_id"]),
            about="email" if command.email_index else how,
        )
    return {"persons": found}


def _ids(session: Session, command: FindPersons) -> Iterator[UUID]:
    if command.email_index is not None:
        credential = session.read.credentials.of_email(command.email_index)
        if credential is not None:
            yield credential.person_id
    if command.support_code is not None:
        yield from session.read.support_codes.persons_of(command.support_code)
    yield from command.person_ids


def _described(session: Session, person_id: UUID) -> dict[str, Any] | None:
    state = session.read.state_of(person_id)
    if state is None:
        return None
    described = {
        "person_id": str(person_id),
        "person_type": state.person_type,
        "registered_at": state.registered_at.isoformat(),
        "password": password_state(session, person_id, erased=state.erased),
        "email": None,
        "name": None,
    }
    row = session.read.person(person_id)
    return described if row is None else {**described, **masked(session, row)}


def masked(session: Session, row: Any) -> dict[str, str | None]:
    """Return {name, email} as others may see them; the name of an organisation is no secret."""

    def opened(field: str, sealed: str | None) -> str:
        return session.vault.reveal(row.person_id, sealed, field) or "" if sealed else ""

    email = opened("email", row.email)
    organisation = opened("organisation", row.organisation)
    if organisation:
        name = str(msgspec.json.decode(organisation)["name"])
    else:
        name = mask_name(opened("full_name", row.full_name))
    return {"name": name or None, "email": mask_email(email) if email else None}


def password_state(session: Session, person_id: UUID, *, erased: bool) -> str:
    """Return how a person can sign in.

    ``own``; ``temporary`` or ``temporary_expired``; ``none`` before the first letter is written;
    ``erased``.
    """
    credential = session.read.credentials.of_person(person_id)
    if erased or credential is None:
        return "erased"
    if credential.password_hash is None:
        return "none"
    if not credential.temporary:
        return "own"
    expired = credential.expires_at is not None and credential.expires_at <= session.now
    return "temporary_expired" if expired else "temporary"


def names(session: Session, person_ids: Sequence[UUID]) -> dict[str, Any]:
    """Return {names: {person_id: {name, email}}}, masked, without those who are erased."""
    session.vault.fetch_keys(person_ids)
    rows = session.read.persons_of(person_ids)
    return {"names": {str(row.person_id): masked(session, row) for row in rows}}


def show_person(session: Session, command: ShowPerson) -> dict[str, Any]:
    """Return all that staff may know of a person, in clear; the security log has who asked and why.

    Raises NotFound ``person_not_found``.
    """
    person_id = command.person_id
    known, state = profile(session, person_id), session.read.state_of(person_id)
    if state is None:
        raise NotFound("person_not_found", "There is no such person.")
    session.security.note(SHOWN, person_id=person_id, reason=command.reason)
    live = session.read.sessions.of_person(person_id, session.now, SESSION_IDLE_LIFE)
    return {
        **known,
        "registered_at": state.registered_at.isoformat(),
        "rules_version": state.rules_version,
        "consent_version": state.consent_version,
        "password": password_state(session, person_id, erased=False),
        "sessions": [
            {
                "device": one.device,
                "created_at": one.created_at.isoformat(),
                "last_seen_at": one.last_seen_at.isoformat(),
            }
            for one in live
        ],
    }


def own_security_log(session: Session, person_id: UUID, limit: int) -> dict[str, Any]:
    """Return {entries: [{at, action, about, by}]} of what happened to a person's own access.

    ``by`` is ``you``, ``staff``, ``service``, or ``anonymous`` for whoever followed a link:
    which clerk it was is not for the person.
    """
    found = session.security.entries(person_id=person_id, limit=limit)
    return {
        "entries": [
            {
                "at": entry.at.isoformat(),
                "action": entry.action,
                "about": entry.about,
                "by": _by(entry),
            }
            for entry in found
            if entry.action != FOUND
        ]
    }


def _by(entry: SecurityEntry) -> str:
    if entry.actor.startswith("staff:"):
        return "staff"
    if entry.actor.startswith("service:"):
        return "service"
    # Whoever signs in is nobody yet when he does, and has shown who he is.
    nobody = entry.actor == ANONYMOUS and entry.action not in SIGNING_IN
    return "anonymous" if nobody else "you"
