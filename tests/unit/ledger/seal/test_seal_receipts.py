"""The check of a proof that somebody brings: what it proves, and that another digit refuses."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from services.ledger.seal import leaf, merkle
from services.ledger.seal.checkpoint import Checkpoint, Signer
from services.ledger.seal.leaf import EventRow
from services.ledger.seal.receipts import checked_proof, last_checkpoint
from shared.errors import ValidationFailed

SIGNER = Signer("billing.example/ledger", bytes(32))
PAYMENT = {
    "account": "0001",
    "payment_id": "00000000-0000-4000-8000-000000000001",
    "effective_on": "2026-05-14",
    "amount": 450_000,
    "penalty": 1_425,
}


class Rows:
    """Stands for the database: it has the checkpoint, or has it not."""

    def __init__(self, row: dict[str, Any] | None) -> None:
        self._row = row

    def execute(self, *_: Any) -> Rows:
        return self

    def fetchone(self) -> dict[str, Any] | None:
        return self._row

    def fetchall(self) -> list[Any]:
        return []  # no restore is known


def proof(topic: str = "ledger.payment_posted.v1") -> dict[str, Any]:
    row = EventRow(
        1, bytes(16), 1, topic, json.dumps(PAYMENT).encode(), 0, bytes(16), "service:ledger", "c"
    )
    data = leaf.encode(row)
    checkpoint = Checkpoint("billing.example/ledger", 1, merkle.leaf_hash(data))
    return {
        "format": "saldo-inclusion-proof-v1",
        "position": 1,
        "index": 0,
        "size": 1,
        "leaf": base64.b64encode(data).decode(),
        "path": [],
        "checkpoint": SIGNER.sign(checkpoint.text()),
    }


def check(brought: dict[str, Any], row: dict[str, Any] | None = None) -> dict[str, Any]:
    session: Any = SimpleNamespace(cursor=Rows(row))
    return checked_proof(session, brought, [SIGNER.verifier])


def test_a_proof_names_its_payment() -> None:
    found = check(proof())
    assert found["payment"] == PAYMENT
    assert (found["position"], found["size"]) == (1, 1)
    assert found["origin"] == "billing.example/ledger"
    assert found["recorded_at"] == "1970-01-01T00:00:00.000000Z"
    assert found["sealed_at"] is None


def test_a_record_of_another_kind_is_no_payment() -> None:
    assert check(proof("ledger.charges_posted.v1"))["payment"] is None


def test_another_digit_anywhere_refuses() -> None:
    whole = json.dumps(proof())
    for place, character in enumerate(whole):
        if character.isdigit():
            changed = json.loads(
                whole[:place] + str((int(character) + 1) % 10) + whole[place + 1 :]
            )
            with pytest.raises(ValidationFailed) as refused:
                check(changed)
            assert refused.value.code in {"proof_unreadable", "proof_does_not_hold"}


def test_the_signature_of_a_stranger_proves_nothing() -> None:
    session: Any = SimpleNamespace(cursor=Rows(None))
    other = Signer("billing.example/ledger", bytes([1]) * 32).verifier
    with pytest.raises(ValidationFailed) as refused:
        checked_proof(session, proof(), [other])
    assert refused.value.code == "proof_does_not_hold"


def test_last_checkpoint_is_none_before_the_first() -> None:
    session: Any = SimpleNamespace(cursor=Rows(None))
    assert last_checkpoint(session) == {"checkpoint": None}
    sealed_at = datetime(2026, 5, 14, 9, 31, tzinfo=UTC)
    session = SimpleNamespace(cursor=Rows({"size": 8, "created_at": sealed_at, "note": "a note"}))
    found = last_checkpoint(session)["checkpoint"]
    assert found == {"size": 8, "sealed_at": "2026-05-14T09:31:00+00:00", "note": "a note"}
