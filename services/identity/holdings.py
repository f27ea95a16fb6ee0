"""What identity holds about one person, for himself: every field in clear, and no secret."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from services.identity.commands import Command
from services.identity.domain import DocumentsAccepted, PersonRegistered
from services.identity.factor_overview import overview
from services.identity.limits import SESSION_IDLE_LIFE
from services.identity.profile import profile
from shared.eventstore import Recorded, Session

MOST_ENTRIES = 10_000
"""Entries of the security log."""


class Export(Command, frozen=True, kw_only=True):
    """Staff have a person's data handed out to him."""

    person_id: UUID
    reason: str


def export(session: Session, command: Export) -> dict[str, Any]:
    """Return what `held_about` does, and note in the security log who asked, and why."""
    held = held_about(session, command.person_id)
    session.security.note("exported", person_id=command.person_id, reason=command.reason)
    return held


def held_about(session: Session, person_id: UUID) -> dict[str, Any]:
    """Return {profile, entered, acceptances, sessions, devices, networks, second_factors, ...}.

    ``entered`` is each address, name and phone that was ever given, as the events have them.

    Raises NotFound ``person_not_found``, for somebody erased as well: nothing of him opens.
    """
    found = profile(session, person_id)
    history = session.history(person_id)
    live = session.read.sessions.of_person(person_id, session.now, SESSION_IDLE_LIFE)
    return {
        "profile": {name: value for name, value in found.items() if name != "person_id"},
        "entered": list(_entered(session, person_id, history)),
        "acceptances": list(_acceptances(session, person_id, history)),
        "sessions": [
            {
                "device": entry.device,
                "created_at": entry.created_at.isoformat(),
                "last_seen_at": entry.last_seen_at.isoformat(),
                "expires_at": entry.expires_at.isoformat(),
            }
            for entry in live
        ],
        "devices": [
            {
                "name": row["name"],
                "first_seen_at": row["first_seen_at"].isoformat(),
                "last_seen_at": row["last_seen_at"].isoformat(),
            }
            for row in session.read.devices.of_person(person_id)
        ],
        "networks": [
            {"last_seen_at": at.isoformat()} for at in session.read.networks.seen(person_id)
        ],
        "support_codes": [
            {"code": code, "at": at.isoformat()}
            for code, at in session.read.support_codes.of_person(person_id)
        ],
        "second_factors": overview(session, person_id),
        "security_log": [
            {
                "at": entry.at.isoformat(),
                "by": entry.actor.partition(":")[0],
                "action": entry.action,
                "about": entry.about,
            }
            for entry in session.security.entries(limit=MOST_ENTRIES, person_id=person_id)
        ],
    }


def _entered(
    session: Session, person_id: UUID, history: Sequence[Recorded]
) -> Iterator[dict[str, Any]]:
    """Yield when which address, name and phone were given, in order."""
    for recorded in history:
        given = {
            field: session.vault.reveal(person_id, sealed, field)
            for field in ("email", "full_name", "phone")
            if (sealed := getattr(recorded.event, field, None))
        }
        if given:
            yield {"at": recorded.recorded_at.isoformat(), **given}


def _acceptances(
    session: Session, person_id: UUID, history: Sequence[Recorded]
) -> Iterator[dict[str, Any]]:
    """Yield when which documents were accepted, from which network address."""
    for recorded in history:
        event = recorded.event
        if isinstance(event, PersonRegistered):
            at, address = event.consented_at, event.consented_from
        elif isinstance(event, DocumentsAccepted):
            at, address = event.accepted_at, event.accepted_from
        else:
            continue
        yield {
            "rules_version": event.rules_version,
            "consent_version": event.consent_version,
            "accepted_at": at.isoformat(),
            "network_address": session.vault.reveal(person_id, address, "address"),
        }
