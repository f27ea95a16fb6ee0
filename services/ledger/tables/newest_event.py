"""The newest event of a kind in a stream, found without loading the others."""

from __future__ import annotations

from typing import Any, TypeVar, cast
from uuid import UUID

from services.ledger.domain import EVENTS
from shared.eventstore import Event

E = TypeVar("E", bound=Event)

_NEWEST = (
    "SELECT topic, state FROM events WHERE originator_id = %s AND topic = %s "
    "ORDER BY originator_version DESC LIMIT 1"
)


def newest_event(cursor: Any, stream: UUID, kind: type[E]) -> E | None:
    """Return the newest event of a kind in a stream, None without one."""
    row = cursor.execute(_NEWEST, (stream, kind.topic)).fetchone()
    return cast(E, EVENTS.decode(row["topic"], bytes(row["state"]))) if row else None
