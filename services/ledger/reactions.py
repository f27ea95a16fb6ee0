"""What the ledger does when others have decided: it opens accounts and posts payments."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from uuid import UUID

from services.ledger.application import (
    OpenAccount,
    PaidLine,
    PostPayment,
    open_account,
    post_payment,
)
from shared.bus import Message, Services
from shared.errors import NotFound, Unavailable
from shared.eventstore import Session

PATIENCE = timedelta(minutes=5)


def contract_registered(session: Session, message: Message, services: Services) -> None:
    """A new contract gets its account, with nothing owed."""
    data = message.data
    open_account(session, OpenAccount(number=data["number"], payer_kind=data["payer_kind"]))


def payment_captured(session: Session, message: Message, services: Services) -> None:
    """Money was taken: it is posted to each account of the payment, on the day it was paid."""
    data: dict[str, Any] = message.data
    lines = tuple(
        PaidLine(account=line["account"], amount=line["amount"], penalty=line["penalty"])
        for line in data["lines"]
    )
    command = PostPayment(
        payment_id=UUID(data["payment_id"]),
        paid_on=date.fromisoformat(data["paid_on"]),
        lines=lines,
    )
    try:
        post_payment(session, command)
    except NotFound as error:
        # The contract reaches us by another queue, which may be behind this one: a payment of a
        # minute ago waits for it; an old one is put aside for staff to look at.
        if session.now - message.time > PATIENCE:
            raise
        raise Unavailable(error.code, "The account is not open yet.") from error


REACTIONS = {
    "accounts": {"contract_registered": contract_registered},
    "payments": {"payment_captured": payment_captured},
}
