"""The schemas of the RPCs of the help desk."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

_TEXT = validate.Length(min=1, max=16_000)
"""Above the limit, because the use case strips a text before it checks the length."""


class Topics(Schema):
    """No arguments."""


class Ask(Schema):
    person_id = fields.UUID(required=True)
    topic = fields.String(required=True, validate=validate.Length(min=1, max=40))
    account = fields.String(
        load_default=None, allow_none=True, validate=validate.Length(min=1, max=64)
    )
    text = fields.String(required=True, validate=_TEXT)


class Questions(Schema):
    person_id = fields.UUID(required=True)


class Question(Schema):
    person_id = fields.UUID(required=True)
    question_id = fields.UUID(required=True)


class AddMessage(Schema):
    person_id = fields.UUID(required=True)
    question_id = fields.UUID(required=True)
    text = fields.String(required=True, validate=_TEXT)


class LetterOf(Schema):
    question_id = fields.UUID(required=True)
