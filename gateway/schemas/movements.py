"""The movements of an account, as a statement has them."""

from __future__ import annotations

from marshmallow import fields

from gateway.schemas.base import (
    Result,
    day,
    described,
    instant,
    kopecks,
    output_text,
)


class Taken(Result):
    """Where a payment was taken, for one that did not come through the cabinet."""

    place = output_text("`cash_desk` or `bank`.", "cash_desk")
    document = output_text("The number of the document; may be empty.", "117")


class Movement(Result):
    """One entry of the ledger on the account."""

    position = fields.Integer(required=True, metadata=described("Its position in the ledger.", 17))
    effective_on = day("The day on which it takes effect.")
    recorded_at = instant("When it was recorded.")
    kind = output_text(
        "`opening` (the debt at the takeover of the account), `charges`, `adjustment` (of a bill), "
        "`penalty`, `penalty_correction`, `penalty_write_off`, `payment`, `payment_reversal`, "
        "`payment_refund` (money went back to the payer), `payment_moved_here` and "
        "`payment_moved_away` (a payment was made to the wrong account), "
        "`payer_kind` (another kind of payer, by whose rules penalties are from that day on), "
        "`advance_settled` (an advance has paid a debt), `closed` (the holder's time has ended; "
        "none of these changes the balance); show an unknown kind by its `text`.",
        "charges",
    )
    text = output_text("A description for people.", "Начисления за 2026-10")
    period = output_text("The month of a bill; null: it is about none.", "2026-10", allow_none=True)
    payment_id = output_text(
        "The payment that is posted, reversed, refunded or moved, else null.",
        "018f3c1e-7a3b-7c11-9b1f-2f6d1c9e4a10",
        allow_none=True,
    )
    taken = fields.Nested(
        Taken,
        required=True,
        allow_none=True,
        metadata=described("Where a payment was taken; null: in the cabinet, or no payment."),
    )
    amount = kopecks("The change of the debt for services, signed", 450000)
    penalty = kopecks("The change of the penalty, signed", 0)
    balance = kopecks(
        "The balance afterwards: debt and penalty less advance; negative if paid in advance", 450000
    )
