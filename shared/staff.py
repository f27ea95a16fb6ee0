"""What staff may do: rows of ``staff_grants`` in the database of the service concerned.

A role is a bundle of permissions that ``saldo staff add`` grants at once. What holds is the newest
row of a person and a permission, so one can be given more, or less, than a role has.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, NamedTuple

from shared.money import Kopecks

PERMISSIONS: Mapping[str, tuple[str, ...]] = {
    "ledger": ("adjust", "reverse", "write-off", "approve", "close", "post-payment", "read"),
    "helpdesk": ("read", "answer", "route", "assign", "propose", "close", "find"),
    "payments": ("refund", "approve", "resolve", "import", "read", "find"),
    "accounts": ("read", "link"),
    "notifications": ("read", "resend"),
    "identity": (
        "find",
        "show",
        "unblock",
        "resend",
        "end-sessions",
        "erase",
        "export",
        "restore",
    ),
}
"""All permissions, by service."""

_CORRECTIONS = ("adjust", "reverse", "write-off")

CLERK_UP_TO: Kopecks = 50_000_00
CASHIER_UP_TO: Kopecks = 500_000_00

LIMITS: Mapping[str, Kopecks] = {
    **dict.fromkeys((*_CORRECTIONS, "refund"), CLERK_UP_TO),
    "post-payment": CASHIER_UP_TO,
}
"""The permissions that a role grants with a limit of the day, and that limit."""

MONEY = LIMITS.keys() | {"approve"}
"""The permissions that move money, and so may have a limit."""

_CLERK = {
    "ledger": (*_CORRECTIONS, "read"),
    "helpdesk": PERMISSIONS["helpdesk"],
    "payments": ("refund", "resolve", "read", "find"),
    "accounts": ("read",),
    "notifications": PERMISSIONS["notifications"],
    "identity": ("find", "show", "unblock", "resend", "end-sessions"),
}

ROLES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "clerk": _CLERK,
    "approver": {"ledger": ("approve", "read"), "payments": ("approve", "read")},
    "cashier": {"ledger": ("post-payment", "read"), "payments": ("import", "read")},
    "auditor": {"ledger": ("read",), "payments": ("read",), "accounts": ("read",)},
    "operator": {
        **_CLERK,
        "ledger": (*_CORRECTIONS, "close", "read"),
        "payments": ("refund", "resolve", "import", "read", "find"),
        "accounts": PERMISSIONS["accounts"],
        "identity": PERMISSIONS["identity"],
    },
    "administrator": {},
}
"""Role -> service -> permissions. An administrator changes those of others, and has none."""

LOGIN_PREFIX = "staff."
"""What the logins of staff in the database begin with."""

DatabaseRight = Literal["reader", "writer", "staff_admin"]

DATABASE: Mapping[str, frozenset[DatabaseRight]] = {
    "auditor": frozenset({"reader"}),
    "operator": frozenset({"reader", "writer"}),
    "administrator": frozenset({"staff_admin"}),
}
"""Role -> what its login in the database may be; the other roles have no login."""

READ_BY_AUDITORS = tuple(ROLES["auditor"])
"""The services whose tables an auditor reads: none that are about persons."""


class Grant(NamedTuple):
    """A permission; ``up_to`` is the most that it moves, in kopecks, None: without a limit."""

    up_to: Kopecks | None


class HeldGrant(NamedTuple):
    """A permission that somebody has, and who granted it when and why."""

    name: str
    permission: str
    up_to: Kopecks | None
    by: str
    at: datetime
    reason: str


_NEWEST = (
    "SELECT granted, up_to FROM staff_grants WHERE name = %s AND permission = %s "
    "ORDER BY id DESC LIMIT 1"
)
_ALL = (
    "SELECT * FROM (SELECT DISTINCT ON (name, permission) * FROM staff_grants "
    "ORDER BY name, permission, id DESC) AS newest WHERE granted ORDER BY name, permission"
)
_CHANGE = (
    "INSERT INTO staff_grants (name, permission, up_to, granted, reason) "
    "VALUES (%s, %s, %s, %s, %s)"
)


def granted(cursor: Any, name: str, permission: str) -> Grant | None:
    """Return a permission of somebody in the service of this cursor; None: he may not."""
    row = cursor.execute(_NEWEST, (name, permission)).fetchone()
    return Grant(row["up_to"]) if row is not None and row["granted"] else None


def grants(cursor: Any) -> list[HeldGrant]:
    """Return all permissions that hold in the service of this cursor."""
    rows = cursor.execute(_ALL).fetchall()
    return [HeldGrant(*(row[field] for field in HeldGrant._fields)) for row in rows]


def grant(
    cursor: Any, name: str, permission: str, reason: str, up_to: Kopecks | None = None
) -> None:
    """Grant a permission, or change its limit; does nothing when it is so already."""
    known = granted(cursor, name, permission)
    if known is None or known.up_to != up_to:
        cursor.execute(_CHANGE, (name, permission, up_to, True, reason))


def revoke(cursor: Any, name: str, permission: str, reason: str) -> None:
    """Take a permission away; does nothing when it is not granted."""
    if granted(cursor, name, permission) is not None:
        cursor.execute(_CHANGE, (name, permission, None, False, reason))
