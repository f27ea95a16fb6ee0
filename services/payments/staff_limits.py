"""What one of the staff may do with payments, and how much of money a day.

Permissions and limits are rows that only an administrator writes (:mod:`shared.staff`), read in the
transaction of the decision. A limit is for a person and a day, so that a large refund is not made
by dividing it into small ones: what somebody refunds alone counts against `refund`, what he
approves against `approve`.
"""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

import msgspec

from shared.errors import Forbidden
from shared.eventstore import Session
from shared.money import Kopecks, format_roubles
from shared.staff import Grant, granted

REFUND, APPROVE = "refund", "approve"
STAFF: Final = "staff:"

_HOLD: Final = "SELECT pg_advisory_xact_lock(hashtextextended('payments.staff_movements', 0))"
_SUM: Final = (
    "SELECT coalesce(sum(amount), 0)::bigint AS amount FROM staff_movements"
    " WHERE name = %s AND day = %s AND (permission = 'approve') = %s"
)
_ADD: Final = (
    "INSERT INTO staff_movements (command_id, name, permission, day, amount)"
    " VALUES (%s, %s, %s, %s, %s)"
)


class Allowance(msgspec.Struct, frozen=True):
    """What a person may still move today by a permission, in kopecks; `left` None: no limit."""

    name: str
    permission: str
    left: Kopecks | None

    def covers(self, amount: Kopecks) -> bool:
        """Return whether an amount is within what is left."""
        return self.left is None or amount <= self.left

    def refuse_beyond(self, amount: Kopecks) -> None:
        """Raise Forbidden `above_limit` for an amount beyond what is left."""
        if not self.covers(amount):
            raise Forbidden(
                "above_limit",
                f"{self.name} may {self.permission} {format_roubles(max(self.left or 0, 0))} more "
                f"today, not {format_roubles(amount)}: somebody with a higher limit must do it.",
                permission=self.permission,
            )

    def use(self, session: Session, command_id: UUID, amount: Kopecks) -> None:
        """Count an amount against the limits of today."""
        session.cursor.execute(
            _ADD, (command_id, self.name, self.permission, session.today, amount)
        )


def hold_movements(session: Session) -> None:
    """Let nobody else add movements until this transaction ends."""
    session.cursor.execute(_HOLD)


def may(session: Session, actor: str, permission: str) -> bool:
    """Return whether an actor is one of the staff, and has a permission."""
    return _granted(session, actor, permission) is not None


def allowance(session: Session, actor: str, permission: str) -> Allowance:
    """Return what an actor may still move today; raises Forbidden `staff_may_not`.

    In a transaction that writes, call `hold_movements` before.
    """
    grant = _granted(session, actor, permission)
    if grant is None:
        raise Forbidden(
            "staff_may_not",
            f"{actor.removeprefix(STAFF)} may not {permission} payments; an administrator grants "
            "it by `saldo staff may`.",
            permissions=[permission],
        )
    name = actor.removeprefix(STAFF)
    if grant.up_to is None:
        return Allowance(name, permission, None)
    cursor: Any = session.cursor
    cursor.execute(_SUM, (name, session.today, permission == APPROVE))
    return Allowance(name, permission, grant.up_to - int(cursor.fetchone()["amount"]))


def _granted(session: Session, actor: str, permission: str) -> Grant | None:
    if not actor.startswith(STAFF):
        return None
    return granted(session.cursor, actor.removeprefix(STAFF), permission)
