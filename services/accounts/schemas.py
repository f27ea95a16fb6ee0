"""The shapes of the RPCs of accounts."""

from __future__ import annotations

from typing import get_args

from marshmallow import Schema, fields, validate

from services.accounts.application import Need
from services.accounts.cabinet import GuestRole, Role
from services.accounts.invitation_token import TOKEN_LENGTH
from shared.account_key import PATTERN
from shared.account_spelling import MAX_TYPED
from shared.reason_fields import Reason, printable

_TYPED = validate.Length(min=1, max=MAX_TYPED)
"""What a person typed, spaces and all; the use case decides whether it is an account number."""
MAX_PROOF, MAX_EMAIL, MAX_ATTEMPTS = 64, 254, 1000


class _OfPerson(Schema):
    person_id = fields.UUID(required=True)


class Linked(_OfPerson):
    """Whose accounts."""


class OfAccount(_OfPerson):
    number = fields.String(required=True, validate=_TYPED)


class LookUp(OfAccount):
    ip = fields.IP(required=True)


class Prove(LookUp):
    proof = fields.String(load_default="", validate=validate.Length(max=MAX_PROOF))


class Owns(_OfPerson):
    numbers = fields.List(
        fields.String(validate=_TYPED), required=True, validate=validate.Length(max=100)
    )
    need = fields.String(load_default="read", validate=validate.OneOf(get_args(Need)))


class AccountKey(Schema):
    account = fields.String(required=True, validate=validate.Regexp(rf"{PATTERN}\Z"))


class Readers(Schema):
    """Accounts, by their keys."""

    accounts = fields.List(
        fields.String(validate=validate.Regexp(rf"(?:{PATTERN})\Z")),
        required=True,
        validate=validate.Length(max=1_000),
    )


class Invite(OfAccount):
    email = fields.String(
        required=True, validate=[validate.Length(min=3, max=MAX_EMAIL), printable]
    )
    role = fields.String(required=True, validate=validate.OneOf(get_args(GuestRole)))


class Token(Schema):
    token = fields.String(required=True, validate=validate.Length(min=1, max=4 * TOKEN_LENGTH))


class AcceptInvitation(_OfPerson):
    token = fields.String(required=True, validate=validate.Length(min=1, max=4 * TOKEN_LENGTH))


class Withdraw(OfAccount):
    access_id = fields.UUID(required=True)


class InvitationId(Schema):
    invitation_id = fields.UUID(required=True)


class Number(Schema):
    number = fields.String(required=True, validate=_TYPED)


class Attempts(Schema):
    number = fields.String(load_default=None, allow_none=True, validate=_TYPED)
    limit = fields.Integer(
        load_default=100, strict=True, validate=validate.Range(min=1, max=MAX_ATTEMPTS)
    )


class StaffUnlink(OfAccount):
    reason = Reason(required=True)
    dry_run = fields.Boolean(load_default=False)


class StaffLink(StaffUnlink):
    role = fields.String(load_default="owner", validate=validate.OneOf(get_args(Role)))
