"""Receipts: proof for a payer that a payment is in the ledger's sealed log."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from services.ledger.seal import proofs
from shared.errors import NotFound
from shared.eventstore import Session


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


def _proof(session: Any, position: int) -> dict[str, Any] | None:
    try:
        return proofs.inclusion(session.cursor, position)
    except NotFound as missing:
        if missing.code == "not_sealed_yet":
            return None
        raise
