"""The shapes of the RPCs of accounts."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

_NUMBER = validate.Length(min=1, max=64)
"""What a person typed, spaces and all; the use case decides whether it is an account number."""


class LookUp(Schema):
    person_id = fields.UUID(required=True)
    number = fields.String(required=True, validate=_NUMBER)


class Link(Schema):
    person_id = fields.UUID(required=True)
    number = fields.String(required=True, validate=_NUMBER)
    proof = fields.String(load_default="", validate=validate.Length(max=64))


class Unlink(Schema):
    person_id = fields.UUID(required=True)
    number = fields.String(required=True, validate=_NUMBER)


class Linked(Schema):
    person_id = fields.UUID(required=True)


class Owns(Schema):
    person_id = fields.UUID(required=True)
    numbers = fields.List(
        fields.String(validate=_NUMBER), required=True, validate=validate.Length(max=100)
    )
