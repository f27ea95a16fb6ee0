"""The problem document (RFC 9457), for OpenAPI; ``gateway.problems`` makes it."""

from __future__ import annotations

from marshmallow import fields

from gateway.schemas.base import Result, described, output_text


class InvalidField(Result):
    """The error of one field of the request."""

    pointer = fields.String(metadata=described("JSON pointer into the body.", "#/lines/0/amount"))
    parameter = fields.String(metadata=described("The query parameter.", "limit"))
    header = fields.String(metadata=described("The header.", "Idempotency-Key"))
    code = output_text("The stable code.", "field_required")
    detail = output_text("The error for people, in the requested language.", "Заполните это поле.")


class Problem(Result):
    """Why a request was refused, and what to do next."""

    type = output_text("Stable, derived from the code.", "/problems/wrong_code")
    title = output_text("A summary of what happened.", "Код не подходит")
    status = fields.Integer(required=True, metadata=described("The HTTP status.", 422))
    detail = output_text("What happened and what to do next.")
    code = output_text("The stable code for programs.", "wrong_code")
    instance = output_text("The error id, which is in the log.")
    errors = fields.List(
        fields.Nested(InvalidField), metadata=described("The invalid fields of the request.")
    )
    params = fields.Dict(metadata=described("The numbers in the text."))
