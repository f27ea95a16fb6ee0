"""The shapes of what staff command and read of bank payments by RPC."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from shared.contracts.base import AccountNumber
from shared.reason_fields import Reason


class _Command(Schema):
    payment_id = fields.UUID(required=True)
    reason = Reason(required=True)
    dry_run = fields.Boolean(load_default=False, truthy={True}, falsy={False})


class AssignBankPayment(_Command):
    """Say whose a payment in suspense is."""

    account = AccountNumber(required=True)


class ReturnBankPayment(_Command):
    """Have the bank return a payment in suspense."""


class BankSuspense(Schema):
    """Payments in suspense after a position of the log, oldest first."""

    after = fields.Integer(load_default=0, strict=True, validate=validate.Range(min=0, max=2**62))
    limit = fields.Integer(load_default=100, strict=True, validate=validate.Range(1, 500))


class BankRegisters(Schema):
    """The newest files of banks."""

    limit = fields.Integer(load_default=50, strict=True, validate=validate.Range(1, 500))
