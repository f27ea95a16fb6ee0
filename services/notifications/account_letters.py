"""The letters about access to accounts: who got it, who is invited, who lost it, who guesses."""

from __future__ import annotations

from datetime import timedelta

from services.notifications.writing import Writer
from shared.bus import Message, Services
from shared.contracts.notifications import LetterKind
from shared.eventstore import Session


def account_linked(session: Session, message: Message, services: Services) -> None:
    """Inform the persons who had linked the account before."""
    writer = Writer(session, message, services)
    facts = {"number": writer.event["number"], "linked_at": writer.local_time()}
    kind = LetterKind.ACCOUNT_LINKED_BY_ANOTHER
    if writer.event.get("invited_by"):
        kind = LetterKind.INVITATION_ACCEPTED
        facts["role"] = writer.event["role"]
    for holder in writer.event["other_person_ids"]:
        writer.notify(holder, kind, facts)


def account_unlinked(session: Session, message: Message, services: Services) -> None:
    """Inform a person whose access somebody else has ended."""
    writer = Writer(session, message, services)
    ended_by = writer.event.get("ended_by", "person")
    if ended_by != "person":
        facts = {
            "number": writer.event["number"],
            "ended_at": writer.local_time(),
            "by_staff": ended_by == "staff",
        }
        writer.notify(writer.event["person_id"], LetterKind.ACCESS_WITHDRAWN, facts)


def invitation_sent(session: Session, message: Message, services: Services) -> None:
    """Send the link of an invitation, unless it has ended by now."""
    writer = Writer(session, message, services)
    letter_id, invitation_id = writer.letter_id("invitation"), writer.event["invitation_id"]
    if writer.is_queued(letter_id):
        return
    issued = writer.ask("accounts", "issue_invitation", invitation_id=invitation_id)
    if issued is None:
        return
    facts = {name: issued[name] for name in ("number", "address", "role", "token", "valid_days")}
    writer.queue(
        letter_id,
        LetterKind.INVITATION,
        issued["email"],
        facts,
        secret=(f"invitation:{invitation_id}", timedelta(days=issued["valid_days"])),
    )


def proofs_guessed(session: Session, message: Message, services: Services) -> None:
    """Warn the owners of an account that somebody tries to prove it."""
    writer = Writer(session, message, services)
    facts = {"number": writer.event["number"], "attempts": writer.event["attempts"]}
    for owner in writer.event["owner_ids"]:
        writer.notify(owner, LetterKind.PROOFS_GUESSED, facts)
