"""The RPCs of notifications: decode, one use case, encode."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from services.notifications import application, choosing, schemas
from services.notifications.rpcs.choices import ChoiceRpcs
from shared.config import GATEWAY
from shared.rpc.server import StoreProvider, rpc

MOST_LETTERS = 10_000
"""What is told of one person."""


class NotificationsService(ChoiceRpcs):
    """Lists letters, and which of them are wanted; the worker sends them."""

    name = "notifications"
    store = StoreProvider()

    @rpc(schemas.PersonId, callers=("identity",))
    def held_about(self, person_id: UUID) -> dict[str, Any]:
        """Return {letters, choices} of a person: which were sent when, no text; what he chose."""
        query = application.LettersOf(person_id=person_id, limit=MOST_LETTERS)
        found: dict[str, Any] = self.store.query(
            lambda session: {
                **application.letters_of(session, query),
                **choosing.held_choices(session, person_id),
            }
        )
        return found

    @rpc(schemas.Letters, callers=(GATEWAY,))
    def letters(self, person_id: UUID, limit: int) -> dict[str, Any]:
        """Return {letters: [{letter_id, kind, state, reason|None, queued_at, sent_at|None}]}."""
        query = application.LettersOf(person_id=person_id, limit=limit)
        found: dict[str, Any] = self.store.query(
            lambda session: application.letters_of(session, query)
        )
        return found
