"""Use cases of sessions: opened by every way to sign in, listed, ended."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from services.identity.commands import Command
from services.identity.domain import Person
from services.identity.eviction import leave_only
from services.identity.limits import (
    SEEN_RESOLUTION,
    SESSION_IDLE_LIFE,
    SESSION_LIFE,
    SESSIONS_PER_PERSON,
    TEMPORARY_SESSION_LIFE,
)
from services.identity.places import Place
from services.identity.refusals import refused
from services.identity.sessions import SignedIn
from shared.errors import NotFound, ServiceError
from shared.eventstore import Session
from shared.ids import new_id


class MarkSeen(Command, frozen=True, kw_only=True):
    session_id: UUID


class EndSession(Command, frozen=True, kw_only=True):
    """``by_session_id`` is the session in which it was asked for."""

    person_id: UUID
    session_id: UUID
    by_session_id: UUID


class EndOtherSessions(Command, frozen=True, kw_only=True):
    """``session_id`` is the one that stays."""

    person_id: UUID
    session_id: UUID


def open_session(
    session: Session, person_id: UUID, token_digest: bytes, place: Place, how: str
) -> dict[str, Any]:
    """Open a session: what every way to sign in ends with, once all its checks are done.

    Returns {session_id, person_id, must_change_password, expires_at, accepted, device_kept}.
    ``accepted`` has the versions of the documents that the person has accepted; ``device_kept`` is
    false if the device gets the fresh token of its place. From now on the place is known. A session
    of a temporary password ends the earlier ones. Raises NotFound ``person_not_found``.
    """
    read, now = session.read, session.now
    credential = read.credentials.lock(person_id)
    if credential is None:
        raise NotFound("person_not_found", "There is no such person.")
    temporary = credential.temporary
    if temporary:
        read.sessions.end_all(person_id)
    else:
        _end_surplus(session, person_id)
    session_id = new_id()
    expires_at = now + (TEMPORARY_SESSION_LIFE if temporary else SESSION_LIFE)
    is_new = not read.devices.is_known(person_id, place.device_digest, now)
    first = temporary and not read.devices.any_of(person_id)
    kept = read.devices.is_issued(place.device_digest, now)
    device_digest = place.device_digest if kept else place.fresh_digest
    read.sessions.open(
        session_id,
        person_id,
        token_digest,
        device=place.device,
        device_digest=device_digest,
        network_index=place.network_index,
        how=how,
        now=now,
        expires_at=expires_at,
        second_step_at=now if _has_second_step(how) else None,
    )
    read.devices.keep(person_id, device_digest, place.device, session_id, now)
    read.networks.keep(person_id, place.network_index, now)
    opened = {
        "session_id": str(session_id),
        "person_id": str(person_id),
        "must_change_password": temporary,
        "expires_at": expires_at.isoformat(),
        "accepted": _accepted(read.sessions.of_token(token_digest, now, SESSION_IDLE_LIFE)),
        "device_kept": kept,
    }
    strange = is_new and not first
    if strange:
        session.load(Person, person_id).sign_in_from_new_device(session_id)
    action = "signed_in_from_new_device" if strange else "signed_in"
    session.security.note(action, person_id=person_id, about=how)
    return opened


def _has_second_step(how: str) -> bool:
    """Return whether a way to sign in was two factors: a passkey verifies its user."""
    return how == "passkey" or "+" in how


def _accepted(found: SignedIn) -> dict[str, str]:
    return {"rules": found.rules_version, "consent": found.consent_version}


def _end_surplus(session: Session, person_id: UUID) -> None:
    sessions = session.read.sessions
    live = sessions.of_person(person_id, session.now, SESSION_IDLE_LIFE)
    for surplus in live[SESSIONS_PER_PERSON - 1 :]:
        sessions.end(person_id, surplus.session_id)


def authenticate(
    session: Session, token_digest: bytes, second_factor: Collection[str] = ()
) -> dict[str, Any]:
    """Return {session_id, person_id, must_change_password, must_add_factor, accepted, stale}.

    MarkSeen is due if stale. ``accepted`` is as in `open_session`; ``second_factor`` are the types
    of person who need one.
    Raises Forbidden ``session_expired``.
    """
    found = session.read.sessions.of_token(token_digest, session.now, SESSION_IDLE_LIFE)
    if found is None:
        raise refused("session_expired")
    return _authenticated(session, found, _without_factor(session, [found], second_factor))


def authenticate_many(
    session: Session, token_digests: Sequence[bytes], second_factor: Collection[str] = ()
) -> list[dict[str, Any] | ServiceError]:
    """Return what `authenticate` does for each of many tokens, or the refusal."""
    found = session.read.sessions.of_tokens(token_digests, session.now, SESSION_IDLE_LIFE)
    without = _without_factor(session, found.values(), second_factor)
    return [
        _authenticated(session, found[digest], without)
        if digest in found
        else refused("session_expired")
        for digest in token_digests
    ]


def _without_factor(
    session: Session, found: Collection[SignedIn], second_factor: Collection[str]
) -> set[UUID]:
    """Return who of those signed in needs a second factor and has none."""
    needing = {one.person_id for one in found if one.person_type in second_factor}
    owners: set[UUID] = session.read.second_factors.owners(needing) if needing else set()
    return needing - owners


def _authenticated(
    session: Session, found: SignedIn, without_factor: Collection[UUID]
) -> dict[str, Any]:
    return {
        "session_id": str(found.session_id),
        "person_id": str(found.person_id),
        "must_change_password": found.temporary,
        "must_add_factor": found.person_id in without_factor,
        "accepted": _accepted(found),
        "stale": session.now - found.last_seen_at >= SEEN_RESOLUTION,
    }


def mark_seen(session: Session, command: MarkSeen) -> None:
    """Store when a session was last used."""
    session.read.sessions.seen(command.session_id, session.now)


def list_sessions(session: Session, person_id: UUID, network_index: bytes) -> dict[str, Any]:
    """Return {sessions: [{session_id, device, how, same_network, created_at, last_seen_at}]}.

    The latest comes first. ``same_network`` says whether it was opened from that network, None if
    that is not known.
    """
    live = session.read.sessions.of_person(person_id, session.now, SESSION_IDLE_LIFE)
    return {
        "sessions": [
            {
                "session_id": str(entry.session_id),
                "device": entry.device,
                "how": entry.how,
                "same_network": (
                    None if entry.network_index is None else entry.network_index == network_index
                ),
                "created_at": entry.created_at.isoformat(),
                "last_seen_at": entry.last_seen_at.isoformat(),
            }
            for entry in live
        ]
    }


def end_session(session: Session, command: EndSession) -> dict[str, Any]:
    """End one session of the person. Raises NotFound ``session_not_found``.

    Ended from another session, its device is a stranger again.
    """
    read, by = session.read, command.by_session_id
    live = read.sessions.of_person(command.person_id, session.now, SESSION_IDLE_LIFE)
    if not read.sessions.end(command.person_id, command.session_id):
        raise NotFound("session_not_found", "There is no such session; it may have ended.")
    session.security.note("session_ended", person_id=command.person_id)
    digests = {entry.session_id: entry.device_digest for entry in live}
    digest = digests.get(command.session_id)
    if digest is not None and digest != digests.get(by) and command.session_id != by:
        read.devices.forget(command.person_id, digest)
    return {}


def end_other_sessions(session: Session, command: EndOtherSessions) -> dict[str, Any]:
    """End all sessions of the person but one; the other places are strange again.

    Raises Forbidden ``session_expired`` if that one has ended.
    """
    read = session.read
    read.credentials.lock(command.person_id)
    live = read.sessions.of_person(command.person_id, session.now, SESSION_IDLE_LIFE)
    if command.session_id not in {entry.session_id for entry in live}:
        raise refused("session_expired")
    leave_only(session, command.person_id, command.session_id)
    session.security.note("sessions_ended", person_id=command.person_id)
    return {}


def new_device(session: Session, person_id: UUID, session_id: UUID) -> dict[str, Any]:
    """Return {device} for the letter about a new device, also after its session has ended.

    It is "" when the device has no name, or has been forgotten since.
    """
    return {"device": session.read.devices.name_of(person_id, session_id) or ""}
