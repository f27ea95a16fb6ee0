"""The schemas of the RPCs about disputed lines."""

from __future__ import annotations

from typing import get_args

from marshmallow import Schema, fields, validate

from services.helpdesk.dispute import DisputeState
from services.helpdesk.schemas import AnyQuestion
from shared.account_key import PATTERN

MOST_ACCOUNTS = 1_000
STATES = get_args(DisputeState)


class DisputesOf(Schema):
    """The disputes of accounts, named by their keys, for a person who may read them."""

    person_id = fields.UUID(required=True)
    accounts = fields.List(
        fields.String(validate=validate.Regexp(rf"{PATTERN}\Z")),
        required=True,
        validate=validate.Length(max=MOST_ACCOUNTS),
    )


class DisputesOfState(Schema):
    """The disputes in a state, or all."""

    state = fields.String(load_default=None, allow_none=True, validate=validate.OneOf(STATES))
    limit = fields.Integer(load_default=100, strict=True, validate=validate.Range(1, 10_000))


class NoteProposal(AnyQuestion):
    """A proposal of the ledger that adjusts the line of a question."""

    proposal_id = fields.UUID(required=True)
