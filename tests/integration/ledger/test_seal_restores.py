"""The seal of a log that was put back: no fork is signed, and a verifier can follow it on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from services.ledger.domain.book import RESTORES, LogRestored, Restores
from services.ledger.seal import receipts
from services.ledger.seal.checkpoint import open_checkpoint
from services.ledger.seal.inspection import Restored
from services.ledger.seal.receipts import checked_proof
from services.ledger.seal.sealer import ForkError, Sealed, seal_log
from services.ledger.seal.verifier import verify_consistency, verify_inclusion
from services.ledger.seal.witnesses import DirectoryWitness
from shared.errors import ValidationFailed
from tests.integration.ledger.sealed_ledger import KEYS, SealedLedger
from tests.integration.ledger.sealer_process import Command, Sealer
from tests.waiting import eventually

pytestmark = pytest.mark.nodes

EPOCH, FORK = "2.0123abcd", 300
BEYOND = (
    "DELETE FROM events WHERE notification_id > 300",
    "DELETE FROM checkpoints WHERE size > 300",
    "DELETE FROM tiles WHERE (level = 0 AND start >= 300) OR (level > 0 AND start >= 1)",
)


def notes(ledger: SealedLedger) -> list[str]:
    rows = ledger.read(
        lambda cursor: cursor.execute("SELECT note FROM checkpoints ORDER BY size").fetchall()
    )
    return [row["note"] for row in rows]


def put_back(ledger: SealedLedger) -> list[str]:
    """Put the log back to 300 events; return the checkpoints that witnesses have."""
    kept = notes(ledger)
    ledger.tamper(*BEYOND)
    ledger.written = FORK
    return kept


def record(ledger: SealedLedger, fork: int = FORK) -> None:
    restored = LogRestored(epoch=EPOCH, after=fork, lost=12, by="staff:ivanova")
    ledger.store.transact(
        lambda session, _: session.load(Restores, RESTORES).record(restored), None
    )


def seal(ledger: SealedLedger, kept: list[str]) -> Sealed:
    with ledger.sealer() as cursor:
        sealed = seal_log(cursor, KEYS, kept=kept)
    assert sealed is not None
    return sealed


def test_log_that_is_shorter_than_what_a_witness_has_is_not_signed(ledger: SealedLedger) -> None:
    kept = put_back(ledger)
    with pytest.raises(ForkError, match="590 events, but the log ends at 300"):
        seal(ledger, kept)
    assert len(notes(ledger)) == 2


def test_log_that_has_grown_differently_is_not_signed(ledger: SealedLedger) -> None:
    kept = put_back(ledger)
    ledger.write(400)
    with pytest.raises(ForkError, match="not those of this log"):
        seal(ledger, kept)
    assert len(notes(ledger)) == 2


def test_log_that_was_sealed_on_without_a_witness_is_not_signed_beside_it(
    ledger: SealedLedger,
) -> None:
    kept = put_back(ledger)
    ledger.write(400)
    ledger.seal()
    ledger.write(1)
    with pytest.raises(ForkError):
        seal(ledger, kept)


def test_checkpoints_alone_that_were_lost_are_made_again(ledger: SealedLedger) -> None:
    kept = notes(ledger)
    ledger.tamper(
        "DELETE FROM checkpoints WHERE size > 512",
        "DELETE FROM tiles WHERE level = 0 AND start >= 512",
    )
    assert seal(ledger, kept).size == 600
    assert ledger.found(*kept) == {("checkpoint_missing", None, 590)}


def test_notes_that_nobody_has_signed_stop_no_seal(ledger: SealedLedger) -> None:
    forged = notes(ledger)[-1].replace("\n590\n", "\n9590\n")
    assert seal(ledger, [forged, "nonsense"]).size == 600


def test_recovered_log_is_sealed_under_an_origin_of_its_epoch(ledger: SealedLedger) -> None:
    kept = put_back(ledger)
    record(ledger)
    ledger.write(50)
    sealed = seal(ledger, kept)
    checkpoint = open_checkpoint(sealed.note, KEYS.trusted)
    assert (checkpoint.origin, checkpoint.size) == (f"{KEYS.origin}#{EPOCH}", 351)
    assert sealed.number == 3


def test_auditor_is_told_of_the_restore_and_finds_nothing_else(ledger: SealedLedger) -> None:
    kept = put_back(ledger)
    assert {kind for kind, _, _ in ledger.found(*kept)} >= {"truncated"}
    record(ledger)
    ledger.write(400)
    new = seal(ledger, kept)
    report = ledger.inspect(*kept, new.note)
    assert report.findings == []
    assert report.restores == [Restored(epoch=EPOCH, after=FORK, lost=12, checkpoints=2)]


@pytest.mark.parametrize("fork", [300, 310])
def test_backup_may_lack_the_last_checkpoint_of_its_events(ledger: SealedLedger, fork: int) -> None:
    """It was taken between the commit of an event and the seal of it."""
    kept = notes(ledger)
    made, lacking = (open_checkpoint(note, KEYS.trusted).size for note in kept[:2])
    assert lacking == FORK
    ledger.tamper(
        f"DELETE FROM events WHERE notification_id > {fork}",
        f"DELETE FROM checkpoints WHERE size >= {lacking}",
        f"DELETE FROM tiles WHERE (level = 0 AND start >= {made}) OR level > 0",
    )
    ledger.written = fork
    assert ("checkpoint_missing", None, lacking) in ledger.found(*kept)
    record(ledger, fork)
    ledger.write(40)
    new = seal(ledger, kept)
    report = ledger.inspect(*kept, new.note)
    assert report.findings == []
    assert [one.checkpoints for one in report.restores] == [len(kept) - 1]


def test_restore_excuses_no_checkpoint_that_its_backup_had(ledger: SealedLedger) -> None:
    """A later one of the same line is there, so this one was deleted."""
    kept = put_back(ledger)
    record(ledger)
    ledger.write(50)
    seal(ledger, kept)
    first = open_checkpoint(kept[0], KEYS.trusted).size
    ledger.tamper(f"DELETE FROM checkpoints WHERE size = {first}")
    assert ("checkpoint_missing", None, first) in ledger.found(*kept)


def test_restore_excuses_no_change_of_what_was_there_before(ledger: SealedLedger) -> None:
    kept = put_back(ledger)
    record(ledger)
    ledger.write(50)
    seal(ledger, kept)
    ledger.tamper("UPDATE events SET state = '{}' WHERE notification_id = 200")
    assert ("edited", 200, 200) in ledger.found(*kept)


def test_second_restore_ends_what_the_first_one_began(ledger: SealedLedger) -> None:
    kept = put_back(ledger)
    record(ledger)
    ledger.write(50)
    kept.append(seal(ledger, kept).note)
    again = LogRestored(epoch="3.0123abcd", after=340, lost=None, by="staff:ivanova")
    ledger.store.transact(lambda session, _: session.load(Restores, RESTORES).record(again), None)
    new = seal(ledger, kept)
    assert open_checkpoint(new.note, KEYS.trusted).origin == f"{KEYS.origin}#3.0123abcd"


def test_old_checkpoint_leads_to_the_new_line(ledger: SealedLedger) -> None:
    kept = put_back(ledger)
    record(ledger)
    ledger.write(50)
    new = seal(ledger, kept)
    proof = ledger.consistency(FORK, new.size)
    old, newer = verify_consistency(kept[1], new.note, proof, KEYS.trusted)
    assert (old.size, newer.size) == (FORK, 351)


def test_receipts_of_before_hold_and_those_of_the_lost_part_say_what_happened(
    ledger: SealedLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receipts, "_payment", lambda _: None)  # these events are synthetic
    before, lost = ledger.inclusion(200, 512), ledger.inclusion(400, 512)
    put_back(ledger)
    record(ledger)

    def check(proof: dict[str, object]) -> int:
        checked = ledger.store.query(lambda session: checked_proof(session, proof, KEYS.trusted))
        return int(checked["position"])

    assert check(before) == 200
    with pytest.raises(ValidationFailed) as refused:
        check(lost)
    assert refused.value.code == "proof_does_not_hold"
    assert "a restore has taken it from the log" in refused.value.message
    verify_inclusion(lost, KEYS.trusted)  # it was signed, whatever became of it


def test_directory_keeps_both_lines(ledger: SealedLedger, tmp_path: Path) -> None:
    witness = DirectoryWitness(tmp_path)
    ledger.seal()
    for number, note in enumerate(notes(ledger), start=1):
        witness.publish(Sealed(number, 0, b"", note, None))  # type: ignore[arg-type]
    put_back(ledger)
    record(ledger)
    ledger.write(50)
    new = seal(ledger, list(witness.kept()))
    witness.publish(new)
    names = sorted(file.name for file in tmp_path.iterdir())
    assert f"checkpoint-{EPOCH}-000000003.txt" in names
    assert len(names) == 6
    assert len(witness.kept()) == 3


def test_sealer_waits_until_what_is_lost_is_brought_back(sealer: Sealer, command: Command) -> None:
    ledger = sealer.ledger
    ledger.tamper(
        f"INSERT INTO epochs (number, name, after_position, reason, server)"
        f" VALUES (2, '{EPOCH}', 600, 'restored', '')",
        f"INSERT INTO recoveries (epoch, lost, found_at) VALUES ('{EPOCH}', 3, now())",
    )
    with sealer.running():
        assert command("checkpoint", "--patience", 2).exit_code == 2
        # The sealer's thread logs to the same standard output.
        report = json.loads(command("verify", "--json").stdout.splitlines()[-1])
        assert [one["kind"] for one in report["findings"]] == ["not_recovered"]
        ledger.tamper("UPDATE recoveries SET done_at = now()")
        eventually(lambda: command("checkpoint", "--patience", 2).exit_code == 0, "the seal")
