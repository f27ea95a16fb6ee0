"""Events of payments: amounts in kopecks, the payer by id, never a card."""

from __future__ import annotations

from enum import StrEnum

from marshmallow import Schema, fields, validate

from shared.contracts.base import (
    AccountNumber,
    Contract,
    Day,
    Instant,
    Kopecks,
    PersonId,
    PlainId,
    Tenure,
)

ABOUT = "Payment orders, from the cabinet to the acquirer and into the ledger."


class Failure(StrEnum):
    """Why a payment failed. Nothing was charged, or it was returned (GIVEN_BACK).

    A new reason may appear within a version.
    """

    DECLINED = "declined"
    """The issuer of the card refused."""
    EXPIRED = "expired"
    """The payer did not pay in time."""
    REFUSED = "refused_by_acquirer"
    """The acquirer did not accept the order."""
    NOT_REGISTERED = "not_registered"
    """The order never reached the acquirer."""
    FORM_LOST = "form_lost"
    """The order was registered, but the address of its page was lost before anybody saw it."""
    GIVEN_BACK = "given_back"
    """The charge was returned to the card and never posted."""
    REPLACED = "replaced"
    """The payer started another payment of the same accounts; this one was closed unpaid."""
    ACCOUNT_CLOSED = "account_closed"
    """The holder of an account changed; the payment was closed unpaid."""


class RefundCause(StrEnum):
    """Why money went back."""

    STAFF = "staff"
    """Our staff gave it back."""
    BANK = "bank"
    """The acquirer returned it without us: a chargeback, or a refund at its own desk."""


class PaymentLine(Schema):
    account = AccountNumber(
        required=True, metadata={"description": "The personal account that is paid."}
    )
    tenure = Tenure(metadata={"description": "Of which holder of its number; absent: the first."})
    amount = Kopecks(required=True, metadata={"description": "Towards principal, kopecks."})
    penalty = Kopecks(required=True, metadata={"description": "Towards penalties, kopecks."})


class _OfPayment(Schema):
    payment_id = PlainId(required=True, metadata={"description": "The payment."})
    person_id = PersonId(required=True, metadata={"description": "Who pays."})


class _WithMoney(_OfPayment):
    lines = fields.List(
        fields.Nested(PaymentLine),
        required=True,
        validate=validate.Length(min=1),
        metadata={"description": "The split over the accounts; every account once, no zero line."},
    )
    total = Kopecks(required=True, metadata={"description": "The sum of all lines, kopecks."})


class PaymentStarted(_WithMoney):
    pass


class PaymentCaptured(_WithMoney):
    paid_on = Day(
        required=True,
        metadata={"description": "The business day on which the card was charged."},
    )
    captured_at = Instant(
        required=True, metadata={"description": "When the card was charged, by the acquirer."}
    )


class PaymentFailed(_OfPayment):
    reason = fields.String(
        required=True,
        validate=validate.OneOf([reason.value for reason in Failure]),
        metadata={
            "description": (
                "declined: the card's bank refused; expired: not paid in time; "
                "refused_by_acquirer, not_registered, form_lost: the order could not be made "
                "payable; given_back: charged, returned to the card and never posted; replaced: "
                "another payment was started instead; account_closed: the holder of an account "
                "changed."
            ),
            "grows": True,
        },
    )


class PaymentCompleted(_WithMoney):
    pass


class PaymentMismatched(_OfPayment):
    ordered = Kopecks(required=True, metadata={"description": "What was ordered, kopecks."})
    charged = Kopecks(
        required=True, metadata={"description": "What the acquirer says it charged, kopecks."}
    )


class RefundedLine(Schema):
    account = AccountNumber(
        required=True, metadata={"description": "The personal account that it is taken from."}
    )
    tenure = Tenure(metadata={"description": "Of which holder of its number; absent: the first."})
    amount = Kopecks(required=True, metadata={"description": "What went back, kopecks."})


class PaymentRefunded(_OfPayment):
    refund_id = PlainId(required=True, metadata={"description": "The refund."})
    lines = fields.List(
        fields.Nested(RefundedLine),
        required=True,
        metadata={"description": "What goes back of each account; no zero line."},
    )
    total = Kopecks(required=True, metadata={"description": "The sum that went back, kopecks."})
    refunded_on = Day(
        required=True, metadata={"description": "The business day on which it went back."}
    )
    whole = fields.Boolean(
        required=True,
        metadata={"description": "Whether nothing of the payment is left after it."},
    )
    reason = fields.String(
        required=True,
        validate=validate.OneOf([cause.value for cause in RefundCause]),
        metadata={
            "description": "staff: our staff gave it back; bank: the acquirer returned it on its "
            "own account.",
            "grows": True,
        },
    )


class BankPaymentAccepted(Schema):
    payment_id = PlainId(required=True, metadata={"description": "The payment."})
    account = AccountNumber(
        required=True, metadata={"description": "The personal account that is paid."}
    )
    amount = Kopecks(
        required=True,
        metadata={"description": "What was paid, kopecks; the bank's fee is not taken off."},
    )
    paid_on = Day(required=True, metadata={"description": "The day of the payment, by the bank."})
    document = fields.String(
        required=True,
        validate=validate.Length(max=64),
        metadata={"description": "The bank's number of it; empty where the register has none."},
    )


CONTRACTS = [
    Contract(
        "payment_started",
        version=1,
        schema=PaymentStarted,
        summary="A person started a payment for one or more accounts; no money was taken yet.",
    ),
    Contract(
        "payment_captured",
        version=1,
        schema=PaymentCaptured,
        summary="The card was charged: the amounts are due to be posted to the accounts.",
    ),
    Contract(
        "payment_failed",
        version=1,
        schema=PaymentFailed,
        summary=(
            "The payment failed. In rare cases a payment_captured follows, when the acquirer "
            "reports the charge late."
        ),
    ),
    Contract(
        "payment_completed",
        version=1,
        schema=PaymentCompleted,
        summary="Every line of a captured payment is posted in the ledger.",
    ),
    Contract(
        "payment_mismatched",
        version=1,
        schema=PaymentMismatched,
        summary=(
            "The acquirer says it charged another sum than was ordered. Nothing is posted: the sum "
            "is returned to the card, or staff decide."
        ),
    ),
    Contract(
        "payment_refunded",
        version=1,
        schema=PaymentRefunded,
        summary="Money of a captured payment went back to the card, all of it or a part.",
    ),
    Contract(
        "bank_payment_accepted",
        version=1,
        schema=BankPaymentAccepted,
        summary=(
            "A payment of a bank's register or statement is of a known account: it is due to be "
            "posted."
        ),
    ),
]
