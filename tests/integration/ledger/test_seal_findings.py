"""Every change behind the ledger's back is found by the inspection of the seal."""

from __future__ import annotations

import pytest

from services.ledger.seal import leaf
from services.ledger.seal.inspection import Finding, inspect_seal
from services.ledger.seal.merkle import leaf_hash
from services.ledger.seal.reading import rows_between
from tests.integration.ledger.sealed_ledger import COPY_ROW, SealedLedger

pytestmark = pytest.mark.nodes


# Description -> statements, expected findings as (kind, first position, last position).
TAMPERINGS: dict[str, tuple[list[str], set[tuple[str, int | None, int | None]]]] = {
    "a state edited": (
        ["UPDATE events SET state = '{\"amount\":1}' WHERE notification_id = 250"],
        {("edited", 250, 250), ("checkpoint_mismatch", 101, 300)},
    ),
    "a time edited by a microsecond": (
        ["UPDATE events SET recorded_at = recorded_at + interval '1us' WHERE notification_id = 1"],
        {("edited", 1, 1), ("checkpoint_mismatch", 1, 100)},
    ),
    "an infinite time": (
        ["UPDATE events SET recorded_at = 'infinity' WHERE notification_id = 590"],
        {("edited", 590, 590), ("checkpoint_mismatch", 513, 590)},
    ),
    "an actor edited": (
        ["UPDATE events SET actor = 'staff:petrova' WHERE notification_id IN (7, 8, 400)"],
        {("edited", 7, 8), ("edited", 400, 400), ("checkpoint_mismatch", 1, 100)},
    ),
    "a correlation id, a command id, a topic, a version, a stream edited": (
        [
            "UPDATE events SET correlation_id = 'x' WHERE notification_id = 10",
            "UPDATE events SET command_id = gen_random_uuid() WHERE notification_id = 20",
            "UPDATE events SET topic = 'ledger.other.v1' WHERE notification_id = 30",
            "UPDATE events SET originator_version = 999 WHERE notification_id = 40",
            "UPDATE events SET originator_id = gen_random_uuid() WHERE notification_id = 50",
        ],
        {("edited", at, at) for at in (10, 20, 30, 40, 50)} | {("checkpoint_mismatch", 1, 100)},
    ),
    "the last sealed rows deleted": (
        ["DELETE FROM events WHERE notification_id >= 590"],
        {("truncated", 590, 590), ("checkpoint_mismatch", 513, 590)},
    ),
    "half of the log deleted": (
        ["DELETE FROM events WHERE notification_id > 300"],
        {("truncated", 301, 590), ("checkpoint_mismatch", 301, 512)},
    ),
    "everything deleted": (
        ["TRUNCATE events"],
        {("truncated", 1, 590), ("checkpoint_mismatch", 1, 100)},
    ),
    "middle rows deleted": (
        ["DELETE FROM events WHERE notification_id IN (150, 151, 400)"],
        {("deleted", 150, 151), ("deleted", 400, 400), ("checkpoint_mismatch", 101, 300)},
    ),
    "a middle row deleted and the rest moved up": (
        [
            "DELETE FROM events WHERE notification_id = 550",
            "DROP INDEX events_notification_id",
            "UPDATE events SET notification_id = notification_id - 1 WHERE notification_id > 550",
            "CREATE UNIQUE INDEX events_notification_id ON events (notification_id)",
        ],
        {
            ("deleted", 550, 550),
            ("moved", 550, 589),
            ("inserted", 590, 590),
            ("checkpoint_mismatch", 513, 590),
        },
    ),
    "two rows swapped": (
        [
            "UPDATE events SET notification_id = 10000 WHERE notification_id = 120",
            "UPDATE events SET notification_id = 120 WHERE notification_id = 280",
            "UPDATE events SET notification_id = 280 WHERE notification_id = 10000",
        ],
        {("moved", 120, 120), ("moved", 280, 280), ("checkpoint_mismatch", 101, 300)},
    ),
    "a row inserted, and the rest moved down": (
        [
            "DROP INDEX events_notification_id",
            "UPDATE events SET notification_id = notification_id + 1 WHERE notification_id >= 560",
            "CREATE UNIQUE INDEX events_notification_id ON events (notification_id)",
            COPY_ROW.format(561, 560),
        ],
        {("inserted", 560, 560), ("moved", 561, 591), ("checkpoint_mismatch", 513, 590)},
    ),
    "the last checkpoint deleted": (
        ["DELETE FROM checkpoints WHERE number = 4"],
        {("checkpoint_missing", 513, 590)},
    ),
    "a middle checkpoint deleted": (
        ["DELETE FROM checkpoints WHERE number = 2"],
        {("checkpoint_missing", None, 512), ("checkpoint_missing", None, 300)},
    ),
    "a middle checkpoint deleted and the numbers closed": (
        [
            "DELETE FROM checkpoints WHERE number = 2",
            "UPDATE checkpoints SET number = number - 1 WHERE number = 3",
            "UPDATE checkpoints SET number = number - 1 WHERE number = 4",
        ],
        {("checkpoint_missing", None, 300)},
    ),
    "the text of a checkpoint changed": (
        ["UPDATE checkpoints SET note = replace(note, '300', '301') WHERE number = 2"],
        {("checkpoint_forged", None, 300)},
    ),
    "the root beside a checkpoint changed": (
        ["UPDATE checkpoints SET root = sha256('x') WHERE number = 2"],
        {("checkpoint_forged", None, 300)},
    ),
    "a checkpoint replaced by nonsense": (
        ["UPDATE checkpoints SET note = 'nonsense' WHERE number = 1"],
        {("checkpoint_forged", None, 100)},
    ),
    "a stored hash of an event changed": (
        ["UPDATE tiles SET hashes = overlay(hashes PLACING sha256('x') FROM 65) WHERE start = 100"],
        {("stored_hashes", 103, 103)},
    ),
    "a stored inner hash changed": (
        ["UPDATE tiles SET hashes = sha256('x') WHERE level = 1 AND start = 0"],
        {("stored_hashes", 1, 256)},
    ),
    "stored hashes deleted": (
        ["DELETE FROM tiles WHERE level = 0 AND start = 300"],
        {("stored_hashes", 301, None)},
    ),
    "all stored hashes deleted": (
        ["TRUNCATE tiles"],
        {("stored_hashes", 1, None), ("stored_hashes", 1, 256)},
    ),
}


@pytest.mark.parametrize("name", TAMPERINGS)
def test_change_by_a_superuser_is_found(shared_ledger: SealedLedger, name: str) -> None:
    statements, expected = TAMPERINGS[name]
    with shared_ledger.tampered(*statements) as cursor:
        findings = inspect_seal(cursor, shared_ledger.keys.trusted).findings
    assert {(found.kind, found.first, found.last) for found in findings} == expected
    assert shared_ledger.found() == set()


def test_duplicate_position_is_found(ledger: SealedLedger) -> None:
    ledger.tamper("DROP INDEX events_notification_id", COPY_ROW.format(12, 90))
    # Which of the two comes first is chance: the other findings depend on it.
    assert ("repeated", 90, 90) in ledger.found()


def test_event_rewritten_with_its_stored_hash_is_narrowed_down(ledger: SealedLedger) -> None:
    ledger.tamper("UPDATE events SET state = '{}' WHERE notification_id = 350")
    (row,) = ledger.read(lambda cursor: list(rows_between(cursor, 349, 350)))
    forged = leaf_hash(leaf.encode(row)).hex()
    ledger.tamper(
        f"UPDATE tiles SET hashes = overlay(hashes PLACING '\\x{forged}' FROM {49 * 32 + 1}) "
        "WHERE level = 0 AND start = 300"
    )
    assert ledger.found() == {
        ("checkpoint_mismatch", 301, 512),
        ("rewritten", 301, 512),
        ("stored_hashes", 257, 512),  # the level above, which was not adjusted
    }


def test_first_changes_are_named_and_the_rest_counted(shared_ledger: SealedLedger) -> None:
    with shared_ledger.tampered(
        "UPDATE events SET actor = 'x' WHERE notification_id <= 590"
    ) as cursor:
        findings = inspect_seal(cursor, shared_ledger.keys.trusted).findings
    assert ("edited", 1, 500) in {(found.kind, found.first, found.last) for found in findings}
    text = "90 more events, up to position 590, are not those that were sealed there"
    assert Finding("edited", 501, 590, text) in findings
