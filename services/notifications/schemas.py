"""The schemas of the RPCs of notifications."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from services.notifications.domain import State
from shared.contracts.notifications import OPTIONAL, LetterKind
from shared.reason_fields import Reason


def _since() -> fields.AwareDateTime:
    return fields.AwareDateTime(
        load_default=None,
        allow_none=True,
        format="iso",
        metadata={"description": "Those that were queued from then on."},
    )


class PersonId(Schema):
    """All of one person."""

    person_id = fields.UUID(required=True, metadata={"description": "The person."})


class Choose(Schema):
    """Which optional letters a person wants."""

    person_id = fields.UUID(required=True, metadata={"description": "The person."})
    wanted = fields.Dict(
        keys=fields.String(validate=validate.OneOf(sorted(OPTIONAL))),
        values=fields.Boolean(truthy={True}, falsy={False}),
        required=True,
        metadata={"description": "By kind; those that are not named stay as they are."},
    )


class Link(Schema):
    """The token of a link that switches letters off."""

    token = fields.String(
        required=True,
        validate=validate.Length(min=1, max=200),
        metadata={"description": "The last part of the link."},
    )


class Letters(Schema):
    """The letters of one person, newest first."""

    person_id = fields.UUID(required=True, metadata={"description": "The person."})
    limit = fields.Integer(
        load_default=50,
        strict=True,
        validate=validate.Range(min=1, max=200),
        metadata={"description": "The maximal number of letters."},
    )


class ListLetters(Schema):
    """The letters of anybody, newest first; what is left out does not matter."""

    state = fields.String(
        load_default=None,
        allow_none=True,
        validate=validate.OneOf([state for state in State if state is not State.NONE]),
        metadata={"description": "Their state."},
    )
    kind = fields.String(
        load_default=None,
        allow_none=True,
        validate=validate.OneOf([kind.value for kind in LetterKind]),
        metadata={"description": "Their kind."},
    )
    person_id = fields.UUID(
        load_default=None, allow_none=True, metadata={"description": "The person."}
    )
    since = _since()
    limit = fields.Integer(
        load_default=100,
        strict=True,
        validate=validate.Range(min=1, max=10_000),
        metadata={"description": "The maximal number of letters."},
    )


class LettersFailed(Schema):
    """What has failed since a moment."""

    since = _since()


class LetterShown(Schema):
    """One letter."""

    letter_id = fields.UUID(required=True, metadata={"description": "The letter."})


class Resend(LetterShown):
    """Have a letter sent again."""

    reason = Reason(required=True, metadata={"description": "Why."})
    dry_run = fields.Boolean(
        load_default=False,
        truthy={True},
        falsy={False},
        metadata={"description": "Only check."},
    )


class Mailings(Schema):
    """The newest mailings."""

    limit = fields.Integer(
        load_default=20,
        strict=True,
        validate=validate.Range(min=1, max=1_000),
        metadata={"description": "The maximal number of mailings."},
    )
