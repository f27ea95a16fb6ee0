"""Reactions of the help desk to events of identity."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from services.helpdesk.application import erase_questions
from shared.bus import Message, Services
from shared.eventstore import Session


def person_erased(session: Session, message: Message, services: Services) -> None:
    """Erase what the person asked, and what he was answered."""
    erase_questions(session, UUID(message.data["person_id"]))


REACTIONS: Final = {"identity": {"person_erased": person_erased}}
