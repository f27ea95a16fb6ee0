"""The shapes of the RPCs for mailings."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from services.ledger.schemas import NUMBER

MOST = 5_000
"""The largest page: positions of the log, or accounts."""

_position = validate.Range(min=0)
_AFTER_NUMBER = validate.Regexp(r"([0-9]{1,20}(-[1-9][0-9]{0,3})?)?\Z")


class BillingRuns(Schema):
    """The imports of charges after a position of the log."""

    after = fields.Integer(required=True, strict=True, validate=_position)


class Billed(Schema):
    """A page of the bills of an import, which stand after one position through another."""

    file_digest = fields.String(required=True, validate=validate.Regexp(r"[0-9a-f]{64}\Z"))
    after = fields.Integer(required=True, strict=True, validate=_position)
    through = fields.Integer(required=True, strict=True, validate=_position)
    limit = fields.Integer(required=True, strict=True, validate=validate.Range(1, MOST))


class _Page(Schema):
    after = fields.String(required=True, validate=_AFTER_NUMBER)
    limit = fields.Integer(required=True, strict=True, validate=validate.Range(1, MOST))


class DebtsDue(_Page):
    """A page of the debts that are due on a day."""

    due_on = fields.Date(required=True, format="iso")


class DebtsBeforePenalty(_Page):
    """A page of the debts that bear a penalty from a day on."""

    first_day = fields.Date(required=True, format="iso")


class OpenDebts(Schema):
    """Accounts, by their keys."""

    accounts = fields.List(
        fields.String(validate=NUMBER), required=True, validate=validate.Length(max=1_000)
    )
