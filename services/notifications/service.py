"""The RPCs of notifications: decode, one use case, encode."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from services.notifications import application, schemas
from shared.config import GATEWAY
from shared.rpc.server import StoreProvider, rpc

MOST_LETTERS = 10_000
"""What is told of one person."""


class NotificationsService:
    """Lists letters; the worker sends them."""

    name = "notifications"
    store = StoreProvider()

    @rpc(schemas.PersonId, callers=("identity",))
    def held_about(self, person_id: UUID) -> dict[str, Any]:
        """Return {letters} of a person, as `letters` does: which were sent when, no text."""
        query = application.LettersOf(person_id=person_id, limit=MOST_LETTERS)
        found: dict[str, Any] = self.store.query(
            lambda session: application.letters_of(session, query)
        )
        return found

    @rpc(schemas.Letters, callers=(GATEWAY,))
    def letters(self, person_id: UUID, limit: int) -> dict[str, Any]:
        """Return {letters: [{letter_id, kind, state, queued_at, sent_at|None}]}, newest first."""
        query = application.LettersOf(person_id=person_id, limit=limit)
        found: dict[str, Any] = self.store.query(
            lambda session: application.letters_of(session, query)
        )
        return found
