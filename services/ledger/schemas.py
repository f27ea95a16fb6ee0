"""The shapes of the ledger's RPC requests."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates

from shared.money import MAX_AMOUNT

NUMBER = validate.Regexp(
    r"[0-9]{1,20}(-[1-9][0-9]{0,3})?\Z",
    error="an account number is up to 20 digits; a tenure of it is NUMBER-2",
)
"""The key of an account, or how staff name one: a number, or a tenure of it."""


def _day_or_instant(text: str) -> None:
    try:
        if len(text) == len("2026-10-31"):
            date.fromisoformat(text)
        elif datetime.fromisoformat(text).tzinfo is None:
            raise ValueError(text)
    except ValueError:
        raise ValidationError(
            "give a day (2026-10-31) or an instant with its zone (2026-10-31T12:00:00+03:00)"
        ) from None


class Kopecks(fields.Integer):
    """A whole number of kopecks, within what one posting may be; true and false are none."""

    def __init__(self, **options: Any) -> None:
        super().__init__(strict=True, validate=validate.Range(-MAX_AMOUNT, MAX_AMOUNT), **options)

    def _validated(self, value: Any) -> Any:
        if isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return super()._validated(value)


class Balance(Schema):
    """One account, now or as of a past day or instant."""

    number = fields.String(required=True, validate=NUMBER)
    as_of = fields.String(load_default=None, allow_none=True, validate=_day_or_instant)


class Balances(Schema):
    """Several accounts, now."""

    numbers = fields.List(
        fields.String(validate=NUMBER), required=True, validate=validate.Length(max=100)
    )


class KnownAccounts(Schema):
    """Numbers of which some may be accounts."""

    numbers = fields.List(
        fields.String(validate=NUMBER), required=True, validate=validate.Length(max=1_000)
    )


class DisputedLine(Schema):
    """A line of the bill of a month: the account by its key, the service by its code."""

    account = fields.String(required=True, validate=NUMBER)
    period = fields.String(required=True, validate=validate.Length(max=7))
    code = fields.String(required=True, validate=validate.Length(max=64))


class ProposedAdjustment(DisputedLine):
    """A proposal that may adjust the line."""

    proposal_id = fields.UUID(required=True)


class BankDocument(Schema):
    """The document of a payment in a bank's register."""

    account = fields.String(required=True, validate=NUMBER)
    paid_on = fields.Date(required=True, format="iso")
    document = fields.String(required=True, validate=validate.Length(min=1, max=64))


class EnteredDocuments(Schema):
    """Documents of which staff may have entered some by hand."""

    documents = fields.List(
        fields.Nested(BankDocument), required=True, validate=validate.Length(max=1_000)
    )


class Charges(Schema):
    """The months of an account, newest first; ``before`` is a period to go on below."""

    number = fields.String(required=True, validate=NUMBER)
    before = fields.String(
        load_default=None, allow_none=True, validate=validate.Regexp(r"\d{4}-\d{2}\Z")
    )
    limit = fields.Integer(load_default=24, strict=True, validate=validate.Range(1, 120))


class ChargesOfAccounts(Schema):
    """The newest months of several accounts."""

    numbers = fields.List(
        fields.String(validate=NUMBER), required=True, validate=validate.Length(max=100)
    )
    limit = fields.Integer(load_default=24, strict=True, validate=validate.Range(1, 120))


class Statement(Schema):
    """The movements of an account in the order of the log, after a position."""

    number = fields.String(required=True, validate=NUMBER)
    after = fields.Integer(
        load_default=None, allow_none=True, strict=True, validate=validate.Range(min=0)
    )
    limit = fields.Integer(load_default=100, strict=True, validate=validate.Range(1, 500))


class Bill(Schema):
    """The bill of one account for one month (``2026-10``)."""

    number = fields.String(required=True, validate=NUMBER)
    period = fields.String(required=True, validate=validate.Regexp(r"[0-9]{4}-(0[1-9]|1[0-2])\Z"))


class StatementBetween(Schema):
    """The movements of an account from one day to another, in the order of effect."""

    number = fields.String(required=True, validate=NUMBER)
    first_day = fields.Date(required=True, format="iso")
    last_day = fields.Date(required=True, format="iso")
    after = fields.Integer(load_default=0, strict=True, validate=validate.Range(min=0))
    limit = fields.Integer(load_default=100, strict=True, validate=validate.Range(1, 5000))


class StatementsBetween(Schema):
    """The movements of several accounts from one day to another, one account after the other."""

    numbers = fields.List(
        fields.String(validate=NUMBER), required=True, validate=validate.Length(max=100)
    )
    first_day = fields.Date(required=True, format="iso")
    last_day = fields.Date(required=True, format="iso")
    after = fields.Integer(load_default=0, strict=True, validate=validate.Range(min=0))
    limit = fields.Integer(load_default=100, strict=True, validate=validate.Range(1, 5000))


class Reconciliation(Schema):
    """The act of reconciliation of an account from one day to another."""

    number = fields.String(required=True, validate=NUMBER)
    first_day = fields.Date(required=True, format="iso")
    last_day = fields.Date(required=True, format="iso")


class Debt(Schema):
    """What an account owes by the end of a day, past or present; today when left out."""

    number = fields.String(required=True, validate=NUMBER)
    on = fields.Date(load_default=None, allow_none=True, format="iso")


class Penalty(Schema):
    """The penalty of one account by a day, past or future; today when left out."""

    number = fields.String(required=True, validate=NUMBER)
    on = fields.Date(load_default=None, allow_none=True, format="iso")


class PaymentProofs(Schema):
    """The proof of one payment's inclusion in the sealed log."""

    payment_id = fields.UUID(required=True)


class PaymentPostings(Schema):
    """The postings of one payment."""

    payment_id = fields.UUID(required=True)


class Refundable(Schema):
    """What is left of one payment."""

    payment_id = fields.UUID(required=True)


class PostingsOfPayments(Schema):
    """Where several payments stand in the ledger."""

    payment_ids = fields.List(fields.UUID(), required=True, validate=validate.Length(max=100))


class VerifyProof(Schema):
    """An inclusion proof, as its holder has it: nothing in it is believed before it is checked."""

    proof = fields.Dict(
        keys=fields.String(validate=validate.Length(max=40)),
        required=True,
        validate=validate.Length(max=20),
    )


class LastCheckpoint(Schema):
    """The last sealed checkpoint."""


class VerifierKeys(Schema):
    """The keys with which whoever trusts them checks a proof."""


class PaidLine(Schema):
    """The line of a payment for one account, in kopecks; the domain checks the sums.

    ``period`` is a month that the payer named: it is paid before all others.
    """

    account = fields.String(required=True, validate=NUMBER)
    amount = Kopecks(required=True)
    penalty = Kopecks(load_default=0)
    period = fields.String(
        load_default=None, allow_none=True, validate=validate.Regexp(r"\d{4}-\d{2}\Z")
    )


class PostPayment(Schema):
    """A payment that was taken elsewhere: at a cash desk, in a bank."""

    payment_id = fields.UUID(required=True)
    paid_on = fields.Date(required=True, format="iso")
    lines = fields.List(
        fields.Nested(PaidLine), required=True, validate=validate.Length(min=1, max=100)
    )

    @validates("lines")
    def _one_line_for_each(self, lines: list[dict[str, Any]], **_: Any) -> None:
        # A payment is posted to an account once: the second line would be taken for a repetition.
        # It is called for lines that are refused already, which may lack their account.
        numbers = [line["account"] for line in lines if "account" in line]
        if len(set(numbers)) < len(numbers):
            raise ValidationError("give each account one line, with the sum of what it gets")
