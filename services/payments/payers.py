"""Who started a payment: the one view of staff that leads to a person."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec

from shared.errors import NotFound
from shared.eventstore import Session


class PayerWanted(msgspec.Struct, frozen=True, kw_only=True):
    payment_id: UUID


def payer(session: Session, wanted: PayerWanted) -> dict[str, Any]:
    """Return {person_id} of whoever started a payment; the security log has who asked.

    Raises NotFound `payment_not_found`.
    """
    row = session.read.payment(wanted.payment_id)
    if row is None:
        raise NotFound("payment_not_found", "There is no such payment.")
    session.security.note(
        "payer_found", person_id=row["person_id"], about=f"payment:{wanted.payment_id}"
    )
    return {"person_id": str(row["person_id"])}
