"""The shapes of what staff command and read in the ledger by RPC."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, post_load, validate

from services.ledger.schemas import NUMBER, Kopecks
from shared.reason_fields import Reason, printable
from shared.reasons import MAX_REASON

MAX_LINES = 100
MAX_PAGE = 5_000
MAX_DOCUMENT = 64
"""Characters of a document's number."""
_PERIOD = validate.Regexp(r"[1-9][0-9]{3}-(0[1-9]|1[0-2])\Z", error="a month is written 2026-10")


class _Command(Schema):
    dry_run = fields.Boolean(load_default=False, truthy={True}, falsy={False})


class _Correction(_Command):
    """``effective_on`` None: today. ``key`` tells apart what is otherwise the same correction."""

    reason = Reason(required=True)
    effective_on = fields.Date(load_default=None, allow_none=True, format="iso")
    key = fields.String(
        load_default=None,
        allow_none=True,
        validate=(validate.Length(min=1, max=MAX_REASON), printable),
    )


class AdjustedLine(Schema):
    """What a bill changes by for one service, in kopecks."""

    service = fields.String(required=True, validate=(validate.Length(min=1, max=64), printable))
    amount = Kopecks(required=True)


class Adjust(_Correction):
    """A recalculation of the bill of a month; ``propose``: a second person approves any amount."""

    account = fields.String(required=True, validate=NUMBER)
    period = fields.String(required=True, validate=_PERIOD)
    lines = fields.List(
        fields.Nested(AdjustedLine),
        required=True,
        validate=validate.Length(min=1, max=MAX_LINES),
    )
    propose = fields.Boolean(load_default=False, truthy={True}, falsy={False})


class Reverse(_Correction):
    """The reversal of a payment: in the accounts named, or in all that it was posted to."""

    payment_id = fields.UUID(required=True)
    accounts = fields.List(
        fields.String(validate=NUMBER), load_default=[], validate=validate.Length(max=MAX_LINES)
    )

    @post_load
    def _each_account_once(self, loaded: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {**loaded, "accounts": sorted(set(loaded["accounts"]))}


class MovePayment(_Correction):
    """The move of a payment to the account that it was meant for."""

    payment_id = fields.UUID(required=True)
    account = fields.String(required=True, validate=NUMBER)
    to_account = fields.String(required=True, validate=NUMBER)


class WriteOff(_Correction):
    """The waiver of a penalty, or of a part of it."""

    account = fields.String(required=True, validate=NUMBER)
    amount = Kopecks(required=True)


class TakePayment(_Command):
    """A payment of one account, taken at a cash desk or in a bank; ``paid_on`` None: today."""

    account = fields.String(required=True, validate=NUMBER)
    amount = Kopecks(required=True)
    penalty = Kopecks(load_default=0)
    period = fields.String(load_default=None, allow_none=True, validate=_PERIOD)
    paid_on = fields.Date(load_default=None, allow_none=True, format="iso")
    place = fields.String(required=True, validate=validate.OneOf(("cash_desk", "bank")))
    document = fields.String(
        load_default="", validate=(validate.Length(max=MAX_DOCUMENT), printable)
    )
    reason = Reason(required=True)


class Approve(_Command):
    """The approval of a proposal; the second person may add a reason."""

    proposal_id = fields.UUID(required=True)
    reason = Reason(load_default="", optional=True)


class Reject(_Command):
    """The rejection of a proposal, or its withdrawal."""

    proposal_id = fields.UUID(required=True)
    reason = Reason(required=True)


class Close(_Command):
    """A month to close with all months before it."""

    period = fields.String(required=True, validate=validate.Length(max=20))
    reason = Reason(required=True)


class Proposals(Schema):
    """Proposals after a position of the log, oldest first; all, or those that are open."""

    decided = fields.Boolean(load_default=False, truthy={True}, falsy={False})
    after = fields.Integer(load_default=0, strict=True, validate=validate.Range(min=0, max=2**62))
    limit = fields.Integer(load_default=500, strict=True, validate=validate.Range(1, MAX_PAGE))


class Proposal(Schema):
    """One proposal."""

    proposal_id = fields.UUID(required=True)


class Policy(Schema):
    """The choices of the operator: all."""


class Accruals(Schema):
    """The last accrual runs."""

    last = fields.Integer(load_default=12, strict=True, validate=validate.Range(1, MAX_PAGE))


class StatementByDays(Schema):
    """What took effect on an account between two days; a page of it after so many movements."""

    number = fields.String(required=True, validate=NUMBER)
    first_day = fields.Date(load_default=None, allow_none=True, format="iso")
    last_day = fields.Date(load_default=None, allow_none=True, format="iso")
    after = fields.Integer(load_default=0, strict=True, validate=validate.Range(min=0, max=2**62))
    limit = fields.Integer(load_default=1_000, strict=True, validate=validate.Range(1, MAX_PAGE))


class Advances(Schema):
    """The accounts with an advance after a number."""

    after = fields.String(load_default="", validate=validate.Regexp(r"[0-9]{0,20}\Z"))
    limit = fields.Integer(load_default=100, strict=True, validate=validate.Range(1, 500))


class FindPayments(Schema):
    """What is known of a payment: a part of its id, its account, its day, its sum."""

    part = fields.String(load_default="", validate=validate.Length(max=36))
    account = fields.String(load_default=None, allow_none=True, validate=NUMBER)
    paid_on = fields.Date(load_default=None, allow_none=True, format="iso")
    amount = Kopecks(load_default=None, allow_none=True)
    limit = fields.Integer(load_default=50, strict=True, validate=validate.Range(1, 500))


class PaymentsOfDay(Schema):
    """The payments of a day after a position of the log."""

    day = fields.Date(required=True, format="iso")
    after = fields.Integer(load_default=0, strict=True, validate=validate.Range(min=0, max=2**62))
    limit = fields.Integer(load_default=500, strict=True, validate=validate.Range(1, 1_000))


class PaymentsPosted(Schema):
    """Some payments by their ids."""

    payment_ids = fields.List(
        fields.UUID(), required=True, validate=validate.Length(min=1, max=1_000)
    )
