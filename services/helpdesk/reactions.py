"""Reactions to persons who are erased, accounts that are closed, and decisions on disputes."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from services.helpdesk.application import erase_questions
from services.helpdesk.disputes import note_decision
from shared.account_key import FIRST, key_of
from shared.bus import Message, Services
from shared.eventstore import Session


def person_erased(session: Session, message: Message, services: Services) -> None:
    """Erase what the person asked, and what he was answered."""
    erase_questions(session, UUID(message.data["person_id"]))


def tenure_closed(session: Session, message: Message, services: Services) -> None:
    """Note that a holder's time has ended: his account is no longer the one of its number."""
    data = message.data
    session.read.note_closed(key_of(data["number"], data.get("tenure", FIRST)))


def correction_decided(session: Session, message: Message, services: Services) -> None:
    """Tell whoever disputes a line what was decided on the adjustment that staff proposed."""
    note_decision(session, UUID(message.data["proposal_id"]), message.data["decision"])


def correction_withdrawn(session: Session, message: Message, services: Services) -> None:
    """Stop waiting for a proposal that its author took back: nothing is decided by that."""
    note_decision(session, UUID(message.data["proposal_id"]), "withdrawn")


REACTIONS: Final = {
    "identity": {"person_erased": person_erased},
    "accounts": {"tenure_closed": tenure_closed},
    "ledger": {
        "correction_decided": correction_decided,
        "correction_withdrawn": correction_withdrawn,
    },
}
