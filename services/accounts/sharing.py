"""The use cases of sharing: an owner lets others read or pay an account, and takes it back."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec

from services.accounts.application import access_of, iso, masked, resolve
from services.accounts.cabinet import (
    Cabinet,
    EndedBy,
    GuestRole,
    Link,
    NewLink,
    access_id,
    cabinet_id,
    has_proven,
    others_than,
)
from services.accounts.invitation import (
    INVITATION_LIFE,
    MAX_OPEN_INVITATIONS,
    Ended,
    Invitation,
    InvitationSent,
    OpenInvitation,
    ended,
)
from services.accounts.limiting import count_own
from services.accounts.policy import Limit
from services.accounts.tenures import Tenure
from shared.email_address import email_key, parse_email
from shared.errors import Conflict, Forbidden, NotFound
from shared.eventstore import Session
from shared.ids import new_id

SWEPT_AT_ONCE = 100
"""Expired invitations ended in one transaction."""


class Invite(msgspec.Struct, frozen=True, kw_only=True):
    """``email`` is in clear: the use case seals it."""

    person_id: UUID
    number: str
    email: str
    role: GuestRole


class AcceptInvitation(msgspec.Struct, frozen=True, kw_only=True):
    person_id: UUID
    invitation_id: UUID


class Withdraw(msgspec.Struct, frozen=True, kw_only=True):
    """``access_id`` is that of an access or of an open invitation."""

    person_id: UUID
    number: str
    access_id: UUID


class Sharing:
    """The use cases that the operator's limits govern."""

    def __init__(self, limit: Limit) -> None:
        self._limit = limit

    def invite(self, session: Session, command: Invite) -> dict[str, Any]:
        """Invite somebody by e-mail; the letter has a link that works once, for a week.

        Raises NotFound ``account_not_linked``, Forbidden ``owner_only`` or ``too_many_attempts``,
        Conflict ``account_closed``, ``already_invited`` or ``invitation_limit_reached``, and
        ValidationFailed ``email_invalid``.
        """
        link, tenure = _held(session, command.person_id, command.number, locks=True)
        _check_owner(link)
        if tenure.state == "closed":
            raise Conflict("account_closed", "The account is closed; nobody can be invited to it.")
        count_own(session, "invitation_by_person", command.person_id, self._limit)
        email = parse_email(command.email)
        self._check_room(session, link, email)
        invitation_id = new_id()
        expires_at = session.now + INVITATION_LIFE
        session.load(Invitation, invitation_id).send(
            InvitationSent(
                invitation_id=invitation_id,
                number=link.number,
                tenure=link.tenure,
                role=command.role,
                invited_by=command.person_id,
                email=session.vault.seal(invitation_id, email, "email"),
                expires_at=expires_at,
            )
        )
        return {
            "access_id": str(invitation_id),
            "number": link.number,
            "role": command.role,
            "expires_at": expires_at.isoformat(),
        }

    def _check_room(self, session: Session, link: Link, email: str) -> None:
        sent = session.read.invitations.of_tenure(link.number, link.tenure)
        open_ones = [one for one in sent if one.expires_at > session.now]
        session.vault.fetch_keys([one.invitation_id for one in open_ones])
        if email_key(email) in {email_key(_email(session, one) or "") for one in open_ones}:
            raise Conflict(
                "already_invited",
                "This e-mail has an open invitation already; withdraw it to send another one.",
            )
        if len(open_ones) >= MAX_OPEN_INVITATIONS:
            raise Conflict(
                "invitation_limit_reached",
                f"Up to {MAX_OPEN_INVITATIONS} invitations may be open; withdraw one first.",
                limit=MAX_OPEN_INVITATIONS,
            )


def invitation(session: Session, invitation_id: UUID) -> dict[str, Any]:
    """Return what an invitation gives, the address masked, for whoever has its link.

    Raises Conflict ``invitation_ended``.
    """
    found = _open_invitation(session, invitation_id)
    tenure = _tenure(session, found.number, found.tenure)
    address, _ = masked(session, tenure)
    return {
        "number": found.number,
        "address": address,
        "role": found.role,
        "expires_at": found.expires_at.isoformat(),
    }


def invitation_letter(session: Session, invitation_id: UUID) -> dict[str, Any]:
    """Return the facts of an invitation's letter, with the e-mail in clear.

    Raises Conflict ``invitation_ended``.
    """
    found = _open_invitation(session, invitation_id)
    email = _email(session, found)
    if email is None:
        raise ended()
    facts = invitation(session, invitation_id)
    return {**facts, "email": email, "valid_days": INVITATION_LIFE.days}


def accept_invitation(session: Session, command: AcceptInvitation) -> dict[str, Any]:
    """Take the account of an invitation into the cabinet; the link works once.

    Raises Conflict ``invitation_ended``, ``already_linked`` or ``account_limit_reached``.
    """
    session.read.links.lock_cabinet(command.person_id)
    found = session.load(Invitation, command.invitation_id)
    sent = found.accept(command.person_id, session.now)
    session.read.links.lock_account(sent.number)
    if _tenure(session, sent.number, sent.tenure).state == "closed":
        raise ended()
    others = session.read.links.of_tenure(sent.number, sent.tenure)
    if not any(one.person_id == sent.invited_by and has_proven(one) for one in others):
        raise ended()
    session.load(Cabinet, cabinet_id(command.person_id)).take_in(
        command.person_id,
        NewLink(
            number=sent.number,
            tenure=sent.tenure,
            role=sent.role,
            proven_by="invitation",
            other_person_ids=others_than(command.person_id, others),
            invited_by=sent.invited_by,
        ),
    )
    session.vault.destroy(command.invitation_id)
    return {"number": sent.number, "role": sent.role}


def access_list(session: Session, person_id: UUID, number: str) -> dict[str, Any]:
    """Return who else has access to an account; its owners see open invitations, too.

    Raises NotFound ``account_not_linked``.
    """
    link, tenure = _held(session, person_id, number)
    links = session.read.links.of_tenure(link.number, link.tenure)
    return {
        **access_of(link, tenure),
        "access": [_shown(one, tenure, link) for one in links],
        "invitations": _shown_invitations(session, link) if has_proven(link) else [],
    }


def withdraw(session: Session, command: Withdraw) -> dict[str, Any]:
    """End an access that an owner gave, or an open invitation.

    Raises NotFound ``account_not_linked`` or ``access_not_found``, and Forbidden ``owner_only``:
    for whoever is no owner, and for the access of another owner, who has proven it.
    """
    newest, _ = _held(session, command.person_id, command.number, locks=True)
    own = [
        link
        for link in session.read.links.of_number(newest.number)
        if link.person_id == command.person_id and has_proven(link)
    ]
    if not own:
        raise _owner_only()
    for link in own:
        if _withdrawn(session, link, command.access_id):
            return {"access_id": str(command.access_id)}
    raise NotFound("access_not_found", "There is no such access any more; look at the list.")


def _withdrawn(session: Session, link: Link, wanted: UUID) -> bool:
    """End an invitation or an access to a tenure; return whether there was one."""
    for one in session.read.invitations.of_tenure(link.number, link.tenure):
        if one.invitation_id == wanted:
            end_invitation(session, wanted, "withdrawn")
            return True
    for guest in session.read.links.of_tenure(link.number, link.tenure):
        if access_id(guest.person_id, guest.number, guest.tenure) == wanted:
            if guest.role == "owner":
                raise _owner_only()
            end_access(session, guest, by="owner")
            return True
    return False


def end_access(session: Session, link: Link, *, by: EndedBy) -> None:
    """End a person's access to a tenure, whatever else is in the cabinet."""
    cabinet = session.load(Cabinet, cabinet_id(link.person_id))
    cabinet.end(link.person_id, link.number, link.tenure, by)


def end_what_was_given(
    session: Session, person_id: UUID, number: str, tenure: int, *, by: EndedBy
) -> None:
    """End what an owner gave of a tenure: accesses and open invitations.

    The account is locked before: an invitation sent or accepted meanwhile would outlive its owner.
    """
    for guest in session.read.links.of_tenure(number, tenure):
        if guest.invited_by == person_id:
            end_access(session, guest, by=by)
    for one in session.read.invitations.of_tenure(number, tenure):
        if one.invited_by == person_id:
            end_invitation(session, one.invitation_id, "withdrawn")


def end_invitation(session: Session, invitation_id: UUID, reason: Ended) -> None:
    """End an open invitation, and make its e-mail unreadable."""
    session.load(Invitation, invitation_id).end(reason)
    session.vault.destroy(invitation_id)


def end_expired_invitations(session: Session, _command: None) -> int:
    """End invitations whose week has passed; return how many."""
    expired = session.read.invitations.expired(session.now, SWEPT_AT_ONCE)
    for invitation_id in expired:
        end_invitation(session, invitation_id, "expired")
    return len(expired)


def _held(
    session: Session, person_id: UUID, typed: str, *, locks: bool = False
) -> tuple[Link, Tenure]:
    number = resolve(session, typed)
    if number and locks:
        session.read.links.lock_account(number)
    links = session.read.links.of_person(person_id, [number]) if number else []
    if not links:
        raise NotFound(
            "account_not_linked",
            "This account is not in the cabinet; choose one of the linked accounts.",
        )
    link: Link = links[0]
    return link, _tenure(session, link.number, link.tenure)


def _tenure(session: Session, number: str, tenure: int) -> Tenure:
    found: Tenure = session.read.tenures.of([(number, tenure)])[number, tenure]
    return found


def _open_invitation(session: Session, invitation_id: UUID) -> OpenInvitation:
    found: OpenInvitation | None = session.read.invitations.find(invitation_id)
    if found is None or found.expires_at <= session.now:
        raise ended()
    if _tenure(session, found.number, found.tenure).state == "closed":
        raise ended()
    return found


def _email(session: Session, found: OpenInvitation) -> str | None:
    email: str | None = session.vault.reveal(found.invitation_id, found.email, "email")
    return email


def _shown(link: Link, tenure: Tenure, own: Link) -> dict[str, Any]:
    return {
        "access_id": str(access_id(link.person_id, link.number, link.tenure)),
        "person_id": str(link.person_id),
        "role": link.role,
        "since": iso(tenure.since),
        "linked_at": link.linked_at,
        "you": link.person_id == own.person_id,
        "may_withdraw": has_proven(own) and link.role != "owner",
    }


def _shown_invitations(session: Session, link: Link) -> list[dict[str, Any]]:
    found = session.read.invitations.of_tenure(link.number, link.tenure)
    session.vault.fetch_keys([one.invitation_id for one in found])
    return [
        {
            "access_id": str(one.invitation_id),
            "email": _email(session, one),
            "role": one.role,
            "expires_at": one.expires_at.isoformat(),
        }
        for one in found
        if one.expires_at > session.now
    ]


def invitations_of(session: Session, person_id: UUID) -> list[dict[str, Any]]:
    """Return the open invitations that a person has sent, for himself."""
    found = session.read.invitations.sent_by(person_id)
    session.vault.fetch_keys([one.invitation_id for one in found])
    return [
        {
            "number": one.number,
            "email": _email(session, one),
            "role": one.role,
            "sent_at": one.sent_at.isoformat(),
            "expires_at": one.expires_at.isoformat(),
        }
        for one in found
    ]


def _check_owner(link: Link) -> None:
    if not has_proven(link):
        raise _owner_only()


def _owner_only() -> Forbidden:
    return Forbidden(
        "owner_only",
        "Only the owner of the account says who has access to it; another owner stays.",
    )
