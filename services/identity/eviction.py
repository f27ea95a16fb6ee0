"""Who else is put out when a person takes his cabinet back: sessions, places, what they began."""

from __future__ import annotations

from uuid import UUID

from services.identity.email_changes import EmailChangeRow
from services.identity.limits import SESSION_IDLE_LIFE
from services.identity.link_aggregates import EmailChange, EmailChangeEnd, EmailChangeWay
from shared.eventstore import Session


def leave_only(session: Session, person_id: UUID, session_id: UUID | None) -> None:
    """End a person's sessions except one, and the change of address that another one began.

    Every other device and network is strange again; without a session that stays, all are. A change
    that staff began goes on: no session ends it. The caller has locked the credential.
    """
    read = session.read
    live = read.sessions.of_person(person_id, session.now, SESSION_IDLE_LIFE)
    own = next((entry for entry in live if entry.session_id == session_id), None)
    read.sessions.end_all(person_id, but=session_id)
    read.devices.forget_all(person_id, but=own and own.device_digest)
    read.networks.forget_all(person_id, but=own and own.network_index)
    row = read.email_changes.of_person(person_id)
    by_staff = row is not None and row.way == EmailChangeWay.STAFF.value
    if row is not None and not by_staff and row.session_id != session_id:
        end_change(session, row, EmailChangeEnd.CANCELLED)


def leave_nobody(session: Session, person_id: UUID) -> None:
    """End all that a person has open, and any change of address under way."""
    leave_only(session, person_id, None)
    row = session.read.email_changes.of_person(person_id)
    if row is not None:
        end_change(session, row, EmailChangeEnd.CANCELLED)


def end_change(session: Session, row: EmailChangeRow, how: EmailChangeEnd) -> None:
    """End a change of address without effect."""
    session.read.email_changes.drop(row.change_id)
    session.load(EmailChange, row.change_id).record_end(how)
