"""Old checkpoints are thinned to one a day: those that are left prove the whole log."""

from __future__ import annotations

import psycopg
import pytest

from services.ledger.domain.book import CHECKPOINTS
from services.ledger.seal.checkpoint_checks import CheckpointChecks
from services.ledger.seal.inspection import inspect_seal
from services.ledger.seal.sealer import last_checkpoint
from services.ledger.seal.thinning import DAYS, days_kept, thin_checkpoints
from services.ledger.seal.verifier import verify_consistency, verify_inclusion
from shared.config import ConfigurationError
from tests.integration.ledger.sealed_ledger import SealedLedger

pytestmark = pytest.mark.nodes

AGED = "UPDATE checkpoints SET created_at = created_at - interval '40 days' WHERE number <= 4"


class Worker:
    """What a job gets of a process: the store and the settings."""

    def __init__(self, ledger: SealedLedger) -> None:
        self.store, self.settings = ledger.store, ledger.database.settings


def thin(ledger: SealedLedger) -> int:
    """Thin as often as the worker does; return how many days were thinned."""
    days = 0
    while thin_checkpoints(Worker(ledger)):
        days += 1
    return days


def numbers(ledger: SealedLedger) -> list[int]:
    query = "SELECT number FROM checkpoints ORDER BY number"
    return [row["number"] for row in ledger.read(lambda c: c.execute(query).fetchall())]


@pytest.fixture
def notes(ledger: SealedLedger) -> list[str]:
    """The four checkpoints of a day 40 days ago; the first is kept outside."""
    rows = ledger.read(
        lambda c: c.execute("SELECT note FROM checkpoints ORDER BY number").fetchall()
    )
    ledger.tamper(AGED)
    assert thin(ledger) == 1
    ledger.seal()
    return [row["note"] for row in rows]


def test_the_last_checkpoint_of_a_day_is_left_and_proves_all(
    ledger: SealedLedger, notes: list[str]
) -> None:
    assert numbers(ledger) == [4, 5]
    assert thin(ledger) == 0
    assert ledger.found() == set()
    assert ledger.found(*notes) == set(), "what was given out is still the log's"
    for position in (1, 250, 590, 601):
        proof = ledger.inclusion(position)
        assert proof["size"] in (590, 601)
        verify_inclusion(proof, ledger.keys.trusted)
    later = ledger.read(last_checkpoint).note
    # A checkpoint that a witness kept is proven consistent with one that is left.
    for size, note in ((590, notes[3]), (601, later)):
        assert ledger.consistency(590, size)["new_checkpoint"] == note
    verify_consistency(notes[3], later, ledger.consistency(590, 601), ledger.keys.trusted)


def test_a_checkpoint_that_is_missing_without_being_thinned_is_named(
    ledger: SealedLedger, notes: list[str]
) -> None:
    ledger.write(5)
    ledger.seal()
    ledger.tamper("DELETE FROM checkpoints WHERE number = 5")
    assert ("checkpoint_missing", None, 606) in ledger.found()
    ledger.tamper("DELETE FROM checkpoints WHERE number = 4")
    assert ("checkpoint_missing", None, 590) in ledger.found()


def test_checkpoints_that_are_thinned_during_a_check_are_not_missed(
    ledger: SealedLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.tamper(AGED)
    load = CheckpointChecks.load

    def thin_before(checks: CheckpointChecks, first: int, end: int) -> set[int]:
        thin(ledger)
        return load(checks, first, end)

    monkeypatch.setattr(CheckpointChecks, "load", thin_before)
    with ledger.store.reading() as cursor:
        report = inspect_seal(cursor, ledger.keys.trusted)
    assert report.findings == []
    assert numbers(ledger) == [4]


def test_another_log_of_a_thinned_size_is_a_finding(ledger: SealedLedger, notes: list[str]) -> None:
    ledger.tamper("UPDATE events SET actor = 'staff:nobody' WHERE notification_id = 20")
    ledger.reseal()
    assert "outside" in {kind for kind, *_ in ledger.found(notes[0])}


def test_a_deletion_that_the_log_does_not_know_is_named(ledger: SealedLedger) -> None:
    ledger.tamper("DELETE FROM checkpoints WHERE number < 4")
    assert ("checkpoint_missing", None, 100) in ledger.found()


def test_young_checkpoints_stay_whoever_asks(ledger: SealedLedger) -> None:
    assert thin(ledger) == 0
    denied = psycopg.errors.InsufficientPrivilege
    with ledger.database.owner("ledger") as owner:
        for statement in ("DELETE FROM checkpoints", "DELETE FROM publications"):
            with pytest.raises(denied, match="append-only"):
                owner.execute(statement)
        with pytest.raises(denied, match="of the last week"):
            owner.execute("SELECT thin_checkpoints(current_date)")
    with pytest.raises(denied), ledger.sealer() as cursor:
        cursor.execute("SELECT thin_checkpoints(current_date - 30)")
    assert numbers(ledger) == [1, 2, 3, 4]


def test_the_log_says_which_checkpoints_were_thinned(
    ledger: SealedLedger, notes: list[str]
) -> None:
    [recorded] = ledger.store.query(lambda session: session.history(CHECKPOINTS))
    thinned = recorded.event
    assert (thinned.first_number, thinned.last_number) == (1, 3)
    assert (thinned.first_size, thinned.last_size) == (100, 512)
    assert ledger.read(last_checkpoint).size == recorded.position


@pytest.mark.parametrize("text", ["7", "-1", "a month"])
def test_checkpoints_are_kept_for_a_number_of_days(text: str) -> None:
    assert (days_kept({}), days_kept({DAYS: "8"})) == (30, 8)
    with pytest.raises(ConfigurationError, match=DAYS):
        days_kept({DAYS: text})
