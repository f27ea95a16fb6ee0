"""The RPCs of choices, and of the links that switch letters off."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from services.notifications import bouncing, choosing, schemas, unsubscribe
from shared.config import GATEWAY
from shared.contracts.notifications import LetterKind
from shared.eventstore import Session, Store
from shared.rpc.server import StoreProvider, rpc


class ChoiceRpcs:
    """Which optional letters a person wants."""

    store: Store = StoreProvider()

    @rpc(schemas.PersonId, callers=(GATEWAY,))
    def choices(self, person_id: UUID) -> dict[str, Any]:
        """Return {optional: {kind: wanted}, bounced_since|None}."""

        def read(session: Session) -> dict[str, Any]:
            since = bouncing.bounced_since(session, [person_id]).get(person_id)
            return {
                **choosing.choices_of(session, person_id),
                "bounced_since": since and since.isoformat(),
            }

        return self.store.query(read)

    @rpc(schemas.Choose, callers=(GATEWAY,))
    def choose(self, person_id: UUID, wanted: dict[str, bool]) -> dict[str, Any]:
        command = choosing.Choose(person_id=person_id, wanted=wanted)
        return self.store.execute(choosing.choose, command)

    @rpc(schemas.Link, callers=(GATEWAY,))
    def subscription(self, token: str) -> dict[str, Any]:
        """Return {kind, wanted} of a link; nothing changes."""
        link = self._link(token)
        found: dict[str, Any] = self.store.query(
            lambda session: choosing.subscription(session, link)
        )
        return found

    @rpc(schemas.Link, callers=(GATEWAY,))
    def unsubscribe(self, token: str) -> dict[str, Any]:
        """Return {kind} of a link, which such letters stop by. Repeating it writes nothing."""
        command = choosing.Unsubscribe(link=self._link(token))
        return self.store.transact(choosing.unsubscribe, command)

    def _link(self, token: str) -> tuple[UUID, LetterKind] | None:
        return unsubscribe.read_token(self.store.hash_key(unsubscribe.KEY_PURPOSE), token)
