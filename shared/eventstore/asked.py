"""A command as its caller has asked for it: what tells the executions of a call from others."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec

from shared import context
from shared.errors import InternalError, ServiceError, Unavailable, from_wire
from shared.ids import new_id


class Asked(msgspec.Struct, frozen=True):
    """A command by its id and its fingerprint, and when its caller asked for it: seconds since the
    epoch by the database's clock, as far as the gateway knows it; None if nobody waits."""

    id: UUID
    fingerprint: bytes
    at: float | None = None

    @classmethod
    def now(cls, fingerprint: bytes) -> Asked:
        """Return a command of the request of this context, by a new id where that has none."""
        request = context.current()
        return cls(request.command_id or new_id(), fingerprint, request.asked_at)


def is_kept(asked: Asked, refusal: ServiceError) -> bool:
    """Return whether this is a new decision, and somebody is told of it."""
    decided = not isinstance(refusal, (Unavailable, InternalError))
    return decided and asked.at is not None and not refusal.told


def told(refusal: dict[str, Any]) -> ServiceError:
    """Return a refusal that was kept."""
    error = from_wire(refusal)
    error.told = True
    return error
