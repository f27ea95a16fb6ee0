"""Who may call an RPC method: services, the gateway, and staff by what they are granted.

The caller is the broker's user that sent the message (:mod:`shared.bus.principals`), never what a
header says. The actor in the headers is believed from the gateway, for persons, and from services.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from shared import context
from shared.books import service_of
from shared.bus.principals import Principal, principal_of
from shared.config import GATEWAY, SERVICES
from shared.errors import Forbidden

_STAFF = "staff:"
_ADDRESS = re.compile(r"reply\.[a-z][a-z0-9_.-]*\.[0-9a-f-]{36}")

EVERYBODY = (*SERVICES, GATEWAY, f"{_STAFF}*")
"""Whoever has a user of his own at the broker, subscribers aside."""


def staff(permission: str) -> str:
    """Return the caller that stands for staff to whom the service grants a permission."""
    return f"{_STAFF}{permission}"


@dataclass(frozen=True)
class Callers:
    """The callers that a method serves; ``permissions`` are those of which staff need one."""

    users: frozenset[str]
    permissions: frozenset[str]

    def check(self, caller: Principal | None) -> None:
        """Raise Forbidden ``caller_not_served`` unless the method serves this caller.

        What one of the staff is granted stands in the database, and is checked by the method.
        """
        if caller is not None:
            is_staff = caller.kind == "staff"
            served = self.permissions if is_staff else service_of(caller.user) in self.users
            if served:
                return
        raise Forbidden("caller_not_served", "This method does not serve the user that called it.")


def callers_of(names: Collection[str]) -> Callers:
    """Read the callers of a method; raises ValueError for none and for an unknown one."""
    permissions = {name.removeprefix(_STAFF) for name in names if name.startswith(_STAFF)}
    users = {name for name in names if not name.startswith(_STAFF)}
    if not names or users - {*SERVICES, GATEWAY}:
        raise ValueError(f"callers are services, {GATEWAY!r} and staff(permission), not {names}")
    return Callers(frozenset(users), frozenset(permissions))


def caller_of(properties: Mapping[str, Any]) -> Principal | None:
    """Return who sent a message: its ``user_id``, which the broker has checked."""
    return principal_of(properties.get("user_id"))


LABELS = (*SERVICES, GATEWAY, "staff", "subscriber", "nobody")
"""What `label_of` returns."""


def label_of(caller: Principal | None) -> str:
    """Return who called, for metrics: of staff and subscribers only that they are such."""
    if caller is None:
        return "nobody"
    return service_of(caller.name) if caller.kind in ("service", "gateway") else caller.kind


def can_reply(properties: Mapping[str, Any]) -> bool:
    """Return whether a request names an address of its sender to which the reply may go.

    The broker closes the channel of a service that replies to any other.
    """
    address = str(properties.get("reply_to") or "")
    user = properties.get("user_id")
    return bool(_ADDRESS.fullmatch(address)) and address.startswith(f"reply.{user}.")


def believed(caller: Principal, headers: Mapping[str, Any]) -> dict[str, Any]:
    """Return the context of a call: what the headers say, as far as this caller is believed.

    Staff act as themselves. The gateway speaks for persons and for strangers, never for staff.
    """
    bound = context.from_headers(headers)
    if caller.kind == "staff":
        bound["actor"] = caller.actor
        bound["asked_at"] = None
    elif caller.kind == "gateway" and not bound["actor"].startswith("person:"):
        bound["actor"] = context.ANONYMOUS
    bound["caller"] = caller.user
    return bound
