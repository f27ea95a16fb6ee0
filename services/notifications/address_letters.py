"""Reactions to changes of an e-mail address: letters to both mailboxes."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from services.notifications.writing import Writer
from shared.bus import Message, Services
from shared.contracts.notifications import LetterKind
from shared.eventstore import Session


def email_change_requested(session: Session, message: Message, services: Services) -> None:
    """Send a link to each mailbox; to an address with a cabinet of its own only that it has one."""
    writer = Writer(session, message, services)
    change_id, to_new, to_old = (
        writer.event["change_id"],
        writer.letter_id("new"),
        writer.letter_id("old"),
    )
    if writer.is_queued(to_old):
        return
    issued = writer.ask("identity", "issue_email_links", change_id=change_id)
    if issued is None:
        return
    person_id, lasts = UUID(issued["person_id"]), _time_left(session, issued["expires_at"])
    due_at = issued["due_at"] and writer.local_time(issued["due_at"])
    facts = {"expires_at": writer.local_time(issued["expires_at"]), "due_at": due_at}
    if issued["taken"]:
        writer.queue(to_new, LetterKind.EMAIL_TAKEN, issued["new_email"], {}, person_id=person_id)
    else:
        writer.queue(
            to_new,
            LetterKind.EMAIL_TO_CONFIRM,
            issued["new_email"],
            {**facts, "token": issued["new_token"]},
            person_id=person_id,
            secret=(f"email-new:{change_id}", lasts),
        )
    writer.queue(
        to_old,
        LetterKind.EMAIL_TO_LEAVE,
        issued["old_email"],
        {**facts, "token": issued["old_token"], "way": issued["way"]},
        person_id=person_id,
        secret=(f"email-old:{change_id}", lasts),
    )


def _time_left(session: Session, expires_at: str) -> timedelta:
    return datetime.fromisoformat(expires_at) - session.now


def email_changed(session: Session, message: Message, services: Services) -> None:
    """Tell both mailboxes that the cabinet has another address."""
    writer = Writer(session, message, services)
    if writer.is_queued(writer.letter_id("old_email")):
        return
    changed = writer.ask("identity", "changed_email", change_id=writer.event["change_id"])
    if changed is None:
        return
    facts = {"changed_at": writer.local_time()}
    for mailbox in ("new_email", "old_email"):
        writer.queue(
            writer.letter_id(mailbox),
            LetterKind.EMAIL_CHANGED,
            changed[mailbox],
            facts,
            person_id=UUID(changed["person_id"]),
        )
