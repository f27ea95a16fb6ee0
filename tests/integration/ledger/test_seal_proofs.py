"""Proofs from a sealed log, verified offline."""

from __future__ import annotations

import json

import pytest

from services.ledger.seal import leaf
from services.ledger.seal.reading import rows_between
from services.ledger.seal.sealer import last_checkpoint
from services.ledger.seal.tiles import SealBrokenError
from services.ledger.seal.verifier import verify_consistency, verify_export, verify_inclusion
from shared.errors import NotFound
from tests.integration.ledger.sealed_ledger import SealedLedger

pytestmark = pytest.mark.nodes


def test_every_event_can_be_proven_offline(shared_ledger: SealedLedger) -> None:
    keys = shared_ledger.keys.trusted
    for position in (1, 100, 101, 256, 257, 512, 513, 590):
        row, checkpoint = verify_inclusion(shared_ledger.inclusion(position), keys)
        assert (row.notification_id, row.state) == (position, b'{"amount":%d}' % position)
        assert checkpoint.size == next(size for size in (100, 300, 512, 590) if size >= position)
    assert verify_inclusion(shared_ledger.inclusion(42, 590), keys)[1].size == 590


def test_every_checkpoint_continues_every_older_one(shared_ledger: SealedLedger) -> None:
    for old, new in ((100, 300), (100, 590), (512, 590), (300, None), (590, 590)):
        proof = shared_ledger.consistency(old, new)
        checkpoints = verify_consistency(
            proof["old_checkpoint"], proof["new_checkpoint"], proof, shared_ledger.keys.trusted
        )
        assert [checkpoint.size for checkpoint in checkpoints] == [old, new or 590]


def test_export_of_the_log_is_verified_offline(shared_ledger: SealedLedger) -> None:
    rows = shared_ledger.read(lambda cursor: list(rows_between(cursor, 0, 600)))
    lines = [json.dumps(leaf.to_json(row)) for row in rows]
    note = shared_ledger.read(last_checkpoint).note
    assert verify_export(lines, note, shared_ledger.keys.trusted).size == 590


@pytest.mark.parametrize(
    ("position", "size", "code"),
    [
        (0, None, "event_not_found"),
        (601, None, "event_not_found"),
        (595, None, "not_sealed_yet"),
        (42, 41, "checkpoint_not_found"),
        (101, 100, "event_not_found"),
    ],
)
def test_unprovable_event_is_refused_with_its_reason(
    shared_ledger: SealedLedger, position: int, size: int | None, code: str
) -> None:
    with pytest.raises(NotFound) as refused:
        shared_ledger.inclusion(position, size)
    assert refused.value.code == code


def test_sizes_without_a_checkpoint_are_refused(shared_ledger: SealedLedger) -> None:
    for old, new in ((99, 590), (100, 599), (300, 100)):
        with pytest.raises(NotFound) as refused:
            shared_ledger.consistency(old, new)
        assert refused.value.code == "checkpoint_not_found"


def test_changed_log_gives_no_proof(ledger: SealedLedger) -> None:
    ledger.tamper("UPDATE events SET state = '{}' WHERE notification_id = 250")
    with pytest.raises(SealBrokenError):
        ledger.inclusion(250)
    ledger.tamper("DELETE FROM events WHERE notification_id = 250")
    with pytest.raises(SealBrokenError):
        ledger.inclusion(250)
    ledger.tamper("UPDATE checkpoints SET root = sha256('x') WHERE size = 300")
    with pytest.raises(SealBrokenError):
        ledger.consistency(300)
