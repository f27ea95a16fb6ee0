"""Use cases: changing an e-mail address.

Both mailboxes confirm, each by a link of its own. Who has lost the old mailbox proves it by a bill,
or staff do it for him: then the change waits three days in which the old mailbox can refuse.
A use case locks the person's credential first, so that links of one change are tried one by one.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from services.identity.commands import Command
from services.identity.current_password import ConfirmedChange, confirm
from services.identity.domain import Person
from services.identity.email_changes import EmailChangeRow, Side
from services.identity.eviction import end_change, leave_only
from services.identity.limits import (
    EMAIL_CHANGE_DELAY,
    EMAIL_CHANGE_LIFE,
    EMAIL_CHANGE_LIFE_WITH_DELAY,
    EMAIL_CHANGES,
    EMAIL_LINK_LIFE,
    WRONG_LINKS,
)
from services.identity.link_aggregates import EmailChange, EmailChangeEnd, EmailChangeWay
from services.identity.personal_data import reveal
from services.identity.rate_limits import enforce_limit
from services.identity.recovery import start_recovery
from services.identity.refusals import refusal
from shared.errors import Conflict, NotFound, ValidationFailed
from shared.eventstore import Session
from shared.ids import new_id

BATCH = 100
"""Changes completed or given up in one transaction."""


class RequestEmailChange(ConfirmedChange, frozen=True, kw_only=True):
    """``email`` is a parsed address; the way is ``account`` once a bill has been proven."""

    email: str
    email_index: bytes
    way: EmailChangeWay


class RestoreAccess(Command, frozen=True, kw_only=True):
    """Staff assign a person, whom they know, an address that he can read."""

    person_id: UUID
    email: str
    email_index: bytes
    reason: str


class IssueEmailLink(Command, frozen=True, kw_only=True):
    change_id: UUID
    side: Side
    digest: bytes


class FollowEmailLink(Command, frozen=True, kw_only=True):
    token_digest: bytes
    network_index: bytes


class CancelEmailChange(Command, frozen=True, kw_only=True):
    person_id: UUID


class EndEmailChanges(Command, frozen=True, kw_only=True):
    """Complete the changes whose delay is over, and give up those that expired."""


def request_email_change(session: Session, command: RequestEmailChange) -> dict[str, Any]:
    """Start a change, in place of an earlier one; return {due_at|None}.

    An address that is somebody else's is treated the same: only its owner learns of it. Raises what
    `confirm` raises, ValidationFailed ``email_unchanged``, Conflict ``email_change_of_staff``,
    NotFound ``person_not_found``, Forbidden ``too_many_attempts``.
    """
    read = session.read
    credential = read.credentials.lock(command.person_id)
    if credential is None:
        raise NotFound("person_not_found", "There is no such person.")
    confirm(session, command)
    if credential.email_index == command.email_index:
        raise ValidationFailed("email_unchanged", "This is the address that the cabinet has.")
    enforce_limit(session, EMAIL_CHANGES, command.person_id.bytes)
    _must_not_be_of_staff(read.email_changes.of_person(command.person_id))
    row = _start(session, command, command.way, session_id=command.session_id)
    session.security.note("email_change_requested", person_id=command.person_id)
    return {"due_at": row.due_at and row.due_at.isoformat()}


def restore_access(session: Session, command: RestoreAccess) -> dict[str, Any]:
    """Start the change of an address that its person cannot read; return {change_id, due_at}.

    All sessions end: whoever still has one may be the one that the person is shut out by.
    Raises Conflict ``email_taken``, NotFound ``person_not_found``.
    """
    read = session.read
    if read.credentials.lock(command.person_id) is None:
        raise NotFound("person_not_found", "There is no such person.")
    if read.credentials.of_email(command.email_index) is not None:
        raise _taken()
    read.sessions.end_all(command.person_id)
    row = _start(session, command, EmailChangeWay.STAFF, session_id=None)
    return {"change_id": str(row.change_id), "due_at": row.due_at and row.due_at.isoformat()}


def _start(
    session: Session,
    command: RequestEmailChange | RestoreAccess,
    way: EmailChangeWay,
    session_id: UUID | None,
) -> EmailChangeRow:
    read, now = session.read, session.now
    person = session.load(Person, command.person_id)
    person.must_exist()
    earlier = read.email_changes.of_person(person.id)
    if earlier is not None:
        session.security.note("email_change_cancelled", person_id=person.id, about="replaced")
        end_change(session, earlier, EmailChangeEnd.REPLACED)
    delayed = way is not EmailChangeWay.BOTH
    row = EmailChangeRow(
        change_id=new_id(),
        person_id=person.id,
        way=way.value,
        email_index=command.email_index,
        session_id=session_id,
        due_at=now + EMAIL_CHANGE_DELAY if delayed else None,
        expires_at=now + (EMAIL_CHANGE_LIFE_WITH_DELAY if delayed else EMAIL_CHANGE_LIFE),
    )
    read.email_changes.open(row)
    change = session.load(EmailChange, row.change_id)
    change.record_request(person.id, session.vault.seal(person.id, command.email, "email"), way)
    return row


def issue_email_link(session: Session, command: IssueEmailLink) -> dict[str, Any]:
    """Store the link of the letter that is being delivered to one of both mailboxes.

    Returns {person_id, email, language, way, taken, due_at|None, expires_at}; an address that is
    ``taken`` gets no link, in the language of its owner. Raises NotFound ``email_link_not_found``
    when the change is over or the mailbox has confirmed, or ``person_not_found``.
    """
    read, now = session.read, session.now
    row = read.email_changes.issue(
        command.change_id,
        command.side,
        command.digest,
        until=now + EMAIL_LINK_LIFE,
        due=now + EMAIL_CHANGE_DELAY,
    )
    if row is None:
        raise NotFound("email_link_not_found", "This change is over: no letter is sent.")
    holder = read.credentials.of_email(row.email_index)
    person = session.load(Person, row.person_id)
    person.must_exist()
    change = session.load(EmailChange, row.change_id)
    email = change.email if command.side == "new" else person.email
    taken = command.side == "new" and holder is not None
    reader = session.load(Person, holder.person_id) if taken else person
    return {
        "person_id": str(person.id),
        "email": reveal(session, person.id, email, "email"),
        "language": reader.language.value,
        "way": row.way,
        "taken": taken,
        "due_at": row.due_at and row.due_at.isoformat(),
        "expires_at": row.expires_at.isoformat(),
    }


def confirm_email_link(session: Session, command: FollowEmailLink) -> dict[str, Any]:
    """Confirm a change for the mailbox of a link; return {status, due_at|None}.

    The status is ``changed``, ``waits_for_new``, ``waits_for_old`` or ``waits_for_time``. Refusals:
    ``email_link_not_found``, ``too_many_attempts``. Raises Conflict ``email_taken``.
    """
    found = _locked(session, command)
    if found is None:
        return _wrong_link(session, command.network_index)
    side = found.side_of(command.token_digest)
    session.read.email_changes.set_confirmed(found.change_id, side, session.now)
    row = session.read.email_changes.of_person(found.person_id)
    status = _status(session, row)
    if status == "changed" and not session.read.credentials.set_email(
        row.person_id, row.email_index
    ):
        raise _taken()
    session.load(EmailChange, row.change_id).record_confirmation(side)
    if status == "changed":
        _complete(session, row)
    return {"status": status, "due_at": row.due_at and row.due_at.isoformat()}


def _status(session: Session, row: EmailChangeRow) -> str:
    if row.new_confirmed_at is None:
        return "waits_for_new"
    if row.old_confirmed_at is not None:
        return "changed"
    if row.due_at is None:
        return "waits_for_old"
    told = row.old_digest is not None
    return "changed" if told and row.due_at <= session.now else "waits_for_time"


def refuse_email_link(session: Session, command: FollowEmailLink) -> dict[str, Any]:
    """Refuse a change for the mailbox of a link; return {}, or a refusal as confirming does.

    If the old mailbox refuses, somebody else knows the password: nobody stays in, every place is
    strange again, and the mailbox gets a link that replaces the password.
    """
    row = _locked(session, command)
    if row is None:
        return _wrong_link(session, command.network_index)
    side = row.side_of(command.token_digest)
    session.security.note("email_change_refused", person_id=row.person_id, about=side)
    end_change(session, row, EmailChangeEnd.REFUSED)
    if side == "old":
        leave_only(session, row.person_id, None)
        start_recovery(session, row.person_id)
    return {}


def cancel_email_change(session: Session, command: CancelEmailChange) -> dict[str, Any]:
    """End the person's own change under way, if there is one; return {}.

    Raises Conflict ``email_change_of_staff``.
    """
    session.read.credentials.lock(command.person_id)
    row = session.read.email_changes.of_person(command.person_id)
    _must_not_be_of_staff(row)
    if row is not None:
        session.security.note("email_change_cancelled", person_id=row.person_id)
        end_change(session, row, EmailChangeEnd.CANCELLED)
    return {}


def end_email_changes(session: Session, _: EndEmailChanges) -> int:
    """Complete the changes that are due, give up the expired ones; return how many there were."""
    read, now = session.read, session.now
    due = read.email_changes.due(now, BATCH)
    expired = read.email_changes.expired(now, BATCH)
    for person_id in (*due, *expired):
        read.credentials.lock(person_id)
        row = read.email_changes.of_person(person_id)
        if row is None:
            continue
        if row.expires_at <= now:
            end_change(session, row, EmailChangeEnd.EXPIRED)
        elif _status(session, row) == "changed":
            if read.credentials.set_email(person_id, row.email_index):
                _complete(session, row)
            else:
                end_change(session, row, EmailChangeEnd.TAKEN)
    return len(due) + len(expired)


def pending_email_change(session: Session, person_id: UUID) -> dict[str, Any]:
    """Return {pending}: None, or {email, way, new_confirmed, old_confirmed, due_at, expires_at}."""
    row = session.read.email_changes.of_person(person_id)
    if row is None or row.expires_at <= session.now:
        return {"pending": None}
    change = session.load(EmailChange, row.change_id)
    return {
        "pending": {
            "email": reveal(session, person_id, change.email, "email"),
            "way": row.way,
            "new_confirmed": row.new_confirmed_at is not None,
            "old_confirmed": row.old_confirmed_at is not None,
            "due_at": row.due_at and row.due_at.isoformat(),
            "expires_at": row.expires_at.isoformat(),
        }
    }


def changed_email(session: Session, change_id: UUID) -> dict[str, Any]:
    """Return {person_id, old_email, new_email, language} of a completed change, for its letters.

    Raises NotFound ``person_not_found`` when the person has been erased since.
    """
    change = session.load(EmailChange, change_id)
    if change.person_id is None or change.previous is None:
        raise NotFound("person_not_found", "There is no such person.")
    return {
        "person_id": str(change.person_id),
        "old_email": reveal(session, change.person_id, change.previous, "email"),
        "new_email": reveal(session, change.person_id, change.email, "email"),
        "language": session.load(Person, change.person_id).language.value,
    }


def _locked(session: Session, command: FollowEmailLink) -> EmailChangeRow | None:
    """Return the change of a link, with the person's credential locked."""
    read, now = session.read, session.now
    row = read.email_changes.of_token(command.token_digest, now)
    if row is None:
        return None
    read.credentials.lock(row.person_id)
    locked: EmailChangeRow | None = read.email_changes.of_token(command.token_digest, now)
    return locked


def _wrong_link(session: Session, network_index: bytes) -> dict[str, Any]:
    wait = session.read.attempts.take(WRONG_LINKS, network_index, session.now)
    if wait:
        return refusal("too_many_attempts", **WRONG_LINKS.exceeded(wait))
    return refusal("email_link_not_found")


def _complete(session: Session, row: EmailChangeRow) -> None:
    """Give the person the new address; whoever had come by the old mailbox is out."""
    read = session.read
    read.email_changes.drop(row.change_id)
    leave_only(session, row.person_id, row.session_id)
    read.password_resets.drop_of(row.person_id)
    read.sign_in_links.drop_all(row.person_id)
    person = session.load(Person, row.person_id)
    change = session.load(EmailChange, row.change_id)
    previous = person.email
    session.security.note("email_changed", person_id=person.id)
    person.change_email(change.email, row.change_id)
    change.record_completion(previous)


def _must_not_be_of_staff(row: EmailChangeRow | None) -> None:
    """Raise if staff began a change: only the old mailbox refuses it, no session ends it."""
    if row is not None and row.way == EmailChangeWay.STAFF.value:
        raise Conflict(
            "email_change_of_staff",
            "Staff are restoring the access; only the link sent to the old address refuses it.",
        )


def _taken() -> Conflict:
    return Conflict("email_taken", "This address has a cabinet of its own; choose another.")
