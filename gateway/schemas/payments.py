"""Payments: what is due, an order over several accounts, the history, a receipt."""

from __future__ import annotations

from collections.abc import Mapping

from marshmallow import fields, validate

from gateway.schemas import patterns
from gateway.schemas.base import (
    QueryInteger,
    Result,
    Shape,
    Text,
    account_number,
    cursor,
    described,
    formed,
    identifier,
    input_amount,
    instant,
    kopecks,
    length,
    next_cursor,
    notice,
    one_of,
    output_text,
    page_size,
)
from shared.money import MAX_AMOUNT


class DueLine(Result):
    """One line of the prefilled page «Платежи-Оплатить» (S20)."""

    account = output_text("The personal account.", "0001234")
    payable = fields.Boolean(
        required=True,
        metadata=described("Whether the person may pay it: it is open, and not only read.", True),
    )
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
    acquirer = Text(
        load_default=None,
        validate=formed(patterns.ACQUIRER, 16),
        metadata=described(
            "Which of the installation's acquirers takes the payment; by default the first one.",
            "main",
        ),
    )


class PaymentStarted(Result):
    """The started payment; the card is entered on the acquirer's page (S21)."""

    payment_id = identifier("The id of the payment.")
    total = kopecks("The total to be charged", 451425)
    redirect_url = output_text(
        "The page to open: the acquirer's, or, while that is not known, one of ours that leads on "
        "to it. Null where nothing is left to be paid.",
        allow_none=True,
    )
    state = output_text(
        "`awaiting_payment`; `created` or `unknown` while the acquirer does not respond.",
        "awaiting_payment",
    )


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
    refunded = kopecks("What of both went back to the card", 0)
    moved_to = output_text(
        "The account to which staff have moved the line; null for most.", allow_none=True
    )
    allocation = fields.List(
        fields.Nested(Allocation),
        metadata=described(
            "The months and services that the line has paid; present when requested, once the "
            "ledger has posted the line."
        ),
    )


class RefundedLine(Result):
    """The part of a refund that is taken from one account."""

    account = output_text("The personal account.", "0001234")
    amount = kopecks("The part", 100000)


class Refund(Result):
    """Money of a payment that goes back to the card."""

    refund_id = identifier("The id of the refund.")
    state = output_text(
        "`requested` (the acquirer has not confirmed it yet), `made`, `refused`.", "made"
    )
    total = kopecks("The sum of its lines", 100000)
    lines = fields.List(fields.Nested(RefundedLine), required=True)
    requested_at = instant("When it was requested.")
    returned_at = instant(
        "When the acquirer returned the money; null before that.", allow_none=True
    )
    cause = output_text(
        "`staff` (we gave it back) or `bank` (the acquirer did so on its own account).", "staff"
    )


class Payment(Result):
    """A payment and its state."""

    payment_id = identifier("The id of the payment.")
    state = output_text(
        "`created` (no page of the acquirer yet), `awaiting_payment`, `unknown` (the acquirer does "
        "not report), `mismatch` (it reports another amount than ordered), `captured` (the card is "
        "charged), `completed` (every line is in the ledger), `partly_refunded`, `refunded`, "
        "`failed`, `expired`.",
        "completed",
    )
    total = kopecks("The sum of its lines", 451425)
    refunded = kopecks("What of it went back to the card", 0)
    charged = fields.Integer(
        required=True,
        allow_none=True,
        metadata=described(
            "What the acquirer reports as charged where that is not `total`, kopecks; else null.",
            format="int64",
        ),
    )
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
    closes_at = instant(
        "When an undecided payment closes by itself at most acquirers; else null.", allow_none=True
    )
    redirect_url = output_text(
        "The acquirer's page of this payment, as long as the card can be entered there.",
        allow_none=True,
    )
    acquirer = output_text("The acquirer that takes it.", "main")
    refunds = fields.List(
        fields.Nested(Refund), required=True, metadata=described("The oldest first.")
    )
    message = notice()


class FasterPayment(Result):
    """A payment by the system of faster payments («СБП»)."""

    payload = output_text(
        "What the QR code says, as long as the payment can be made so; null where the acquirer has "
        "none.",
        "https://qr.nspk.example/AS10003P3RH0LJ2A9ROO038L6NT5RU1M",
        allow_none=True,
    )


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


STATES_OF: Mapping[str, tuple[str, ...]] = {
    "paid": ("captured", "completed", "partly_refunded"),
    "returned": ("partly_refunded", "refunded"),
    "failed": ("failed", "expired"),
}
"""The states of each choice in the history."""


class HistoryFilter(Shape):
    """Which payments of the history."""

    account = account_number(required=False, load_default=None)
    year = QueryInteger(
        load_default=None,
        validate=validate.Range(min=2000, max=2199, error="field_range 2000 2199"),
        metadata=described("Only payments started in this year.", 2026),
    )
    state = fields.String(
        load_default=None,
        validate=one_of(*STATES_OF),
        metadata=described(
            "Only payments that were `paid`, of which money was `returned`, or that `failed`; one "
            "of which a part was returned is among the first two.",
            "paid",
        ),
    )


class HistoryQuery(HistoryFilter):
    """A page of payments, newest first."""

    before = cursor("Payments before", "WyJwYXltZW50cyIsImNERTMiXQ")
    limit = page_size(20, 100)
    allocation = _with_allocation()


class HistoryTotals(Result):
    """The payments of the whole filter together, on whatever page they stand."""

    count = fields.Integer(required=True, metadata=described("How many payments.", 12))
    paid = kopecks("What was charged", 5417100)
    refunded = kopecks("What of it went back to the card", 0)


class History(Result):
    """Payments of the person, newest first (S23)."""

    payments = fields.List(fields.Nested(Payment), required=True)
    next = next_cursor()
    totals = fields.Nested(HistoryTotals, required=True)
    recovering = fields.Boolean(
        metadata=described(
            "There when true: the database was restored, and the last payments before that may be "
            "missing until they are brought back.",
            True,
        )
    )


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
