"""The schemas of the RPCs of notifications."""

from __future__ import annotations

from marshmallow import Schema, fields, validate


class PersonId(Schema):
    """All of one person."""

    person_id = fields.UUID(required=True, metadata={"description": "The person."})


class Letters(Schema):
    """The letters of one person, newest first."""

    person_id = fields.UUID(required=True, metadata={"description": "The person."})
    limit = fields.Integer(
        load_default=50,
        strict=True,
        validate=validate.Range(min=1, max=200),
        metadata={"description": "The maximal number of letters."},
    )
