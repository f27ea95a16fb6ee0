"""Reading personal data, which is stored sealed under the person's key."""

from __future__ import annotations

from uuid import UUID

from shared.errors import NotFound
from shared.eventstore import Session


def reveal(session: Session, person_id: UUID, sealed: str, field: str) -> str:
    """Return a value in clear. Raises NotFound ``person_not_found`` when the person is erased."""
    text = session.vault.reveal(person_id, sealed, field)
    if text is None:
        raise NotFound("person_not_found", "There is no such person.")
    return text
