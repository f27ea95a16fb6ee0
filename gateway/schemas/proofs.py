"""Checking the proof of a receipt: public, since whoever holds a receipt may check it."""

from __future__ import annotations

from marshmallow import fields, validate

from gateway.schemas import patterns
from gateway.schemas.base import (
    Pattern,
    Result,
    Shape,
    Text,
    day,
    described,
    identifier,
    instant,
    kopecks,
    length,
    one_of,
    output_text,
)

_FORMAT = "saldo-inclusion-proof-v1"
_MOST_POSITIONS = (1 << 63) - 1
_HASH = "n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg="
_CHECKPOINT = f"billing.example/ledger\n64\n{_HASH}\n\n— billing.example/ledger {_HASH}\n"


def _place(description: str) -> fields.Integer:
    return fields.Integer(
        strict=True,
        required=True,
        validate=validate.Range(0, _MOST_POSITIONS, error=f"field_range 0 {_MOST_POSITIONS}"),
        metadata=described(description, 42),
    )


def _exact(description: str, example: str, most: int, pattern: str) -> Text:
    return Text(
        strip=False,
        required=True,
        validate=[length(1, most), Pattern(pattern, error="field_refused")],
        metadata=described(description, example),
    )


class ProofToCheck(Shape):
    """The proof of a receipt, exactly as in the receipt."""

    format = Text(
        required=True,
        validate=one_of(_FORMAT),
        metadata=described("The form of the proof.", _FORMAT),
    )
    position = _place("The place of the posting in the ledger.")
    index = _place("Its place in the tree, which counts from 0.")
    size = _place("How many events the checkpoint has sealed.")
    leaf = _exact(
        "The posting as it was sealed, in base64.", "eyJwb3NpdGlvbiI6NDJ9", 60_000, patterns.BASE64
    )
    path = fields.List(
        Text(strip=False, validate=Pattern(patterns.SHA256, error="field_refused")),
        required=True,
        validate=length(0, 128),
        metadata=described("The hashes from the leaf to the root, each in base64.", [_HASH]),
    )
    checkpoint = _exact("The checkpoint, a signed note.", _CHECKPOINT, 10_000, patterns.TEXT)


class ProvenPayment(Result):
    """The payment that a proof proves."""

    payment_id = identifier("The id of the payment.")
    account = output_text("The personal account.", "0001234")
    amount = kopecks("For services", 450000)
    penalty = kopecks("Penalty", 1425)
    effective_on = day("The day of the payment.")


class Proven(Result):
    """The record that a proof proves; all but `sealed_at` comes out of the proof itself."""

    position = fields.Integer(
        required=True, metadata=described("The place of the record in the ledger.", 42)
    )
    size = fields.Integer(
        required=True, metadata=described("How many events the checkpoint has sealed.", 64)
    )
    origin = output_text("The log that the checkpoint is of.", "billing.example/ledger")
    recorded_at = instant("When the record was made.")
    sealed_at = instant(
        "When the checkpoint was signed; null: it is not among ours.", allow_none=True
    )
    payment = fields.Nested(
        ProvenPayment,
        required=True,
        allow_none=True,
        metadata=described("The payment; null: the record is of another kind."),
    )


class VerifierKeys(Result):
    """The keys to check proofs with; whoever checks keeps them from elsewhere than the proof."""

    keys = fields.List(
        fields.String(),
        required=True,
        metadata=described("Verifier keys (C2SP signed-note), the one that signs now first."),
    )


class SealedCheckpoint(Result):
    """A checkpoint: a signed statement of what the ledger contained."""

    size = fields.Integer(
        required=True, metadata=described("The number of events that it seals.", 64)
    )
    sealed_at = instant("When it was signed.")
    note = output_text("The signed note (C2SP tlog-checkpoint).")


class LastCheckpoint(Result):
    """The last checkpoint."""

    checkpoint = fields.Nested(
        SealedCheckpoint,
        required=True,
        allow_none=True,
        metadata=described("The checkpoint; null before the first."),
    )
