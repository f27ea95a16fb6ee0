"""Payments: what is due, an order over several accounts, the history, a receipt."""

from __future__ import annotations

from marshmallow import fields, validate

from gateway.schemas.base import (
    QueryInteger,
    Result,
    Shape,
    account_number,
    cursor,
    described,
    identifier,
    input_amount,
    instant,
    kopecks,
    length,
    next_cursor,
    notice,
    output_text,
    page_size,
)
from shared.money import MAX_AMOUNT


class DueLine(Result):
    """One line of the prefilled page «Платежи-Оплатить» (S20)."""

    account = output_text("The personal account.", "0001234")
    address = output_text(
        "The address; null if erased.", "г. Рязань, ул. Ленина, д. 5", allow_none=True
    )
    amount = kopecks("«Сумма»: the debt less the advance", 450000)
    penalty = kopecks("«Пени»: owed by the rules through today", 1425)
    penalty_accrued = kopecks(
        "The penalty that is booked by now, and neither paid nor written off; it may be less or "
        "more than `penalty`",
        1200,
    )
    total = kopecks("`amount` and `penalty`", 451425)
    advance = kopecks("«Переплата»: paid beyond the debt; 0 where there is one", 0)


class Due(Result):
    """The amounts due on every linked account."""

    accounts = fields.List(fields.Nested(DueLine), required=True)
    total = kopecks("All accounts together", 451425)


MOST_LINES = 10
MOST_OF_LINE = MAX_AMOUNT // (2 * MOST_LINES)
"""The most of one amount, so that a sum of all lines is never too large."""


class RequestedPaymentLine(Shape):
    """One account of the order; it is left out if both amounts are zero (S22)."""

    account = account_number()
    amount = input_amount("«Сумма»: for services", 450000, MOST_OF_LINE)
    penalty = input_amount("«Пени»", 1425, MOST_OF_LINE)


class StartPayment(Shape):
    """One order over the accounts listed: «Заплатить»."""

    joint_rules = {  # noqa: RUF012 - never changed
        "anyOf": [
            {"properties": {"lines": {"contains": {"properties": {part: {"minimum": 1}}}}}}
            for part in ("amount", "penalty")
        ]
    }
    lines = fields.List(
        fields.Nested(RequestedPaymentLine),
        required=True,
        validate=length(1, MOST_LINES),
        metadata=described("Each linked account at most once; not all amounts are zero."),
    )


class PaymentStarted(Result):
    """The started payment; the card is entered on the acquirer's page (S21)."""

    payment_id = identifier("The id of the payment.")
    total = kopecks("The total to be charged", 451425)
    redirect_url = output_text("The acquirer's page.", allow_none=True)
    state = output_text("Usually `awaiting_payment`.", "awaiting_payment")


class Allocation(Result):
    """The part of a payment allocated to one service of one month."""

    period = output_text(
        "The month, YYYY-MM; 0001-01 is the debt at the takeover of the account.", "2026-10"
    )
    service = output_text("The code of the service.", "heating")
    name = output_text(
        "Its name by the account's last bills; its code where none of them has it.", "Отопление"
    )
    amount = kopecks("The part", 450000)


class PaymentLine(Result):
    """The part of a payment for one account."""

    account = output_text("The personal account.", "0001234")
    amount = kopecks("For services", 450000)
    penalty = kopecks("Penalty", 1425)
    posted = fields.Boolean(
        required=True, metadata=described("Whether the ledger has posted it.", True)
    )
    allocation = fields.List(
        fields.Nested(Allocation),
        metadata=described(
            "The months and services that the line has paid; present when requested, once the "
            "ledger has posted the line."
        ),
    )


class Payment(Result):
    """A payment and its state."""

    payment_id = identifier("The id of the payment.")
    state = output_text(
        "`created`, `awaiting_payment`, `captured` (the card is charged), `completed` (every line "
        "is in the ledger), `failed`, `expired`.",
        "completed",
    )
    total = kopecks("The sum of its lines", 451425)
    lines = fields.List(fields.Nested(PaymentLine), required=True)
    created_at = instant("When it was started.")
    captured_at = instant("When the card was charged; null before that.", allow_none=True)
    masked_card = output_text("The card, masked.", "411111**1111", allow_none=True)
    failure = output_text("The reason of the failure, or null.", "declined", allow_none=True)
    outcome = output_text(
        "What the acquirer reports of a payment that is not decided: `pending` (the card is not "
        "charged yet), `unknown` (no report), `mismatch` (another amount than ordered); else null.",
        "pending",
        allow_none=True,
    )
    next_check_at = instant(
        "When the acquirer is polled next; null when it is not polled any more.", allow_none=True
    )
    redirect_url = output_text(
        "The acquirer's page of this payment, as long as the card can be entered there.",
        allow_none=True,
    )
    message = notice()


def _with_allocation() -> fields.Boolean:
    return fields.Boolean(
        load_default=False,
        truthy={"true"},
        falsy={"false"},
        metadata=described("Add the allocation of each line to months and services.", True),
    )


class PaymentQuery(Shape):
    """Whether to ask the acquirer."""

    refresh = fields.Boolean(
        load_default=False,
        truthy={"true"},
        falsy={"false"},
        metadata=described("Ask the acquirer first if the payment is still pending.", True),
    )
    allocation = _with_allocation()


class HistoryQuery(Shape):
    """A page of payments, newest first."""

    before = cursor("Payments before", "WyJwYXltZW50cyIsImNERTMiXQ")
    limit = page_size(20, 100)
    account = account_number(required=False, load_default=None)
    year = QueryInteger(
        load_default=None,
        validate=validate.Range(min=2000, max=2199, error="field_range 2000 2199"),
        metadata=described("Only payments started in this year.", 2026),
    )
    allocation = _with_allocation()


class History(Result):
    """Payments of the person, newest first (S23)."""

    payments = fields.List(fields.Nested(Payment), required=True)
    next = next_cursor()


class Posting(Result):
    """The entry of the ledger for one line of a payment."""

    account = output_text("The personal account.", "0001234")
    position = fields.Integer(required=True, metadata=described("Its position in the ledger.", 42))
    amount = kopecks("For services", 450000)
    penalty = kopecks("Penalty", 1425)
    allocation = fields.List(
        fields.Nested(Allocation),
        required=True,
        metadata=described("The months and services that were paid; the rest is an advance."),
    )


class InclusionProof(Result):
    """An inclusion proof with its signed checkpoint (RFC 9162, C2SP tlog-checkpoint).

    The verifier of the ledger's seal checks it, saved as a file, without access to Saldo.
    """

    format = output_text("The format of the proof.", "saldo-inclusion-proof-v1")
    position = fields.Integer(
        required=True, metadata=described("The position of the posting in the ledger.", 42)
    )
    index = fields.Integer(required=True, metadata=described("Its index in the tree, from 0.", 41))
    size = fields.Integer(
        required=True, metadata=described("The number of events sealed by the checkpoint.", 64)
    )
    leaf = output_text("The posting as it was sealed, in base64.")
    path = fields.List(
        fields.String(),
        required=True,
        metadata=described("The hashes from the leaf to the root, in base64."),
    )
    checkpoint = output_text("The checkpoint, a signed note.")


class Proof(Result):
    """The proof that one posting is in the sealed log."""

    account = output_text("The personal account.", "0001234")
    proof = fields.Nested(
        InclusionProof,
        required=True,
        allow_none=True,
        metadata=described(
            "The proof; null until the log is sealed up to the posting, about a minute."
        ),
    )


class Receipt(Result):
    """The payment, its entries in the ledger, and their inclusion proofs."""

    payment = fields.Nested(Payment, required=True)
    postings = fields.List(fields.Nested(Posting), required=True)
    proofs = fields.List(
        fields.Nested(Proof), required=True, metadata=described("One for each posting.")
    )


class CallbackAccepted(Result):
    """The acquirer's callback has been processed."""

    accepted = fields.Boolean(required=True, metadata=described("Always true.", True))
