"""The requests that payments accept. Amounts are integer kopecks."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from services.payments.state import State
from shared.contracts.base import AccountNumber

_PERSON = {"description": "The person whose payment it is."}
_PAYMENT = {"description": "The payment."}


class StartLine(Schema):
    """The line of one account; the domain holds the rules for amounts."""

    account = AccountNumber(required=True, metadata={"description": "The personal account."})
    amount = fields.Integer(
        required=True, strict=True, metadata={"description": "Towards principal, kopecks."}
    )
    penalty = fields.Integer(
        load_default=0, strict=True, metadata={"description": "Towards penalties, kopecks."}
    )


class Start(Schema):
    """Start a payment over one or more accounts."""

    person_id = fields.UUID(required=True, metadata=_PERSON)
    lines = fields.List(
        fields.Nested(StartLine),
        required=True,
        validate=validate.Length(max=100),
        metadata={"description": "The accounts and sums; accounts with two zeros are left out."},
    )
    acquirer = fields.String(
        load_default=None,
        allow_none=True,
        validate=validate.Length(max=32),
        metadata={"description": "The acquirer that the payer chose; null: the first."},
    )


class Payment(Schema):
    """One payment of a person."""

    person_id = fields.UUID(required=True, metadata=_PERSON)
    payment_id = fields.UUID(required=True, metadata=_PAYMENT)
    refresh = fields.Boolean(
        load_default=False, metadata={"description": "Poll the acquirer first."}
    )


class PersonId(Schema):
    """All of one person."""

    person_id = fields.UUID(required=True, metadata=_PERSON)


class KnownPayments(Schema):
    """Payments by their ids."""

    payment_ids = fields.List(fields.UUID(), required=True, validate=validate.Length(1, 500))


class History(Schema):
    """A page of a person's payments, the newest first."""

    person_id = fields.UUID(required=True, metadata=_PERSON)
    before = fields.String(
        load_default=None,
        allow_none=True,
        validate=validate.Length(max=64),
        metadata={"description": "`next` of the previous page."},
    )
    limit = fields.Integer(
        load_default=20,
        strict=True,
        validate=validate.Range(min=1, max=100),
        metadata={"description": "The size of the page."},
    )
    account = fields.String(
        load_default=None,
        allow_none=True,
        validate=validate.Length(max=20),
        metadata={"description": "Only payments with this account; null: all."},
    )
    since = fields.AwareDateTime(
        load_default=None,
        allow_none=True,
        metadata={"description": "Only payments started at this instant or later."},
    )
    until = fields.AwareDateTime(
        load_default=None,
        allow_none=True,
        metadata={"description": "Only payments started before this instant."},
    )
    states = fields.List(
        fields.String(validate=validate.OneOf([state.value for state in State])),
        load_default=None,
        allow_none=True,
        metadata={"description": "Only payments in these states; null: all."},
    )


class FasterPayment(Schema):
    """The QR code of an open payment of a person."""

    person_id = fields.UUID(required=True, metadata=_PERSON)
    payment_id = fields.UUID(required=True, metadata=_PAYMENT)


class AcquirerCallback(Schema):
    """A callback of an acquirer, as received: it counts only when the acquirer has sent it."""

    acquirer = fields.String(
        load_default="",
        validate=validate.Length(max=32),
        metadata={"description": "Whose address for callbacks it is; empty: the first's."},
    )
    parameters = fields.Dict(
        keys=fields.String(validate=validate.Length(max=100)),
        values=fields.String(validate=validate.Length(max=2000)),
        load_default={},
        validate=validate.Length(max=50),
        metadata={"description": "The parameters of the request, signature included."},
    )
    body = fields.String(
        load_default="",
        validate=validate.Length(max=65_536),
        metadata={"description": "A JSON body as it came."},
    )
    remote_address = fields.String(
        load_default="",
        validate=validate.Length(max=64),
        metadata={"description": "Where it came from."},
    )
