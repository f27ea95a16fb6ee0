"""The requests about fiscal receipts."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from shared.reason_fields import Reason


class FiscalReceipts(Schema):
    """The fiscal receipts of one payment of a person."""

    person_id = fields.UUID(
        required=True, metadata={"description": "The person whose payment it is."}
    )
    payment_id = fields.UUID(required=True, metadata={"description": "The payment."})


class OpenFiscalReceipts(Schema):
    """The fiscal receipts that are not registered."""

    limit = fields.Integer(
        load_default=100,
        strict=True,
        validate=validate.Range(min=1, max=10_000),
        metadata={"description": "At most so many."},
    )


class RetryFiscalReceipt(Schema):
    """A refused fiscal receipt to send again, and why."""

    receipt_id = fields.UUID(required=True, metadata={"description": "The receipt."})
    reason = Reason(required=True)
    dry_run = fields.Boolean(load_default=False, truthy={True}, falsy={False})
