"""What notifications publishes: the fate of letters, never their address or content."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from shared.contracts.base import Contract, PlainId

#: Every kind of letter. A new kind may appear within a version: readers ignore what they
#: do not know.
KINDS = (
    "registration_code",
    "already_registered",
    "temporary_password",
    "password_reset_code",
    "password_changed",
    "account_linked_by_another",
    "payment_receipt",
    "payment_failed",
    "question_accepted",
    "question_to_department",
    "question_answered",
)

#: Why a letter was given up.
FAILURES = ("refused_by_server", "undeliverable", "stale", "gave_up")


class LetterSent(Schema):
    letter_id = PlainId(required=True, metadata={"description": "The letter."})
    kind = fields.String(
        required=True,
        validate=validate.Length(min=1, max=64),
        metadata={"description": f"What the letter says: {', '.join(KINDS)}."},
    )


class LetterFailed(Schema):
    letter_id = PlainId(required=True, metadata={"description": "The letter."})
    kind = fields.String(
        required=True,
        validate=validate.Length(min=1, max=64),
        metadata={"description": f"What the letter was to say: {', '.join(KINDS)}."},
    )
    reason = fields.String(
        required=True,
        validate=validate.OneOf(FAILURES),
        metadata={
            "description": (
                "refused_by_server: the mail server answered 5xx; undeliverable: the address can "
                "not be written to at all; stale: the secret in the letter expired before it "
                "could be sent; gave_up: five days of attempts were not enough."
            )
        },
    )


CONTRACTS = [
    Contract(
        "letter_sent",
        version=1,
        schema=LetterSent,
        summary="A letter was accepted by the mail server.",
    ),
    Contract(
        "letter_failed",
        version=1,
        schema=LetterFailed,
        summary="A letter was given up: nobody received it.",
    ),
]
