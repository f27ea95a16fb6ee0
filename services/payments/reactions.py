"""Reactions of payments to events of the ledger."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from services.payments.application import PostLine, post_line
from shared.bus import Message, Services
from shared.eventstore import Session


def payment_posted(session: Session, message: Message, services: Services) -> None:
    """Mark the line of one account as posted; the last one completes the payment."""
    payment_id = _uuid_or_none(str(message.data["payment_id"]))
    if payment_id is None:
        # A payment from a bank register is posted under the bank's own id.
        return
    post_line(
        session,
        PostLine(payment_id=payment_id, account=message.data["account"], position=message.position),
    )


def _uuid_or_none(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


REACTIONS: Final = {"ledger": {"payment_posted": payment_posted}}
