"""Checkpoints kept outside find a seal that was forged as a whole."""

from __future__ import annotations

import pytest

from services.ledger.seal.checkpoint import Checkpoint, NoteError, Signer
from services.ledger.seal.keys import SealKeys
from services.ledger.seal.sealer import last_checkpoint
from tests.integration.ledger.sealed_ledger import SealedLedger

pytestmark = pytest.mark.nodes


def test_seal_forged_with_another_key_is_found(ledger: SealedLedger) -> None:
    untrusted = Signer(ledger.keys.origin, bytes(32))
    ledger.tamper("UPDATE events SET state = '{}' WHERE notification_id = 250")
    ledger.reseal(SealKeys(untrusted, (untrusted.verifier,)))
    sizes = (100, 300, 512, 590)
    assert ledger.found() == {("checkpoint_forged", None, size) for size in sizes}


def test_seal_forged_with_our_key_is_found_by_an_outside_checkpoint(
    ledger: SealedLedger,
) -> None:
    kept = ledger.read(last_checkpoint).note
    ledger.tamper("UPDATE events SET state = '{}' WHERE notification_id = 250")
    ledger.reseal()
    assert ledger.found() == set()
    assert ledger.found(kept) == {
        ("fork", None, 590),
        ("outside", 1, 590),
        ("rewritten", 1, 590),
    }


def test_log_truncated_with_its_seal_is_found_by_an_outside_checkpoint(
    ledger: SealedLedger,
) -> None:
    kept = ledger.read(last_checkpoint).note
    ledger.tamper(
        "DELETE FROM events WHERE notification_id > 512",
        "DELETE FROM checkpoints WHERE size > 512",
        "DELETE FROM tiles WHERE level = 0 AND start >= 512",
    )
    assert ledger.found() == set()
    assert ledger.found(kept) == {
        ("truncated", 513, 590),
        ("checkpoint_missing", None, 590),
        ("outside", 1, 590),
    }


def test_outside_checkpoint_without_a_trusted_signature_is_a_finding(
    shared_ledger: SealedLedger,
) -> None:
    untrusted = Signer(shared_ledger.keys.origin, bytes(32))
    note = untrusted.sign(Checkpoint(shared_ledger.keys.origin, 590, bytes(32)).text())
    assert shared_ledger.found(note) == {("outside", None, None)}
    with pytest.raises(NoteError):
        shared_ledger.inspect("nonsense")
