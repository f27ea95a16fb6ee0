"""The requests that notifications answers."""

from __future__ import annotations

from marshmallow import Schema, fields, validate


class Letters(Schema):
    """The letters of one person, the newest first."""

    person_id = fields.UUID(required=True, metadata={"description": "Whose letters."})
    limit = fields.Integer(
        load_default=50,
        strict=True,
        validate=validate.Range(min=1, max=200),
        metadata={"description": "At most so many."},
    )
