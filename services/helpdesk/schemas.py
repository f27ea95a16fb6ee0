"""The schemas of the RPCs of the help desk."""

from __future__ import annotations

from typing import get_args

from marshmallow import Schema, ValidationError, fields, validate

from services.helpdesk.domain import OWED, State
from shared.bus.principals import NAME
from shared.reason_fields import Reason, printable


def can_be_encoded(text: str) -> None:
    """Refuse a text that has no encoding."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValidationError("not a text: it has half a surrogate pair") from None


# Above the limit, because the use case strips a text before it checks the length.
_TEXT = (validate.Length(min=1, max=16_000), can_be_encoded)
STATES = ("owed", *get_args(State))
"""What staff list: questions in a state, or all that are owed an answer."""

# The use case says how many are too many.
_ATTACHMENTS = fields.List(fields.UUID(), load_default=list, validate=validate.Length(max=20))

_LOGIN = validate.Regexp(rf"{NAME.pattern}\Z")


def states_of(listed: str | None) -> tuple[str, ...] | None:
    """Return the states that staff mean by one of STATES; None for all."""
    if listed is None:
        return None
    return OWED if listed == "owed" else (listed,)


class Topics(Schema):
    """No arguments."""


class BilledLine(Schema):
    """A line of the bill of a month."""

    period = fields.String(required=True, validate=validate.Regexp(r"[0-9]{4}-(0[1-9]|1[0-2])\Z"))
    service = fields.String(required=True, validate=(validate.Length(min=1, max=64), printable))


class Ask(Schema):
    """``line``: the line of a bill of the account that the person disputes."""

    person_id = fields.UUID(required=True)
    topic = fields.String(required=True, validate=validate.Length(min=1, max=40))
    account = fields.String(
        load_default=None, allow_none=True, validate=validate.Length(min=1, max=64)
    )
    text = fields.String(required=True, validate=_TEXT)
    line = fields.Nested(BilledLine, load_default=None, allow_none=True)
    attachments = _ATTACHMENTS


class Questions(Schema):
    person_id = fields.UUID(required=True)


class Question(Schema):
    person_id = fields.UUID(required=True)
    question_id = fields.UUID(required=True)


class AddMessage(Schema):
    """``disputes``: the person does not agree with the disputed line as it was corrected."""

    person_id = fields.UUID(required=True)
    question_id = fields.UUID(required=True)
    text = fields.String(required=True, validate=_TEXT)
    attachments = _ATTACHMENTS
    disputes = fields.Boolean(load_default=False, truthy={True}, falsy={False})


class Unread(Schema):
    person_id = fields.UUID(required=True)


class NoteRead(Schema):
    """The first messages of a question, as many as given, have been read."""

    person_id = fields.UUID(required=True)
    question_id = fields.UUID(required=True)
    messages = fields.Integer(required=True, strict=True, validate=validate.Range(0, 1_000_000))


class LetterOf(Schema):
    question_id = fields.UUID(required=True)


class QuestionsOfState(Schema):
    """The questions in a state, or all; of one department, or of one of the staff, or of all."""

    state = fields.String(load_default=None, allow_none=True, validate=validate.OneOf(STATES))
    department = fields.String(
        load_default=None, allow_none=True, validate=(validate.Length(max=64), printable)
    )
    assigned_to = fields.String(load_default=None, allow_none=True, validate=_LOGIN)
    overdue = fields.Boolean(load_default=False, truthy={True}, falsy={False})
    limit = fields.Integer(load_default=100, strict=True, validate=validate.Range(1, 10_000))


class AnyQuestion(Schema):
    """A question by its number or its id, whoever asked it."""

    question = fields.String(required=True, validate=validate.Length(min=1, max=40))


class Report(Schema):
    """The first and the last day on which questions were asked."""

    first = fields.Date(required=True)
    last = fields.Date(required=True)


class _StaffCommand(AnyQuestion):
    dry_run = fields.Boolean(load_default=False, truthy={True}, falsy={False})


class Answer(_StaffCommand):
    """An answer, or what is asked back (``wait``); ``reason`` is a note for staff."""

    text = fields.String(required=True, validate=_TEXT)
    attachments = _ATTACHMENTS
    wait = fields.Boolean(load_default=False, truthy={True}, falsy={False})
    reason = Reason(load_default="", optional=True)


class Route(_StaffCommand):
    """The department to hand a question to, and why."""

    department = fields.String(required=True, validate=(validate.Length(min=1, max=64), printable))
    reason = Reason(required=True)


class Assign(_StaffCommand):
    """The login of whoever is to answer, or None for nobody."""

    to = fields.String(required=True, allow_none=True, validate=_LOGIN)
    reason = Reason(load_default="", optional=True)


class Close(_StaffCommand):
    """Why a question is closed."""

    reason = Reason(required=True)
