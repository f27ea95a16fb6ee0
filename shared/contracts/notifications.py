"""Events of notifications: the outcome of letters, never their address or content."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from marshmallow import Schema, fields, validate

from shared.contracts.base import Contract, PlainId

ABOUT = "The outcome of letters."


class LetterKind(StrEnum):
    """Every kind of letter; each has its template in ``services/notifications/letters/``.

    A new kind may appear within a version: readers ignore what they do not know.
    """

    REGISTRATION_CODE = "registration_code"
    ALREADY_REGISTERED = "already_registered"
    TEMPORARY_PASSWORD = "temporary_password"  # noqa: S105 - a name, not a password
    PASSWORD_RESET_LINK = "password_reset_link"  # noqa: S105
    EMAIL_TO_CONFIRM = "email_to_confirm"
    EMAIL_TO_LEAVE = "email_to_leave"
    EMAIL_TAKEN = "email_taken"
    EMAIL_CHANGED = "email_changed"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105
    SECOND_FACTOR_CHANGED = "second_factor_changed"
    RECOVERY_CODE_USED = "recovery_code_used"
    SECOND_FACTOR_GUESSED = "second_factor_guessed"
    SIGN_IN_LINK = "sign_in_link"
    NEW_DEVICE = "new_device"
    PERSON_ERASED = "person_erased"
    ACCOUNT_LINKED_BY_ANOTHER = "account_linked_by_another"
    INVITATION = "invitation"
    INVITATION_ACCEPTED = "invitation_accepted"
    ACCESS_WITHDRAWN = "access_withdrawn"
    PROOFS_GUESSED = "proofs_guessed"
    PAYMENT_RECEIPT = "payment_receipt"
    PAYMENT_FAILED = "payment_failed"
    PAYMENT_REFUNDED = "payment_refunded"
    PAYMENT_MISMATCHED = "payment_mismatched"
    QUESTION_ACCEPTED = "question_accepted"
    QUESTION_TO_DEPARTMENT = "question_to_department"
    QUESTION_ANSWERED = "question_answered"
    QUESTION_CLOSED = "question_closed"
    DISPUTE_DECIDED = "dispute_decided"
    BILL_READY = "bill_ready"
    DUE_SOON = "due_soon"
    OVERDUE = "overdue"


OPTIONAL: Final = frozenset({LetterKind.BILL_READY, LetterKind.DUE_SOON, LetterKind.OVERDUE})
"""The letters that a person may switch off."""


class FailureReason(StrEnum):
    """Why a letter was given up."""

    REFUSED_BY_SERVER = "refused_by_server"
    UNDELIVERABLE = "undeliverable"
    STALE = "stale"
    GAVE_UP = "gave_up"


class LetterSent(Schema):
    letter_id = PlainId(required=True, metadata={"description": "The letter."})
    kind = fields.String(
        required=True,
        validate=validate.Length(min=1, max=64),
        metadata={"description": f"The kind of letter: {', '.join(LetterKind)}."},
    )


class LetterFailed(Schema):
    letter_id = PlainId(required=True, metadata={"description": "The letter."})
    kind = fields.String(
        required=True,
        validate=validate.Length(min=1, max=64),
        metadata={"description": f"The kind of letter: {', '.join(LetterKind)}."},
    )
    reason = fields.String(
        required=True,
        validate=validate.OneOf([reason.value for reason in FailureReason]),
        metadata={
            "description": (
                "refused_by_server: the mail server answered 5xx; undeliverable: the address "
                "cannot receive mail; stale: nobody needed the letter any more before it could "
                "be sent (its secret was used, or a newer letter replaces it; all was paid; its "
                "day is over; the person has switched such letters off, or was erased); gave_up: "
                "all attempts in five days failed."
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
