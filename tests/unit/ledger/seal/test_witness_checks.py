"""The checkpoints of a witness that a log from a backup reaches, and those that go beyond it."""

from __future__ import annotations

from services.ledger.seal.checkpoint import Checkpoint, Signer, origin_of
from services.ledger.seal.witness_checks import Reached, reached_by

NAME = "a.example/l"
OURS, STRANGE = Signer(NAME, bytes(32)), Signer(NAME, bytes([1]) * 32)
TRUSTED = (OURS.verifier,)


def note(size: int, epoch: str = "", signer: Signer = OURS) -> str:
    return signer.sign(Checkpoint(origin_of(NAME, epoch), size, bytes(32)).text())


def test_checkpoints_are_divided_by_the_end_of_the_log() -> None:
    notes = [note(3), note(7), note(5), note(9)]
    assert reached_by(notes, TRUSTED, 5) == Reached([note(3), note(5)], 4)
    assert reached_by(notes[:1], TRUSTED, 5) == Reached(notes[:1], 0)
    assert reached_by([], TRUSTED, 5) == Reached([], 0)


def test_events_that_an_earlier_restore_has_cut_are_not_lost_by_the_backup() -> None:
    """The line that it ended had 90 events; that which follows has had no more than 8."""
    ended, going_on = note(90), note(8, "2.a")
    assert reached_by([ended, note(4), going_on], TRUSTED, 8) == Reached([note(4), going_on], 0)
    assert reached_by([ended, note(4), going_on], TRUSTED, 6) == Reached([note(4)], 2)


def test_note_that_nobody_trusted_has_signed_stays_to_be_found() -> None:
    forged = note(1000, signer=STRANGE)
    assert reached_by([note(4), forged], TRUSTED, 4) == Reached([note(4), forged], 0)
