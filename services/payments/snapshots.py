"""What checkout, polls and refunds need to know of a payment."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from services.payments.state import State
from shared.eventstore import Session
from shared.money import Kopecks


class PaymentSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The fields that checkout and polling need of a payment."""

    payment_id: UUID
    acquirer: str
    order_number: str
    acquirer_order_id: str | None
    form_url: str | None
    state: State
    total: Kopecks
    charged: Kopecks | None
    refunded: Kopecks
    created_at: datetime
    is_lost: bool = False
    """It is shown by an order that another one has taken the place of."""


def snapshot(session: Session, payment_id: UUID) -> PaymentSnapshot | None:
    """Return a payment; None when there is no such payment."""
    row = session.read.payment(payment_id)
    return snapshot_of(row) if row else None


def snapshot_by_order(
    session: Session, order_number: str, order_id: str = ""
) -> PaymentSnapshot | None:
    """Return the payment with an order; None when the order is not ours.

    It is shown by that order, also where another one has taken its place.
    """
    row = session.read.payment_by_order(order_number, order_id)
    return of_order(row) if row else None


def of_order(row: dict[str, Any]) -> PaymentSnapshot:
    """Return a payment by one of its orders, which may have been lost."""
    if not row["lost"]:
        return snapshot_of(row)
    own = {"order_number": row["number"], "acquirer": row["at"], "acquirer_order_id": None}
    return msgspec.structs.replace(snapshot_of(row | own), is_lost=True)


def snapshot_of(row: dict[str, Any]) -> PaymentSnapshot:
    """Return what a row of payments says of one."""
    return PaymentSnapshot(
        payment_id=row["payment_id"],
        acquirer=row["acquirer"],
        order_number=row["order_number"],
        acquirer_order_id=row["acquirer_order_id"],
        form_url=row["form_url"],
        state=State(row["state"]),
        total=row["total"],
        charged=row["charged"],
        refunded=row["refunded"],
        created_at=row["created_at"],
    )
