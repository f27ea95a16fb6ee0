"""Receipts: proof for a payer that a payment is in the ledger's sealed log."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from services.ledger.domain.events import PaymentPosted
from services.ledger.seal import leaf, proofs
from services.ledger.seal.checkpoint import (
    Checkpoint,
    NoteError,
    SignatureError,
    VerifierKey,
)
from services.ledger.seal.leaf import EventRow, LeafError
from services.ledger.seal.merkle import ProofError
from services.ledger.seal.reading import row_at
from services.ledger.seal.restores import Lines
from services.ledger.seal.verifier import MalformedProofError, verify_inclusion
from shared.errors import NotFound, ValidationFailed
from shared.eventstore import Session

_SHOWN = ("payment_id", "account", "amount", "penalty", "effective_on")


def payment_proofs(session: Session, payment_id: UUID) -> dict[str, Any]:
    """Return an inclusion proof for each account of a payment; None where it is not sealed yet.

    A proof is verified offline: ``python -m services.ledger.seal.verifier FILE --key KEY``.
    """
    return {
        "proofs": [
            {"account": posting["account"], "proof": _proof(session, posting["position"])}
            for posting in session.read.postings_of(payment_id)
        ]
    }


def checked_proof(
    session: Session, proof: Mapping[str, Any], trusted: Sequence[VerifierKey]
) -> dict[str, Any]:
    """Return what an inclusion proof proves: ``{position, size, origin, recorded_at, sealed_at,
    payment}``.

    All but ``sealed_at`` comes out of the proof itself; ``payment`` is None for a record that is
    no payment, ``sealed_at`` where the checkpoint is not among ours (it was signed elsewhere).
    Raises ValidationFailed ``proof_unreadable`` or ``proof_does_not_hold``.
    """
    try:
        row, checkpoint = verify_inclusion(proof, trusted)
        recorded_at = leaf.to_json(row)["recorded_at"]
    except (MalformedProofError, LeafError, NoteError) as error:
        raise ValidationFailed("proof_unreadable", f"This is no proof: {error}.") from None
    except (ProofError, SignatureError) as error:
        raise ValidationFailed("proof_does_not_hold", f"It is not proven: {error}.") from None
    _check_line(session, row, checkpoint)
    return {
        "position": row.notification_id,
        "size": checkpoint.size,
        "origin": checkpoint.origin,
        "recorded_at": recorded_at,
        "sealed_at": _sealed_at(session, checkpoint),
        "payment": _payment(row),
    }


def _check_line(session: Any, row: EventRow, checkpoint: Checkpoint) -> None:
    """Refuse what a restore has taken from the log, however well it is signed.

    What was there before it is proven as ever: the log still has it.
    """
    ended = Lines(session.cursor).ended(checkpoint)
    if ended is None or row_at(session.cursor, row.notification_id) == row:
        return
    raise ValidationFailed(
        "proof_does_not_hold",
        f"It was sealed, but a restore has taken it from the log, which goes on after position "
        f"{ended.after} since. A payment was taken up again: ask for its receipt once more.",
    )


def last_checkpoint(session: Any) -> dict[str, Any]:
    """Return ``{checkpoint: {size, sealed_at, note}}``, None in its place before the first."""
    row = session.cursor.execute(
        "SELECT size, created_at, note FROM checkpoints ORDER BY number DESC LIMIT 1"
    ).fetchone()
    if row is None:
        return {"checkpoint": None}
    sealed_at = row["created_at"].isoformat()
    return {"checkpoint": {"size": row["size"], "sealed_at": sealed_at, "note": row["note"]}}


def _proof(session: Any, position: int) -> dict[str, Any] | None:
    try:
        return proofs.inclusion(session.cursor, position)
    except NotFound as missing:
        if missing.code == "not_sealed_yet":
            return None
        raise


def _sealed_at(session: Any, checkpoint: Checkpoint) -> str | None:
    row = session.cursor.execute(
        "SELECT created_at FROM checkpoints WHERE size = %s AND root = %s",
        (checkpoint.size, checkpoint.root),
    ).fetchone()
    return row["created_at"].isoformat() if row else None


def _payment(row: EventRow) -> dict[str, Any] | None:
    if row.topic != PaymentPosted.topic:
        return None
    state = json.loads(row.state)
    return {name: state[name] for name in _SHOWN}
