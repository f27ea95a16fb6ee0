"""Messages that make a reader jump over events of its upstream's log, which it goes back for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shared.bus import reader as bus_reader
from shared.bus import reading
from shared.bus.proof import Proof
from shared.bus.reactions import Delivery
from shared.bus.reader import StoppedError
from tests.conftest import Database
from tests.integration.bus_ends import Calls, pay, queued
from tests.integration.reading_payments import Reading, calls, changed, metric
from tests.integration.test_reactions import seen

pytestmark = [pytest.mark.nodes, pytest.mark.usefixtures("clean_bus")]

__all__ = ["calls"]


def never_published(pattern: Delivery, position: int, predecessor: int) -> Delivery:
    """Return a message in the upstream's name that is readable, and not in its log."""
    forged = changed(pattern, position=position, predecessor=predecessor, correlation_id="x")
    named = {"cloudEvents_type": "payment_nonsense"}
    named["cloudEvents_dataschema"] = "/api/schemas/ledger/payment_nonsense/v1"
    return replace(forged, headers={**forged.headers, **named}, body=b'{"a":1}')


@pytest.mark.parametrize(("ahead", "grows_by"), [(900, 4), (reading.JUMP + 1, reading.JUMP + 3)])
def test_far_message_that_was_never_published_skips_nothing(
    database: Database, calls: Calls, ahead: int, grows_by: int
) -> None:
    """The log stays behind its position, or grows beyond it."""
    pay(calls.ledger, 2)
    batch = queued(calls.ledger)
    reader = Reading(calls)
    reader.get(*batch)
    assert reader.listener._reader.look() == ""
    forged = never_published(batch[-1], 3 + ahead, 3)
    reader.get(forged)
    assert reader.point.position == 3
    pay(calls.ledger, grows_by)
    reader.get(forged, *queued(calls.ledger)[3:])
    assert seen(database) == list(range(2, 4 + grows_by))
    assert reader.quarantined == [(3 + ahead, "beyond_head")]


def test_far_message_that_is_newer_than_the_history_is_no_ghost(
    database: Database, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A history is used for a second, in which the log may grow by more than a jump."""
    monkeypatch.setattr(reading, "JUMP", 2)
    monkeypatch.setattr(bus_reader, "FRESH_S", 3600.0)
    pay(calls.ledger, 2)
    reader = Reading(calls)
    reader.get(*queued(calls.ledger))
    assert reader.listener._reader.look() == ""
    pay(calls.ledger, 4)
    reader.get(changed(queued(calls.ledger)[-1], predecessor=3))
    assert (seen(database), reader.quarantined) == ([2, 3, 4, 5, 6, 7], [])


@pytest.mark.parametrize("places", [[4], [4, 5], [10], [13, 14], [40, 90, 140]])
def test_events_that_a_message_made_the_reader_jump_over_take_effect_once_all_the_same(
    database: Database, calls: Calls, logged: list[Any], places: list[int]
) -> None:
    pay(calls.ledger, 2)
    batch = queued(calls.ledger)
    reader = Reading(calls)
    before = metric("saldo_reaction_set_back_total")
    reader.get(*batch)
    for predecessor, position in zip([3, *places], places, strict=False):
        reader.get(never_published(batch[-1], position, predecessor))
    assert reader.point.position == places[-1]
    pay(calls.ledger, 4)
    reader.get(*queued(calls.ledger)[3:5])
    pay(calls.ledger, 8)
    reader.get(*queued(calls.ledger)[5:])
    assert seen(database) == list(range(2, 16))
    assert (reader.point.position, reader.quarantined) == (15, [])
    entries = [entry for entry in logged if entry["event"] == "reader_set_back"]
    assert (entries[0]["position"], entries[0]["to"]) == (places[-1], 3)
    assert metric("saldo_reaction_set_back_total") - before == len(entries)


def test_events_applied_after_a_jump_are_not_applied_again(
    database: Database, calls: Calls
) -> None:
    """The message comes before the events that it skips, which the queue has last."""
    pay(calls.ledger, 8)
    batch = queued(calls.ledger)
    reader = Reading(calls)
    reader.get(*batch[:3])
    reader.get(never_published(batch[-1], 5, 3), *batch[5:7])
    assert seen(database) == [2, 3, 6, 7]
    reader.get(*batch[3:])
    assert seen(database) == [2, 3, 6, 7, 4, 5, 8, 9]
    reader.get(*batch)
    assert len(seen(database)) == 8
    assert (reader.point.position, reader.quarantined) == (9, [])


def test_jump_is_undone_once_the_log_can_be_read(database: Database, calls: Calls) -> None:
    pay(calls.ledger, 2)
    reader = Reading(calls)
    reader.get(*queued(calls.ledger))
    reader.get(never_published(queued(calls.ledger)[-1], 30, 3))
    pay(calls.ledger, 1)
    calls.available = False
    with pytest.raises(StoppedError):
        reader.get(queued(calls.ledger)[-1], stop_after=60)
    calls.available = True
    reader.stop.clear()
    reader.get(queued(calls.ledger)[-1])
    assert seen(database) == [2, 3, 4]


def test_message_at_the_position_of_an_applied_event_is_a_ghost(
    database: Database, calls: Calls
) -> None:
    pay(calls.ledger, 3)
    batch = queued(calls.ledger)
    reader = Reading(calls)
    reader.get(*batch)
    reader.get(never_published(batch[-1], 3, 2), batch[2])
    assert seen(database) == [2, 3, 4]
    assert reader.quarantined == [(3, "not_in_log")]
    assert reader.point.position == 4


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("stopped", [False, True])
def test_reader_beyond_the_log_goes_back_and_never_on_by_its_growth(
    database: Database, calls: Calls, restarted: bool, stopped: bool
) -> None:
    pay(calls.ledger, 2)
    batch = queued(calls.ledger)
    reader = Reading(calls)
    reader.get(*batch)
    reader.get(never_published(batch[-1], 10, 3))
    pay(calls.ledger, 3)
    if stopped:  # by a program of before
        with calls.store.session() as session:
            reading.stop(session.cursor, "ledger", "beyond")
        pay(calls.ledger, 20)
    if restarted:
        reader = Reading(calls)
    assert reader.listener._reader.look() == ""
    assert reader.point.position <= 3
    assert reader.listener._reader.read_log(lambda _: None)
    head = calls.history().head
    assert sorted(set(seen(database))) == list(range(2, head + 1))
    assert (reader.point.position, reader.point.stopped) == (head, "")
    if not restarted:
        assert len(seen(database)) == head - 1


def start_anew(calls: Calls) -> Reading:
    """Return the reader of another process, which has looked as it does at its start."""
    reader = Reading(calls)
    assert reader.listener._reader.look() == ""
    reader.listener._reader.verify(lambda _: None)
    return reader


@pytest.mark.parametrize("grows_by", [4, 40, 200])
@pytest.mark.parametrize("places", [[4], [4, 5, 6], [40, 90, 140]])
def test_chain_of_jumps_is_undone_by_the_next_process(
    database: Database, calls: Calls, logged: list[Any], places: list[int], grows_by: int
) -> None:
    pay(calls.ledger, 2)
    batch = queued(calls.ledger)
    reader = Reading(calls)
    reader.get(*batch)
    for predecessor, position in zip([3, *places], places, strict=False):
        reader.get(never_published(batch[-1], position, predecessor))
    pay(calls.ledger, grows_by)
    later = start_anew(calls)
    assert later.point.position <= 3
    assert "reader_set_back" in [entry["event"] for entry in logged]
    assert later.listener._reader.read_log(lambda _: None)
    head = calls.history().head
    assert sorted(set(seen(database))) == list(range(2, head + 1))
    later.get(*queued(calls.ledger))
    assert later.point.position == head


def test_next_process_goes_on_where_nothing_was_jumped_over(
    database: Database, calls: Calls, logged: list[Any]
) -> None:
    pay(calls.ledger, 3)
    reader = Reading(calls)
    reader.get(*queued(calls.ledger))
    for _ in range(3):
        later = start_anew(calls)
        assert later.point.proof == Proof(later.point.position, 0)
        pay(calls.ledger, 2)
        later.get(*queued(calls.ledger)[later.point.position :])
        # What was verified is not read again.
        assert later.point.proof.after == later.point.position - 2
    assert seen(database) == list(range(2, 11))
    assert "reader_set_back" not in [entry["event"] for entry in logged]


def test_point_that_an_older_program_has_moved_has_no_proof(calls: Calls) -> None:
    pay(calls.ledger, 3)
    batch = queued(calls.ledger)
    Reading(calls).get(*batch[:2])
    with calls.store.session() as session:
        session.cursor.execute("UPDATE positions SET position = 3 WHERE upstream = 'ledger'")
    later = start_anew(calls)
    assert (later.point.position, later.point.proof) == (3, None)
    later.get(*batch)
    assert later.point.position == 4
