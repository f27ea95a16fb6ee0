"""Reactions to events of other services: open accounts, change their payers, post payments."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from uuid import UUID

from services.ledger.application import (
    ChangePayerKind,
    OpenAccount,
    PaidLine,
    PostPayment,
    change_payer_kind,
    open_account,
    post_payment,
)
from services.ledger.domain.events import TakenElsewhere
from shared.bus import Message, Services
from shared.errors import NotFound, Unavailable
from shared.eventstore import Session

PATIENCE = timedelta(minutes=5)


def contract_registered(session: Session, message: Message, services: Services) -> None:
    """Open the account of a new contract, with nothing owed.

    One that a file has opened already takes the kind of payer of the contract.
    """
    data = message.data
    open_account(session, OpenAccount(number=data["number"], payer_kind=data["payer_kind"]))
    contract_amended(session, message, services)


def contract_amended(session: Session, message: Message, services: Services) -> None:
    """Take over the kind of payer of a contract, from the day of the amendment on."""
    data = message.data
    day = data.get("effective_on")
    change_payer_kind(
        session,
        ChangePayerKind(
            number=data["number"],
            payer_kind=data["payer_kind"],
            effective_on=date.fromisoformat(day) if day else session.clock.day_of(message.time),
        ),
    )


def payment_captured(session: Session, message: Message, services: Services) -> None:
    """Post a captured payment to each of its accounts, on the day it was paid."""
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
        # The contract arrives by another queue, which may be behind this one: a recent payment
        # waits for it; an old one is parked for staff.
        if session.now - message.time > PATIENCE:
            raise
        raise Unavailable(error.code, "The account is not open yet.") from error


def bank_payment_accepted(session: Session, message: Message, services: Services) -> None:
    """Post a payment of a bank's register, on the day that the bank took it."""
    data: dict[str, Any] = message.data
    post_payment(
        session,
        PostPayment(
            payment_id=UUID(data["payment_id"]),
            paid_on=date.fromisoformat(data["paid_on"]),
            lines=(PaidLine(account=data["account"], amount=data["amount"], penalty=0),),
            taken=TakenElsewhere(place="bank", document=data["document"]),
        ),
    )


REACTIONS = {
    "accounts": {
        "contract_registered": contract_registered,
        "contract_amended": contract_amended,
    },
    "payments": {
        "payment_captured": payment_captured,
        "bank_payment_accepted": bank_payment_accepted,
    },
}
