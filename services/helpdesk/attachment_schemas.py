"""The schemas of the RPCs of attachments."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from services.helpdesk.attachment import MAX_BYTES, PART_BYTES
from services.helpdesk.schemas import AnyQuestion, Question, can_be_encoded

_MOST_PARTS = MAX_BYTES // PART_BYTES + 1
_NAME = fields.String(
    load_default="", validate=(validate.Length(max=1000), can_be_encoded)
)  # it is cleaned, not refused
_INDEX = fields.Integer(required=True, strict=True, validate=validate.Range(0, _MOST_PARTS))
_CONTENT = fields.String(
    required=True, validate=validate.Length(min=1, max=(PART_BYTES + 2) // 3 * 4)
)
_SHA256 = fields.String(required=True, validate=validate.Regexp(r"[0-9a-f]{64}\Z"))


class _OfPerson(Schema):
    person_id = fields.UUID(required=True)


class _Upload(Schema):
    attachment_id = fields.UUID(required=True)


class BeginAnswerFile(Schema):
    name = _NAME


class BeginUpload(_OfPerson, BeginAnswerFile):
    """What a person calls his file."""


class AnswerFilePart(_Upload):
    """A part in base64; ``index`` counts from 0."""

    index = _INDEX
    content = _CONTENT


class UploadPart(_OfPerson, AnswerFilePart):
    """A part of a person's file."""


class FinishAnswerFile(_Upload):
    sha256 = _SHA256


class FinishUpload(_OfPerson, FinishAnswerFile):
    """The digest of the whole file of a person."""


class AttachmentOf(Question):
    """A file of the person's own question."""

    attachment_id = fields.UUID(required=True)


class AttachmentPart(AttachmentOf):
    index = _INDEX


class AnyAttachment(AnyQuestion):
    """A file of a question by its place among all of the question, counted from 1."""

    number = fields.Integer(required=True, strict=True, validate=validate.Range(1, 10_000))


class AnyAttachmentPart(AnyAttachment):
    index = _INDEX
