"""The schemas of the RPCs of notifications."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from shared.contracts.notifications import OPTIONAL


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
