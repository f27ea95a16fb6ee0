"""What staff may do: rows of the service's own database, which the service can only read."""

from __future__ import annotations

from typing import Any, NamedTuple

from shared.money import Kopecks


class Grant(NamedTuple):
    """A permission; ``up_to`` is the largest amount of one command, None: no limit."""

    up_to: Kopecks | None


def granted(cursor: Any, name: str, permission: str) -> Grant | None:
    """Return what one of the staff is granted, or None."""
    row = cursor.execute(
        "SELECT granted, up_to FROM staff_grants WHERE name = %s AND permission = %s "
        "ORDER BY id DESC LIMIT 1",
        (name, permission),
    ).fetchone()
    return Grant(row["up_to"]) if row is not None and row["granted"] else None
