"""The RPCs of notifications: decode, one use case, encode."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from services.notifications import application, schemas
from shared.config import GATEWAY
from shared.rpc.server import StoreProvider, rpc


class NotificationsService:
    """Lists letters; the worker sends them."""

    name = "notifications"
    store = StoreProvider()

    @rpc(schemas.Letters, callers=(GATEWAY,))
    def letters(self, person_id: UUID, limit: int) -> dict[str, Any]:
        """Return {letters: [{letter_id, kind, state, queued_at, sent_at|None}]}, newest first."""
        query = application.LettersOf(person_id=person_id, limit=limit)
        found: dict[str, Any] = self.store.query(
            lambda session: application.letters_of(session, query)
        )
        return found
