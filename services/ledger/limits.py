"""What one of the staff may do, and how much a day.

Permissions and limits are rows that only an administrator writes (:mod:`shared.staff`). They are
read in the transaction of the decision, so that taking one away or lowering it has effect at once.

A limit is for a person and a day, not for a command: a large correction is not made by dividing it
into small ones. What somebody moves alone counts against the limit of the permission that he uses,
whichever verbs he moved it by; what he approves counts against the limit of ``approve``. Signs do
not matter: giving and taking do not cancel out.
"""

from __future__ import annotations

from uuid import UUID

import msgspec

from services.ledger.domain.proposal import (
    AdjustCharges,
    Correction,
    MovePayment,
    ReversePayment,
    WriteOffPenalty,
)
from services.ledger.tables.staff_movements import APPROVE
from shared.errors import Forbidden
from shared.eventstore import Session
from shared.money import Kopecks, format_roubles
from shared.staff import Grant

ADJUST, REVERSE, WRITE_OFF, POST_PAYMENT = "adjust", "reverse", "write-off", "post-payment"
UNGRANTED_IMPORT: Kopecks = 50_000_00
CORRECTING = (ADJUST, REVERSE, WRITE_OFF)
STAFF = "staff:"

_PERMISSIONS: dict[type[Correction], str] = {
    AdjustCharges: ADJUST,
    ReversePayment: REVERSE,
    MovePayment: REVERSE,
    WriteOffPenalty: WRITE_OFF,
}


class Allowance(msgspec.Struct, frozen=True):
    """What a person may still move today by a permission, in kopecks; ``left`` None: no limit."""

    name: str
    permission: str
    left: Kopecks | None

    def covers(self, amount: Kopecks) -> bool:
        """Return whether an amount is within what is left."""
        return self.left is None or amount <= self.left

    def check(self, amount: Kopecks) -> None:
        """Raise Forbidden ``above_limit`` for an amount beyond what is left."""
        if not self.covers(amount):
            raise Forbidden(
                "above_limit",
                f"{self.name} may {self.permission} {format_roubles(max(self.left or 0, 0))} more "
                f"today, not {format_roubles(amount)}: somebody with a higher limit must do it.",
                permission=self.permission,
            )

    def use(self, session: Session, correction_id: UUID, amount: Kopecks) -> None:
        """Count an amount against the limits of today."""
        session.read.add_movement(correction_id, self.name, self.permission, session.today, amount)


def permission_for(correction: Correction) -> str:
    """Return the permission that a correction takes."""
    return _PERMISSIONS[type(correction)]


def may(session: Session, actor: str, permission: str) -> bool:
    """Return whether an actor is one of the staff, and has a permission."""
    return _granted(session, actor, permission) is not None


def check_may(session: Session, actor: str, permission: str) -> None:
    """Raise Forbidden ``staff_may_not`` for an actor without a permission."""
    if not may(session, actor, permission):
        raise _may_not(actor, permission)


def allowance(session: Session, actor: str, permission: str) -> Allowance:
    """Return what an actor may still move today; raises as `check_may`.

    In a transaction that writes, call ``session.read.hold_movements()`` before.
    """
    grant = _granted(session, actor, permission)
    if grant is None:
        raise _may_not(actor, permission)
    name = actor.removeprefix(STAFF)
    if grant.up_to is None:
        return Allowance(name, permission, None)
    moved = session.read.moved(name, session.today, by_approval=permission == APPROVE)
    return Allowance(name, permission, grant.up_to - moved)


def largest_imported_adjustment(session: Session, actor: str) -> Kopecks | None:
    """Return the most that one adjustment of an imported file may move; None: no limit.

    It keeps a typing error out, and no thief: whoever imports may post a bill of any sum.
    """
    grant = _granted(session, actor, ADJUST)
    return UNGRANTED_IMPORT if grant is None else grant.up_to


def _granted(session: Session, actor: str, permission: str) -> Grant | None:
    if not actor.startswith(STAFF):
        return None
    found: Grant | None = session.read.granted(actor.removeprefix(STAFF), permission)
    return found


def _may_not(actor: str, permission: str) -> Forbidden:
    return Forbidden(
        "staff_may_not",
        f"{actor.removeprefix(STAFF)} may not {permission} in the ledger; an administrator grants "
        "it by `saldo staff may`.",
        permissions=[permission],
    )
