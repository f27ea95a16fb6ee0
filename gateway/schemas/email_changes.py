"""Changing the e-mail address of a cabinet."""

from __future__ import annotations

from marshmallow import ValidationError, fields, validates_schema

from gateway.schemas.base import (
    Result,
    Shape,
    described,
    email_address,
    input_text,
    instant,
    link_token,
    notice,
    output_text,
    secret,
)


class RequestEmailChange(Shape):
    """The new address, the password, and a bill where the old mailbox is lost."""

    joint_rules = {  # noqa: RUF012 - never changed
        "dependentRequired": {"number": ["proof"], "proof": ["number"]},
    }

    email = email_address("The new address.")
    current_password = secret("The password of the cabinet.", "четыре синих чайника")
    number = input_text(
        "Without the old mailbox: the number of an account of one's own.",
        "0001234",
        most=64,
        required=False,
    )
    proof = input_text(
        "Without the old mailbox: the control code of the account's bill.",
        "K7M2-9QXD",
        most=200,
        required=False,
    )

    @validates_schema
    def check_bill(self, data: dict[str, object], **_: object) -> None:
        for given, missing in (("number", "proof"), ("proof", "number")):
            if given in data and missing not in data:
                raise ValidationError("field_required", missing)


class PendingEmailChange(Result):
    """A change under way."""

    email = output_text("The new address.", "anna@example.org")
    way = output_text(
        "Who stands up for it: `both` mailboxes, a bill of the `account`, or `staff`.", "both"
    )
    new_confirmed = fields.Boolean(
        required=True, metadata=described("Whether the new mailbox has confirmed.", True)
    )
    old_confirmed = fields.Boolean(
        required=True, metadata=described("Whether the old mailbox has confirmed.", False)
    )
    due_at = instant(
        "When it happens without the old mailbox; null where both have to confirm.",
        allow_none=True,
    )
    expires_at = instant("When it is given up.")


class EmailChange(Result):
    """The person's change under way, if there is one."""

    pending = fields.Nested(
        PendingEmailChange,
        required=True,
        allow_none=True,
        metadata=described("The change under way; null where there is none."),
    )


class EmailChangeRequested(Result):
    """The started change; the response is the same for a known e-mail."""

    due_at = instant(
        "When it happens without the old mailbox; null where both have to confirm.",
        allow_none=True,
    )
    message = notice()


class FollowEmailLink(Shape):
    """The token of a link in one of the letters."""

    token = link_token()


class EmailChangeConfirmed(Result):
    """What a confirmation has led to."""

    status = output_text(
        "`changed`, or what it waits for: `waits_for_new`, `waits_for_old`, `waits_for_time`.",
        "waits_for_old",
    )
    due_at = instant(
        "When it happens without the old mailbox; null where both have to confirm.",
        allow_none=True,
    )
    message = notice()
