"""What the ledger has posted of a payment, noted again where the log has lost it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec

from services.payments import application
from services.payments.application import PostLine, PostRefund
from services.payments.domain import PaymentOrder
from shared.eventstore import Session


class RecordPostings(msgspec.Struct, frozen=True, kw_only=True):
    """What the ledger has of a payment, as its ``payments_posted`` says."""

    payment_id: UUID
    rows: list[dict[str, Any]]


def record_postings(session: Session, command: RecordPostings) -> None:
    """Record the ledger's postings and refunds of a payment that it has not lost."""
    payment_id = command.payment_id
    left: dict[str, int] = {}
    for row in command.rows:
        account, position = row["account"], row["position"]
        posting = PostLine(
            payment_id=payment_id, account=account, position=position, moved_from=row["moved_from"]
        )
        application.post_line(session, posting)
        if row["reversed"] and not row["moved_to"]:
            application.reverse_line(session, posting)
        left[account] = left.get(account, 0) + row["refunded"]
    payment = session.load(PaymentOrder, payment_id)
    for refund_id, refund in payment.refunds.items():
        for line in refund.lines if refund.state == "made" else ():
            if left.get(line.account, 0) >= line.amount:
                left[line.account] -= line.amount
                [at] = [row["position"] for row in command.rows if row["account"] == line.account]
                application.post_refund(
                    session,
                    PostRefund(
                        payment_id=payment_id,
                        refund_id=refund_id,
                        account=line.account,
                        position=at,
                    ),
                )
