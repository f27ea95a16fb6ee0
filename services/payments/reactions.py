"""Reactions of payments to events of the ledger."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from services.payments.application import PostLine, PostRefund, post_line, post_refund
from shared.bus import Message, Services
from shared.eventstore import Session


def payment_posted(session: Session, message: Message, services: Services) -> None:
    """Mark the line of one account as posted; the last one completes the payment.

    One that staff moved from another account is moved here, too.
    """
    payment_id = _uuid_or_none(str(message.data["payment_id"]))
    if payment_id is None:
        # A payment from a bank register is posted under the bank's own id.
        return
    post_line(
        session,
        PostLine(
            payment_id=payment_id,
            account=message.data["account"],
            position=message.position,
            moved_from=message.data.get("moved_from") or "",
        ),
    )


def payment_refunded(session: Session, message: Message, services: Services) -> None:
    """Mark the refund of one account as posted."""
    payment_id = _uuid_or_none(str(message.data["payment_id"]))
    refund_id = _uuid_or_none(str(message.data["refund_id"]))
    if payment_id is None or refund_id is None:
        return
    post_refund(
        session,
        PostRefund(
            payment_id=payment_id,
            refund_id=refund_id,
            account=message.data["account"],
            position=message.position,
        ),
    )


def _uuid_or_none(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


REACTIONS: Final = {
    "ledger": {"payment_posted": payment_posted, "payment_refunded": payment_refunded}
}
