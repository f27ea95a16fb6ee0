"""The schemas of the RPCs of the help desk."""

from __future__ import annotations

from marshmallow import Schema, ValidationError, fields, validate

from shared.reasons import Reason, printable


def can_be_encoded(text: str) -> None:
    """Refuse a text that has no encoding."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValidationError("not a text: it has half a surrogate pair") from None


# Above the limit, because the use case strips a text before it checks the length.
_TEXT = (validate.Length(min=1, max=16_000), can_be_encoded)
STATES = ("open", "answered", "closed")


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


class QuestionsOfState(Schema):
    """The questions in a state, or all; of one department, or of all."""

    state = fields.String(load_default=None, allow_none=True, validate=validate.OneOf(STATES))
    department = fields.String(
        load_default=None, allow_none=True, validate=(validate.Length(max=64), printable)
    )
    limit = fields.Integer(load_default=100, strict=True, validate=validate.Range(1, 10_000))


class AnyQuestion(Schema):
    """A question by its number or its id, whoever asked it."""

    question = fields.String(required=True, validate=validate.Length(min=1, max=40))


class _StaffCommand(AnyQuestion):
    dry_run = fields.Boolean(load_default=False, truthy={True}, falsy={False})


class Answer(_StaffCommand):
    """An answer; ``reason`` is a note for staff."""

    text = fields.String(required=True, validate=_TEXT)
    reason = Reason(load_default="", optional=True)


class Route(_StaffCommand):
    """The department to hand a question to, and why."""

    department = fields.String(required=True, validate=(validate.Length(min=1, max=64), printable))
    reason = Reason(required=True)


class Close(_StaffCommand):
    """Why a question is closed."""

    reason = Reason(required=True)
