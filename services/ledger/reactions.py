"""Reactions to events of other services: open accounts, change their payers, post payments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from typing import Any
from uuid import UUID

from services.ledger.application import (
    ChangePayerKind,
    OpenAccount,
    PaidLine,
    PostPayment,
    RefundedLine,
    RefundPayment,
    change_payer_kind,
    open_account,
    post_payment,
    refund_payment,
)
from services.ledger.domain.events import TakenElsewhere
from services.ledger.loading import accounts_at_hand, load_account
from services.ledger.ownership import is_stranger, strangers
from services.ledger.tenures import (
    CloseTenure,
    OpenTenure,
    close_tenure,
    open_tenure,
    paid_key,
)
from shared.account_key import FIRST, key_of
from shared.bus import Message, NotYet, Services
from shared.errors import NotFound
from shared.eventstore import Session
from shared.logs import get_logger

log = get_logger(__name__)


def contract_registered(session: Session, message: Message, services: Services) -> None:
    """Open the account of a new contract, with nothing owed, unless another book does.

    One that a file has opened already takes the kind of payer of the contract.
    """
    data = message.data
    if is_stranger(session, data["number"]):
        return
    amended = load_account(session, data["number"]).other_kind_since is not None
    open_account(session, OpenAccount(number=data["number"], payer_kind=data["payer_kind"]))
    if not amended:  # else a later amendment decides, should this one come again
        contract_amended(session, message, services)


def contract_amended(session: Session, message: Message, services: Services) -> None:
    """Take over the kind of payer of a contract, from the day of the amendment on."""
    data = message.data
    key, day = key_of(data["number"], data.get("tenure", FIRST)), data.get("effective_on")
    if is_stranger(session, key):
        return
    change_payer_kind(
        session,
        ChangePayerKind(
            number=key,
            payer_kind=data["payer_kind"],
            effective_on=date.fromisoformat(day) if day else session.clock.day_of(message.time),
        ),
    )


def tenure_opened(session: Session, message: Message, services: Services) -> None:
    """Open the account of a number's next holder; his months come from the former one."""
    data = message.data
    if is_stranger(session, key_of(data["number"], data.get("tenure", FIRST))):
        return
    open_tenure(
        session,
        OpenTenure(
            number=data["number"],
            tenure=data.get("tenure", FIRST),
            since=date.fromisoformat(data["since"]),
            payer_kind=data["payer_kind"],
        ),
    )


def tenure_closed(session: Session, message: Message, services: Services) -> None:
    """Close the account of a holder after his last day."""
    data = message.data
    if is_stranger(session, key_of(data["number"], data.get("tenure", FIRST))):
        return
    command = CloseTenure(
        number=data["number"],
        tenure=data.get("tenure", FIRST),
        until=date.fromisoformat(data["until"]),
    )
    close_tenure(session, command)


def payment_captured(session: Session, message: Message, services: Services) -> None:
    """Post a captured payment to each of its accounts that is of this book, on the day of it."""
    data: dict[str, Any] = message.data
    payment_id, keys = UUID(data["payment_id"]), list(map(_key, data["lines"]))
    at_hand = accounts_at_hand(session, keys, payment_id)
    strange = strangers(session, [key for key in keys if not at_hand[key].version])
    lines = tuple(
        PaidLine(account=key, amount=line["amount"], penalty=line["penalty"])
        for key, line in zip(keys, data["lines"], strict=True)
        if key not in strange
    )
    if not lines:
        return
    command = PostPayment(
        payment_id=payment_id,
        paid_on=date.fromisoformat(data["paid_on"]),
        lines=lines,
    )
    # The contract arrives by another queue, which may be behind this one.
    with _waiting("The account is not open yet."):
        post_payment(session, command)


def payment_refunded(session: Session, message: Message, services: Services) -> None:
    """Take back what went back of a payment, on all of its accounts of this book or on none.

    Where staff had reversed the payment before, nothing is left to take back, and nothing is
    recorded.
    """
    data: dict[str, Any] = message.data
    strange = strangers(session, map(_key, data["lines"]))
    lines = tuple(
        RefundedLine(account=key, amount=line["amount"])
        for line in data["lines"]
        if (key := _key(line)) not in strange
    )
    if not lines:
        return
    command = RefundPayment(
        payment_id=UUID(data["payment_id"]),
        refund_id=UUID(data["refund_id"]),
        refunded_on=date.fromisoformat(data["refunded_on"]),
        lines=lines,
    )
    with _waiting("The payment is not posted yet."):
        result = refund_payment(session, command)
    if result["without_effect"]:
        log.warning(
            "refund_without_effect",
            payment_id=data["payment_id"],
            refund_id=data["refund_id"],
            accounts=result["without_effect"],
        )


@contextmanager
def _waiting(why: str) -> Iterator[None]:
    """Put a message aside until what it needs is there; the others of its queue go on."""
    try:
        yield
    except NotFound as error:
        raise NotYet(why) from error


def _key(line: Mapping[str, Any]) -> str:
    """Return the key of the account of a line."""
    return key_of(line["account"], line.get("tenure", FIRST))


def bank_payment_accepted(session: Session, message: Message, services: Services) -> None:
    """Post a payment of a bank's register to the holder of now, on the day the bank took it.

    A message that comes again finds it where it was posted then.
    """
    data: dict[str, Any] = message.data
    payment_id, number = UUID(data["payment_id"]), data["account"]
    key = paid_key(session, payment_id, number)
    at_hand = accounts_at_hand(session, [key], payment_id)
    if not at_hand[key].version and is_stranger(session, key):
        return
    line = PaidLine(account=key, amount=data["amount"], penalty=0)
    command = PostPayment(
        payment_id=payment_id,
        paid_on=date.fromisoformat(data["paid_on"]),
        lines=(line,),
        taken=TakenElsewhere(place="bank", document=data["document"]),
    )
    with _waiting("The account is not open yet."):
        post_payment(session, command)


REACTIONS = {
    "accounts": {
        "contract_registered": contract_registered,
        "contract_amended": contract_amended,
        "tenure_opened": tenure_opened,
        "tenure_closed": tenure_closed,
    },
    "payments": {
        "payment_captured": payment_captured,
        "payment_refunded": payment_refunded,
        "bank_payment_accepted": bank_payment_accepted,
    },
}
