"""Events of notifications: the outcome of letters, never their address or content."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from shared.contracts.base import Contract, PlainId

ABOUT = "The outcome of letters."

#: The kinds of letters. A kind may be added within a version: readers ignore unknown ones.
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
        metadata={"description": f"The kind of letter: {', '.join(KINDS)}."},
    )


class LetterFailed(Schema):
    letter_id = PlainId(required=True, metadata={"description": "The letter."})
    kind = fields.String(
        required=True,
        validate=validate.Length(min=1, max=64),
        metadata={"description": f"The kind of letter: {', '.join(KINDS)}."},
    )
    reason = fields.String(
        required=True,
        validate=validate.OneOf(FAILURES),
        metadata={
            "description": (
                "refused_by_server: the mail server answered 5xx; undeliverable: the address "
                "cannot receive mail; stale: the secret in the letter expired before it "
                "could be sent; gave_up: all attempts in five days failed."
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
        summary="A letter was given up and not delivered.",
    ),
]
