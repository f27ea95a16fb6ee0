"""The use cases of staff: a contract and its tenures, who has access, linking by hand."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec

from services.accounts.application import iso, resolve
from services.accounts.cabinet import Cabinet, NewLink, Role, cabinet_id, others_than
from services.accounts.sharing import end_access, end_what_was_given
from services.accounts.tenures import Tenure
from shared.errors import NotFound
from shared.eventstore import Session


class StaffLink(msgspec.Struct, frozen=True, kw_only=True):
    person_id: UUID
    number: str
    role: Role
    reason: str
    dry_run: bool


class StaffUnlink(msgspec.Struct, frozen=True, kw_only=True):
    person_id: UUID
    number: str
    reason: str
    dry_run: bool


def contract_of(session: Session, typed: str) -> dict[str, Any]:
    """Return the tenures of a number, the first one first, without holder and address.

    Raises NotFound ``account_not_found``.
    """
    number = _current(session, typed).number
    tenures: list[Tenure] = session.read.tenures.history(number)
    return {
        "number": number,
        "tenures": [
            {
                "tenure": tenure.tenure,
                "since": iso(tenure.since),
                "until": iso(tenure.until),
                "state": tenure.state,
                "payer_kind": tenure.details.payer_kind,
                "els": tenure.details.els,
                "services": list(tenure.details.services),
                "payee": tenure.details.payee,
            }
            for tenure in tenures
        ],
    }


def links_of(session: Session, typed: str) -> dict[str, Any]:
    """Return who has access to any tenure of a number, the newest tenure first.

    Raises NotFound ``account_not_found``.
    """
    current = _current(session, typed)
    links = session.read.links.of_number(current.number)
    tenures = session.read.tenures.of([(link.number, link.tenure) for link in links])
    return {
        "number": current.number,
        "links": [
            {
                "person_id": str(link.person_id),
                "tenure": link.tenure,
                "role": link.role,
                "since": iso(tenures[link.number, link.tenure].since),
                "until": iso(tenures[link.number, link.tenure].until),
                "proven_by": link.proven_by,
                "invited_by": str(link.invited_by) if link.invited_by else None,
                "linked_at": link.linked_at,
            }
            for link in links
        ],
    }


def persons_of(session: Session, typed: str) -> dict[str, Any]:
    """Return the persons of a number; raises as `links_of`."""
    found = links_of(session, typed)
    kept = ("person_id", "role", "since", "until")
    return {"persons": [{name: link[name] for name in kept} for link in found["links"]]}


def attempts_of(session: Session, typed: str | None, most: int) -> dict[str, Any]:
    """Return the newest attempts to prove an account, or any account."""
    number = None if typed is None else resolve(session, typed)
    if typed is not None and number is None:
        return {"attempts": []}
    return {"attempts": session.read.attempts_log.newest(number, most)}


def link_by_staff(session: Session, command: StaffLink) -> dict[str, Any]:
    """Link an account's present tenure to a person's cabinet, without a proof.

    Raises NotFound ``account_not_found``, Conflict ``already_linked`` or
    ``account_limit_reached``.
    """
    current = _current(session, command.number)
    if not command.dry_run:
        session.read.links.lock_cabinet(command.person_id)
    cabinet = session.load(Cabinet, cabinet_id(command.person_id))
    cabinet.check_room_for(current.number, current.tenure)
    done = _done(current, command)
    if command.dry_run:
        return done
    session.read.links.lock_account(current.number)
    others = session.read.links.of_tenure(current.number, current.tenure)
    cabinet.take_in(
        command.person_id,
        NewLink(
            number=current.number,
            tenure=current.tenure,
            role=command.role,
            proven_by="staff",
            other_person_ids=others_than(command.person_id, others),
        ),
    )
    _note(session, "account_linked", current.number, command)
    return {**done, "role": command.role}


def unlink_by_staff(session: Session, command: StaffUnlink) -> dict[str, Any]:
    """Take an account out of a person's cabinet, all its tenures, and what he gave of them.

    Raises NotFound ``account_not_found`` or ``account_not_linked``.
    """
    current = _current(session, command.number)
    if not command.dry_run:
        session.read.links.lock_cabinet(command.person_id)
        session.read.links.lock_account(current.number)
    links = [
        link
        for link in session.read.links.of_number(current.number)
        if link.person_id == command.person_id
    ]
    if not links:
        raise NotFound("account_not_linked", "This person has not linked the account.")
    done = _done(current, command)
    if command.dry_run:
        return done
    for link in links:
        end_access(session, link, by="staff")
        end_what_was_given(session, command.person_id, link.number, link.tenure, by="staff")
    _note(session, "account_unlinked", current.number, command)
    return done


def _current(session: Session, typed: str) -> Tenure:
    number = resolve(session, typed)
    found: Tenure | None = session.read.tenures.current([number]).get(number) if number else None
    if found is None:
        raise NotFound("account_not_found", "There is no such account in the registry.")
    return found


def _done(current: Tenure, command: StaffLink | StaffUnlink) -> dict[str, Any]:
    return {
        "number": current.number,
        "person_id": str(command.person_id),
        "dry_run": command.dry_run,
    }


def _note(session: Session, action: str, number: str, command: StaffLink | StaffUnlink) -> None:
    session.security.note(
        action, person_id=command.person_id, about=f"account:{number}", reason=command.reason
    )
