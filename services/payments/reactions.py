"""Reactions of payments to events of the ledger, and to accounts that are closed."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from services.payments.application import (
    PostLine,
    PostRefund,
    post_line,
    post_refund,
    reverse_line,
)
from services.payments.registers.receiving import (
    RecordPosting,
    post_bank_payment,
    reverse_bank_payment,
)
from shared.account_key import FIRST, key_of
from shared.bus import Message, Services
from shared.eventstore import Session


def payment_posted(session: Session, message: Message, services: Services) -> None:
    """Mark the line of one account as posted; the last one completes the payment.

    One that staff moved from another account is moved here, too.
    """
    payment_id = _uuid_or_none(str(message.data["payment_id"]))
    if payment_id is None:
        # A payment of a cash desk is posted under the desk's own id.
        return
    if _is_of_register(session, payment_id):
        post_bank_payment(session, _posting(payment_id, message))
        return
    post_line(
        session,
        PostLine(
            payment_id=payment_id,
            account=_key(message),
            position=message.position,
            moved_from=_key(message, "moved_from"),
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
            account=_key(message),
            position=message.position,
        ),
    )


def payment_reversed(session: Session, message: Message, services: Services) -> None:
    """Put a payment from a bank's register back into suspense; one that is moved stays posted.

    Of a payment of the cabinet nothing is left then that a refund could be taken back from.
    """
    payment_id = _uuid_or_none(str(message.data["payment_id"]))
    if payment_id is None or message.data.get("moved_to"):
        return
    if _is_of_register(session, payment_id):
        reverse_bank_payment(session, _posting(payment_id, message))
        return
    command = PostLine(payment_id=payment_id, account=_key(message), position=message.position)
    reverse_line(session, command)


def tenure_closed(session: Session, message: Message, services: Services) -> None:
    """Have the open payments of an account closed: it is no longer its holder's."""
    key = key_of(message.data["number"], message.data.get("tenure", FIRST))
    session.read.closed_accounts.add(key, session.now)


def _key(message: Message, account: str = "account") -> str:
    """Return the key of an account that the ledger names; "" for none."""
    number = message.data.get(account) or ""
    tenure = message.data.get("tenure" if account == "account" else f"{account}_tenure", FIRST)
    return key_of(number, tenure) if number else ""


def _is_of_register(session: Session, payment_id: UUID) -> bool:
    return session.peek.registers.payment(payment_id) is not None


def _posting(payment_id: UUID, message: Message) -> RecordPosting:
    """Return where a bank's payment is posted: a bank knows the number alone."""
    return RecordPosting(
        payment_id=payment_id,
        account=message.data["account"],
        position=message.position,
        moved_from=message.data.get("moved_from") or "",
    )


def _uuid_or_none(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


REACTIONS: Final = {
    "ledger": {
        "payment_posted": payment_posted,
        "payment_refunded": payment_refunded,
        "payment_reversed": payment_reversed,
    },
    "accounts": {"tenure_closed": tenure_closed},
}
