"""A running reader whose upstream is put back from a backup: what still lies in its queue."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.bus import reader as bus_reader
from shared.bus import reading
from shared.bus.reactions import Delivery
from shared.bus.reader import StoppedError
from tests.conftest import Database
from tests.integration.bus_ends import Calls, pay, queued
from tests.integration.reading_payments import Reading, calls, changed
from tests.integration.test_reactions import seen
from tests.integration.test_reading import lose_the_tail

pytestmark = [pytest.mark.nodes, pytest.mark.usefixtures("clean_bus")]

__all__ = ["calls"]


def recorded(ago: float, *messages: Delivery) -> list[Delivery]:
    """Return messages of events that were recorded so many seconds ago."""
    time = (datetime.now(UTC) - timedelta(seconds=ago)).isoformat()
    return [replace(one, headers={**one.headers, "cloudEvents_time": time}) for one in messages]


@pytest.fixture
def asked(calls: Calls, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The questions about the history of the ledger's log."""
    asked: list[str] = []
    history = calls.history

    def noted() -> Any:
        asked.append("log_history")
        return history()

    monkeypatch.setattr(calls, "history", noted)
    return asked


@pytest.mark.parametrize("ago", [1.5, 3600.0, -3600.0])
def test_running_reader_applies_no_ghost_of_its_queue(
    database: Database, calls: Calls, monkeypatch: pytest.MonkeyPatch, ago: float
) -> None:
    """Nothing has told it of the new epoch: those messages are behind the ghosts in its queue."""
    pay(calls.ledger, 2)
    reader = Reading(calls)
    reader.get(*queued(calls.ledger))
    # The database is put back longer ago than an answer of before is used.
    monkeypatch.setattr(bus_reader, "FRESH_S", 0.0)
    ghosts = recorded(ago, *lose_the_tail(database, calls, real=4))
    reader.get(*ghosts)
    assert seen(database) == [2, 3]
    assert reader.quarantined == [(4, "lost_tail"), (5, "lost_tail"), (6, "lost_tail")]
    reader.get(*queued(calls.ledger)[3:])
    assert seen(database) == [2, 3, 4, 5, 6, 7]
    assert reader.point.stopped == ""


def test_reader_that_has_applied_some_of_the_ghosts_applies_no_more(
    database: Database, calls: Calls
) -> None:
    pay(calls.ledger, 2)
    reader = Reading(calls)
    reader.get(*queued(calls.ledger))
    first, *others = lose_the_tail(database, calls, real=4)
    # It took effect before the database was put back.
    reader.get(*recorded(0.0, first))
    assert seen(database) == [2, 3, 4]
    reader.listener._reader.clear_state()
    with pytest.raises(reading.StoppedReaderError):
        reader.get(*recorded(5.0, *others))
    assert seen(database) == [2, 3, 4]
    assert "ends at 3 in the log of ledger" in reader.point.stopped


def test_messages_of_before_an_outage_wait_until_the_upstream_answers(
    database: Database, calls: Calls
) -> None:
    pay(calls.ledger, 3)
    first, *others = queued(calls.ledger)
    reader = Reading(calls)
    reader.get(first)
    reader.listener._reader.clear_state()
    calls.available = False
    with pytest.raises(StoppedError):
        reader.get(*recorded(5.0, *others), stop_after=60)
    assert seen(database) == []
    calls.available = True
    reader.stop.clear()
    reader.get(*recorded(5.0, *others))
    assert seen(database) == [2, 3, 4]


def test_messages_that_have_just_been_published_cost_no_question(
    database: Database, calls: Calls, asked: list[str]
) -> None:
    pay(calls.ledger, 2)
    reader = Reading(calls)
    reader.get(*queued(calls.ledger))
    reader.listener._reader.clear_state()
    asked.clear()
    for _ in range(5):
        pay(calls.ledger, 1)
        reader.get(*recorded(0.0, queued(calls.ledger)[-1]))
    assert seen(database) == list(range(2, 9))
    assert asked == []


def test_backlog_costs_a_question_now_and_then(
    database: Database, calls: Calls, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bus_reader, "FRESH_S", 3600.0)
    pay(calls.ledger, 8)
    reader = Reading(calls)
    for message in queued(calls.ledger):
        reader.get(*recorded(600.0, message))
    assert seen(database) == list(range(2, 10))
    assert asked == ["log_history"]


def test_message_with_a_time_of_no_zone_is_asked_about(
    database: Database, calls: Calls, asked: list[str]
) -> None:
    pay(calls.ledger, 1)
    first, second = queued(calls.ledger)
    reader = Reading(calls)
    reader.get(first)
    reader.listener._reader.clear_state()
    asked.clear()
    named = {"cloudEvents_time": datetime.now(UTC).replace(tzinfo=None).isoformat()}
    reader.get(replace(changed(second), headers={**second.headers, **named}))
    assert seen(database) == [2]
    assert asked == ["log_history"]
