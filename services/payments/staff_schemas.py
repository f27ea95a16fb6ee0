"""The shapes of what staff command and read in payments by RPC. Amounts are integer kopecks."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from services.payments.resolving import How
from services.payments.state import State
from shared.account_key import PATTERN
from shared.money import MAX_AMOUNT
from shared.reason_fields import Reason, printable
from shared.reasons import MAX_REASON

MAX_LINES = 100
MAX_PAGE = 1_000

_ACCOUNT = validate.Regexp(
    rf"{PATTERN}\Z", error="an account number has up to 20 digits; a tenure of it is NUMBER-2"
)
_POSITION = validate.Range(min=0, max=2**62)


class Kopecks(fields.Integer):
    """An amount that is positive, or zero."""

    def __init__(self, *, least: int = 0, **options: object) -> None:
        super().__init__(
            strict=True,
            validate=validate.Range(min=least, max=MAX_AMOUNT),
            **options,  # type: ignore[arg-type]
        )


def _limit(default: int) -> fields.Integer:
    return fields.Integer(load_default=default, strict=True, validate=validate.Range(1, MAX_PAGE))


class _Command(Schema):
    dry_run = fields.Boolean(load_default=False, truthy={True}, falsy={False})


class RefundedLine(Schema):
    """What goes back of what one account was paid."""

    account = fields.String(required=True, validate=_ACCOUNT)
    amount = Kopecks(required=True, least=1)


class Refund(_Command):
    """A refund: of the accounts named, or of all that is left; `key` makes the same one again."""

    payment_id = fields.UUID(required=True)
    lines = fields.List(
        fields.Nested(RefundedLine), load_default=[], validate=validate.Length(max=MAX_LINES)
    )
    reason = Reason(required=True)
    key = fields.String(
        load_default=None,
        allow_none=True,
        validate=(validate.Length(min=1, max=MAX_REASON), printable),
    )


class ApproveRefund(_Command):
    """The approval of a proposed refund; the second person may add a reason."""

    refund_id = fields.UUID(required=True)
    reason = Reason(load_default="", optional=True)


class RejectRefund(_Command):
    """The rejection of a proposed refund, or its withdrawal."""

    refund_id = fields.UUID(required=True)
    reason = Reason(required=True)


class CreditedLine(Schema):
    """What one account is credited with."""

    account = fields.String(required=True, validate=_ACCOUNT)
    amount = Kopecks(load_default=0)
    penalty = Kopecks(load_default=0)


class Resolve(_Command):
    """What staff decide about a payment that is stuck; `lines` only for a credit."""

    payment_id = fields.UUID(required=True)
    how = fields.Enum(How, by_value=True, required=True)
    lines = fields.List(
        fields.Nested(CreditedLine), load_default=[], validate=validate.Length(max=MAX_LINES)
    )
    reason = Reason(required=True)


class ListPayments(Schema):
    """The newest payments, by state, account or day."""

    state = fields.String(
        load_default=None,
        allow_none=True,
        validate=validate.OneOf([state.value for state in State if state is not State.NONE]),
    )
    account = fields.String(load_default=None, allow_none=True, validate=_ACCOUNT)
    day = fields.Date(load_default=None, allow_none=True, format="iso")
    before = fields.Integer(load_default=None, allow_none=True, strict=True, validate=_POSITION)
    limit = _limit(100)


class ShowPayment(Schema):
    """One payment."""

    payment_id = fields.UUID(required=True)


class Stuck(Schema):
    """What does not go on by itself."""

    limit = _limit(100)


class Refunds(Schema):
    """Refunds in a state; None: all."""

    state = fields.String(
        load_default=None,
        allow_none=True,
        validate=validate.OneOf(["proposed", "requested", "made", "refused", "rejected"]),
    )
    limit = _limit(100)


class Money(Schema):
    """Charges and refunds of some days, after a row."""

    first = fields.Date(required=True, format="iso")
    last = fields.Date(required=True, format="iso")
    after = fields.List(
        fields.String(validate=validate.Length(max=64)),
        load_default=None,
        allow_none=True,
        validate=validate.Length(equal=4),
    )
    limit = _limit(500)


class Reconcile(Schema):
    """The day to reconcile."""

    day = fields.Date(required=True, format="iso")


class Reconciliation(Schema):
    """A reconciliation, with its findings after a number; `matched`: those that agree, too."""

    reconciliation_id = fields.UUID(required=True)
    after = fields.Integer(load_default=0, strict=True, validate=_POSITION)
    matched = fields.Boolean(load_default=False, truthy={True}, falsy={False})
    limit = _limit(500)


class ListReconciliations(Schema):
    """The newest reconciliations."""

    limit = _limit(30)


class PayerWanted(Schema):
    payment = fields.UUID(required=True)
