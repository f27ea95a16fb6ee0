"""What staff moved, by person and day: the base of their limits."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

from shared.eventstore.append_lock import take_append_lock
from shared.money import Kopecks

APPROVE = "approve"

_SUM = (
    "SELECT coalesce(sum(amount), 0)::bigint AS amount FROM staff_movements "
    "WHERE name = %s AND day = %s AND (permission = 'approve') = %s"
)
_ADD = (
    "INSERT INTO staff_movements (correction_id, name, permission, day, amount) "
    "VALUES (%s, %s, %s, %s, %s)"
)


def hold_movements(cursor: Any) -> None:
    """Let nobody else add movements until this transaction ends."""
    # The append lock, which this transaction needs anyway: until it ends nobody else's movements
    # are added up, or two corrections at once would each fit into what is left of the day.
    take_append_lock(cursor)


def moved(cursor: Any, name: str, day: date, *, by_approval: bool) -> Kopecks:
    """Return what a person moved by a day: alone, or by approving what others proposed."""
    cursor.execute(_SUM, (name, day, by_approval))
    return int(cursor.fetchone()["amount"])


def add_movement(
    cursor: Any, correction_id: UUID, name: str, permission: str, day: date, amount: Kopecks
) -> None:
    """Add what a person moved by one correction."""
    cursor.execute(_ADD, (correction_id, name, permission, day, amount))
