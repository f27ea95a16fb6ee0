"""A command as its caller has asked for it: what tells the executions of a call from others."""

from __future__ import annotations

from uuid import UUID

import msgspec

from shared import context
from shared.errors import InternalError, ServiceError, Unavailable, from_wire
from shared.ids import new_id


class Asked(msgspec.Struct, frozen=True):
    """A command by its id and its fingerprint, and when its caller asked the gateway for it:
    seconds since the epoch by this service's clock, None for what has not come by the gateway."""

    id: UUID
    fingerprint: bytes
    at: float | None = None

    @classmethod
    def of_request(cls, fingerprint: bytes) -> Asked:
        """Return a command of the request of this context, by a new id where that has none."""
        request = context.current()
        return cls(request.command_id or new_id(), fingerprint, request.asked_at)


def is_kept(asked: Asked, refusal: ServiceError) -> bool:
    """Return whether this is a new decision, and somebody is told of it."""
    decided = not isinstance(refusal, (Unavailable, InternalError))
    return decided and asked.at is not None and not refusal.told


def kept_refusal(refusal: bytes) -> ServiceError:
    """Return a refusal that was kept, as JSON."""
    error = from_wire(msgspec.json.decode(refusal))
    error.told = True
    return error
