"""The schemas of the RPCs for staff, and of those that tell the gateway who is who."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, validate

from shared.reason_fields import Reason

_MOST_IDS = 100
_CODE = validate.Regexp(r"^[\w.:@/-]{8,128}\Z")
"""The form of a correlation id or an error id, whoever has chosen it."""


def _email() -> fields.String:
    return fields.String(
        load_default=None, allow_none=True, validate=validate.Length(min=3, max=320)
    )


def _dry_run() -> fields.Boolean:
    return fields.Boolean(load_default=False, truthy={True}, falsy={False})


def _person_ids() -> fields.Field[Any]:
    return fields.List(fields.UUID(), load_default=list, validate=validate.Length(max=_MOST_IDS))


class NoteSupportCode(Schema):
    code = fields.String(required=True, validate=_CODE)
    person_id = fields.UUID(required=True)


class Names(Schema):
    person_ids = fields.List(fields.UUID(), required=True, validate=validate.Length(max=_MOST_IDS))


class OwnSecurityLog(Schema):
    person_id = fields.UUID(required=True)
    limit = fields.Integer(load_default=50, strict=True, validate=validate.Range(1, 200))


class FindPersons(Schema):
    email = _email()
    support_code = fields.String(load_default=None, allow_none=True, validate=_CODE)
    person_ids = _person_ids()


class ActOnPerson(Schema):
    person_id = fields.UUID(required=True)
    reason = Reason(required=True)
    dry_run = _dry_run()


class RestoreAccess(ActOnPerson):
    email = fields.String(required=True, validate=validate.Length(min=3, max=320))


class ResendLetter(Schema):
    """By one of the two: somebody who is registered, or an address that is being registered."""

    person_id = fields.UUID(load_default=None, allow_none=True)
    email = _email()
    reason = Reason(required=True)
    dry_run = _dry_run()
