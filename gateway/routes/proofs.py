"""Checking the proof of a receipt, without a cabinet."""

from __future__ import annotations

from typing import Any

from gateway.operations import API, Access, Call, Operation
from gateway.schemas import proofs as shapes
from gateway.web import route

TAG = "Proofs"


class ProofRoutes:
    """What anybody can check who holds a receipt."""

    @route(
        Operation(
            method="POST",
            path=f"{API}/proofs/verify",
            tag=TAG,
            summary="Check an inclusion proof under our keys; it can be checked without us, too.",
            description="Send the proof exactly as the receipt has it. All but `sealed_at` comes "
            "out of the proof itself.",
            access=Access.PUBLIC,
            body=shapes.ProofToCheck,
            result=shapes.Proven,
            refusals={422: ("proof_does_not_hold", "proof_unreadable")},
        )
    )
    def verify_proof(self, call: Call) -> Any:
        return call.ask("ledger", "verify_proof", proof=call.body)

    @route(
        Operation(
            method="GET",
            path=f"{API}/proofs/keys",
            tag=TAG,
            summary="The verifier keys of the ledger's seal.",
            description="To check proofs offline, keep the keys from elsewhere than the proof.",
            access=Access.PUBLIC,
            result=shapes.VerifierKeys,
        )
    )
    def verifier_keys(self, call: Call) -> Any:
        return call.ask("ledger", "verifier_keys")

    @route(
        Operation(
            method="GET",
            path=f"{API}/proofs/checkpoint",
            tag=TAG,
            summary="The last checkpoint of the ledger's seal; keep it to prove later changes.",
            description="A signed statement of what the ledger contained: whoever kept one can "
            "prove a later change.",
            access=Access.PUBLIC,
            result=shapes.LastCheckpoint,
        )
    )
    def last_checkpoint(self, call: Call) -> Any:
        return call.ask("ledger", "last_checkpoint")
