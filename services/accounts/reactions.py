"""Reactions of accounts to events of identity."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from services.accounts.erasure import forget_person
from shared.bus import Message, Services
from shared.eventstore import Session


def person_erased(session: Session, message: Message, services: Services) -> None:
    """End what the person had access to, and what he let others have."""
    forget_person(session, UUID(message.data["person_id"]))


REACTIONS: Final = {"identity": {"person_erased": person_erased}}
