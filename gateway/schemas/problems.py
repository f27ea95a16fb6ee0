"""The problem document (RFC 9457), for OpenAPI: it is written by ``gateway.problems``."""

from __future__ import annotations

from marshmallow import fields

from gateway.schemas.base import Answered, described, said


class WrongMember(Answered):
    """What is wrong with one member of the request."""

    pointer = fields.String(metadata=described("JSON pointer into the body.", "#/lines/0/amount"))
    parameter = fields.String(metadata=described("The query parameter.", "limit"))
    header = fields.String(metadata=described("The header.", "Idempotency-Key"))
    code = said("The stable code.", "field_required")
    detail = said("In words, in the language asked for.", "Заполните это поле.")


class Problem(Answered):
    """Why a request was refused, and what to do next."""

    type = said("Stable; by code.", "/problems/wrong_code")
    title = said("What happened, in short.", "Код не подходит")
    status = fields.Integer(required=True, metadata=described("The HTTP status.", 422))
    detail = said("What happened and what to do next.")
    code = said("The stable code for programs.", "wrong_code")
    instance = said("The error id that the log explains.")
    errors = fields.List(
        fields.Nested(WrongMember), metadata=described("Wrong members of the request.")
    )
    params = fields.Dict(metadata=described("Numbers that the text speaks of."))
