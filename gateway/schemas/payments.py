"""Paying: what is due, an order over several accounts, history, receipt."""

from __future__ import annotations

from marshmallow import fields

from gateway.schemas.base import (
    Answered,
    Shape,
    account_number,
    asked,
    cursor,
    described,
    following,
    identifier,
    instant,
    kopecks,
    length,
    notice,
    page_size,
    said,
)


class DueLine(Answered):
    """What the page «Платежи-Оплатить» is prefilled with (S20)."""

    account = said("The personal account.", "0001234")
    address = said("The address; null: erased.", "г. Рязань, ул. Ленина, д. 5", allow_none=True)
    amount = kopecks("«Сумма»: the debt less what is paid in advance", 450000)
    penalty = kopecks("«Пени»", 1425)
    total = kopecks("Both", 451425)


class Due(Answered):
    """What is due on every linked account."""

    accounts = fields.List(fields.Nested(DueLine), required=True)
    total = kopecks("All accounts together", 451425)


class PaymentLineAsked(Shape):
    """One account of the order; with two zeros it is left out (S22)."""

    account = account_number()
    amount = asked("«Сумма»: for services", 450000)
    penalty = asked("«Пени»", 1425)


class StartPayment(Shape):
    """«Заплатить»: one order over the accounts named."""

    lines = fields.List(
        fields.Nested(PaymentLineAsked),
        required=True,
        validate=length(1, 10),
        metadata=described("Each linked account at most once."),
    )


class PaymentStarted(Answered):
    """Where the card is entered: on the acquirer's page, never here (S21)."""

    payment_id = identifier("Names the payment.")
    total = kopecks("What will be charged", 451425)
    redirect_url = said("The acquirer's page.", allow_none=True)
    state = said("`awaiting_payment`, as a rule.", "awaiting_payment")


class Allocation(Answered):
    """What part of a payment settled what."""

    period = said(
        "The month, YYYY-MM; 0001-01: what was owed when the account was taken over.", "2026-10"
    )
    service = said("The code of the service.", "heating")
    amount = kopecks("The part", 450000)


class PaymentLine(Answered):
    """What a payment pays on one account."""

    account = said("The personal account.", "0001234")
    amount = kopecks("For services", 450000)
    penalty = kopecks("Penalty", 1425)
    posted = fields.Boolean(
        required=True, metadata=described("Whether the ledger has booked it.", True)
    )
    allocation = fields.List(
        fields.Nested(Allocation),
        metadata=described(
            "Which month and service each part has settled; only where it was asked for, and once "
            "the ledger has booked the line."
        ),
    )


class Payment(Answered):
    """A payment and how far it is."""

    payment_id = identifier("Names the payment.")
    state = said(
        "`created`, `awaiting_payment`, `captured` (the money is taken), `completed` (every line "
        "is in the ledger), `failed`, `expired`.",
        "completed",
    )
    total = kopecks("The sum of its lines", 451425)
    lines = fields.List(fields.Nested(PaymentLine), required=True)
    created_at = instant("When it was started.")
    captured_at = instant("When the card was charged; null before.", allow_none=True)
    masked_card = said("The card, masked.", "411111**1111", allow_none=True)
    failure = said("Why it failed; null otherwise.", "declined", allow_none=True)
    outcome = said(
        "What the bank says of a payment that is not decided: `pending` (the card is not charged "
        "yet), `unknown` (no answer), `mismatch` (another amount than ordered); else null.",
        "pending",
        allow_none=True,
    )
    next_check_at = instant(
        "When the bank is asked again by itself; null: not any more.", allow_none=True
    )
    redirect_url = said(
        "The acquirer's page of this payment, as long as the card can be entered there.",
        allow_none=True,
    )
    message = notice()


def _with_allocation() -> fields.Boolean:
    return fields.Boolean(
        load_default=False,
        truthy={"true"},
        falsy={"false"},
        metadata=described("Add what each line has settled, by month and service.", True),
    )


class PaymentQuery(Shape):
    """How fresh the answer is to be."""

    refresh = fields.Boolean(
        load_default=False,
        truthy={"true"},
        falsy={"false"},
        metadata=described("Ask the acquirer first, if the payment is not decided yet.", True),
    )
    allocation = _with_allocation()


class HistoryQuery(Shape):
    """A page of payments, the newest first."""

    before = cursor("Payments before")
    limit = page_size(20, 100)
    allocation = _with_allocation()


class History(Answered):
    """Payments of the person, the newest first (S23)."""

    payments = fields.List(fields.Nested(Payment), required=True)
    next = following()


class Posting(Answered):
    """The entry of the ledger that books one line of a payment."""

    account = said("The personal account.", "0001234")
    position = fields.Integer(required=True, metadata=described("Its place in the ledger.", 42))
    amount = kopecks("For services", 450000)
    penalty = kopecks("Penalty", 1425)
    allocation = fields.List(
        fields.Nested(Allocation),
        required=True,
        metadata=described("Which month and service each part has settled; the rest is advance."),
    )


class InclusionProof(Answered):
    """An inclusion proof with its signed checkpoint (RFC 9162, C2SP tlog-checkpoint).

    It is verified without us: saved as a file, by the verifier of the ledger's seal.
    """

    format = said("The form of the proof.", "saldo-inclusion-proof-v1")
    position = fields.Integer(
        required=True, metadata=described("The place of the posting in the ledger.", 42)
    )
    index = fields.Integer(
        required=True, metadata=described("Its place in the tree, which counts from 0.", 41)
    )
    size = fields.Integer(
        required=True, metadata=described("How many events the checkpoint has sealed.", 64)
    )
    leaf = said("The posting as it was sealed, in base64.")
    path = fields.List(
        fields.String(),
        required=True,
        metadata=described("The hashes from the leaf to the root, each in base64."),
    )
    checkpoint = said("The checkpoint, a signed note.")


class Proof(Answered):
    """Whether one posting is proven to stand in the sealed log."""

    account = said("The personal account.", "0001234")
    proof = fields.Nested(
        InclusionProof,
        required=True,
        allow_none=True,
        metadata=described(
            "The proof; null: the log is not sealed so far yet, ask again in a minute."
        ),
    )


class Receipt(Answered):
    """The payment, its entries in the ledger, and the proofs that they stand there."""

    payment = fields.Nested(Payment, required=True)
    postings = fields.List(fields.Nested(Posting), required=True)
    proofs = fields.List(
        fields.Nested(Proof), required=True, metadata=described("One for each of the postings.")
    )


class CallbackAccepted(Answered):
    """The acquirer's notice has been taken care of."""

    accepted = fields.Boolean(required=True, metadata=described("Always true.", True))
