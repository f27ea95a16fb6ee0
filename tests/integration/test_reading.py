"""What a reader does with messages that the upstream's log does not bear out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from services.ledger.publishing import publish
from shared.bus import listen, parked, reading
from shared.bus.confirmation import Sent, confirm
from shared.bus.listen import Listener
from shared.bus.reactions import Delivery
from shared.bus.reader import StoppedError
from shared.bus.relay import Relay
from shared.bus.worker import Worker
from tests.conftest import Database
from tests.integration.bus_ends import Calls, deliveries, pay, queued, start_again
from tests.integration.reading_payments import Reading, calls, changed, metric
from tests.integration.test_reactions import consumers, count_payments, seen
from tests.waiting import eventually

pytestmark = [pytest.mark.nodes, pytest.mark.usefixtures("clean_bus")]

__all__ = ["calls"]

FAR = 10**12


# --- damaged messages -----------------------------------------------------------------------------


@pytest.mark.parametrize("position", [2, 4, FAR, 10**30, -1, "2", None])
def test_broken_body_is_quarantined_and_its_event_is_read_from_the_log(
    database: Database, calls: Calls, position: Any
) -> None:
    pay(calls.ledger, 3)
    first, second, *rest = queued(calls.ledger)
    reader = Reading(calls)
    reader.get(first, changed(second, b"\xff{", position=position))
    assert reader.parked == []
    [(_, reason)] = reader.quarantined
    assert reason == "damaged"
    assert reader.point.position == 4
    reader.get(*rest)
    pay(calls.ledger, 1)
    reader.get(queued(calls.ledger)[-1])
    assert seen(database) == [2, 3, 4, 5]


def test_damaged_message_behind_a_gap_hides_nothing_of_the_gap(
    database: Database, calls: Calls
) -> None:
    pay(calls.ledger, 6)
    batch = queued(calls.ledger)
    reader = Reading(calls)
    reader.get(batch[0])
    reader.get(changed(batch[5], b"{"), batch[6])
    assert seen(database) == [2, 3, 4, 5, 6, 7]
    assert reader.quarantined == [(6, "damaged")]
    assert reader.parked == []


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"saldo_position": True},
        {"cloudEvents_subject": "a\x00b", "saldo_epoch": "\x00", "nested": {"of": [float("nan")]}},
        {"cloudEvents_time": b"\xff", "lone": "\ud800", "large": 2**70},
    ],
)
def test_message_with_any_content_can_be_quarantined(
    database: Database, calls: Calls, headers: dict[str, Any]
) -> None:
    pay(calls.ledger, 1)
    reader = Reading(calls)
    reader.get(Delivery(headers, b"\x00", 1), *queued(calls.ledger))
    assert seen(database) == [2]
    assert [reason for _, reason in reader.quarantined] == ["damaged"]


def test_message_that_comes_again_is_quarantined_once(calls: Calls) -> None:
    broken = Delivery({"x": 1}, b"{", 1)
    again = Delivery({"x": 1, "x-delivery-count": 3}, b"{", 9)
    reader = Reading(calls)
    before = metric("saldo_reaction_quarantined_total")
    reader.get(broken, again)
    assert len(reader.quarantined) == 1
    assert metric("saldo_reaction_quarantined_total") - before == 1


def test_damaged_message_waits_while_the_log_cannot_be_read(
    database: Database, calls: Calls
) -> None:
    pay(calls.ledger, 2)
    batch = queued(calls.ledger)
    reader = Reading(calls)
    reader.get(batch[0])
    calls.available = False
    with pytest.raises(StoppedError):
        reader.get(changed(batch[1], b"{"), batch[2], stop_after=60)
    assert reader.point.position == 1
    assert max(reader.pauses) <= 5
    calls.available = True
    later = Reading(calls)
    later.get(changed(batch[1], b"{"), batch[2])
    assert seen(database) == [2, 3]


def test_message_whose_data_were_changed_on_the_way_is_not_parked_on_its_own_word(
    database: Database, calls: Calls
) -> None:
    def needs_an_account(session: Any, message: Any, services: Any) -> None:
        assert message.data["account"]
        count_payments(session, message, services)

    pay(calls.ledger, 2)
    batch = queued(calls.ledger)
    reader = Reading(calls, needs_an_account)
    reader.get(batch[0], changed(batch[1], b"{}"), batch[2])
    assert seen(database) == [2, 3]
    assert reader.parked == []


# --- ghosts ---------------------------------------------------------------------------------------


def test_readable_message_with_an_absurd_position_is_a_ghost(
    database: Database, calls: Calls
) -> None:
    pay(calls.ledger, 2)
    batch = queued(calls.ledger)
    reader = Reading(calls)
    reader.get(batch[0], changed(batch[1], position=FAR), batch[1], batch[2])
    assert seen(database) == [2, 3]
    assert reader.quarantined == [(FAR, "beyond_head")]
    assert reader.point.position == 3


def test_gap_that_the_log_does_not_explain_is_a_ghost_and_says_so(
    database: Database, calls: Calls, logged: list[Any]
) -> None:
    pay(calls.ledger, 2)
    batch = queued(calls.ledger)
    reader = Reading(calls)
    reader.get(batch[0], changed(batch[1], position=51, predecessor=50), batch[1])
    assert reader.quarantined == [(51, "no_predecessor")]
    assert seen(database) == [2, 3]
    [entry] = [entry for entry in logged if entry["event"] == "message_quarantined"]
    assert (entry["position"], entry["reason"]) == (51, "no_predecessor")
    assert metric("saldo_reaction_gap_open") == 0


def test_long_jump_is_not_believed_but_read_from_the_log(
    database: Database, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "JUMP", 2)
    pay(calls.ledger, 6)
    batch = queued(calls.ledger)
    reader = Reading(calls)
    reader.get(batch[0])
    reader.get(changed(batch[5], predecessor=1))
    assert seen(database) == [2, 3, 4, 5, 6, 7]
    assert reader.quarantined == []


def lose_the_tail(database: Database, calls: Calls, real: int) -> Sequence[Delivery]:
    """Publish three payments that the log loses, and others at their positions.

    Return the ghosts as they arrive by the queue.
    """
    first = calls.history().current.name
    head = calls.history().head
    pattern = queued(calls.ledger)[-1]
    ghosts = []
    for position in range(head + 1, head + 4):
        named = {"cloudEvents_id": f"ledger-{first}-{position}"}
        ghost = changed(pattern, position=position, predecessor=position - 1)
        ghosts.append(replace(ghost, headers={**ghost.headers, **named}))
    start_again(database)
    sent = Sent(first, head + 3, ghosts[-1].headers["cloudEvents_time"])
    with database.runtime("ledger") as connection:
        confirm(connection, calls.ledger, publish, lambda: sent)
    pay(calls.ledger, real)
    return ghosts


def test_ghosts_of_a_lost_tail_are_quarantined_and_the_real_events_applied(
    database: Database, calls: Calls
) -> None:
    pay(calls.ledger, 2)
    reader = Reading(calls)
    reader.get(*queued(calls.ledger))
    ghosts = lose_the_tail(database, calls, real=4)
    real = queued(calls.ledger)[3:]
    assert reader.listener._reader.look() == ""
    reader.get(*ghosts[:2], *real[:2], ghosts[2], *real[2:])
    assert reader.quarantined == [(4, "lost_tail"), (5, "lost_tail"), (6, "lost_tail")]
    assert seen(database) == [2, 3, 4, 5, 6, 7]
    assert reader.point.epoch == calls.history().current.name
    assert reader.parked == []


def test_event_of_another_line_is_a_ghost(database: Database, calls: Calls) -> None:
    pay(calls.ledger, 1)
    first, second = queued(calls.ledger)
    reader = Reading(calls)
    reader.get(first, changed(second, epoch="2.deadbeef"), second)
    assert reader.quarantined == [(2, "unknown_epoch")]
    assert seen(database) == [2]


def test_reader_that_has_applied_ghosts_stops_and_says_so_until_it_is_set_back(
    database: Database,
    calls: Calls,
    worker: Worker,
    logged: list[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pay(calls.ledger, 2)
    reader = Reading(calls)
    reader.get(*queued(calls.ledger))
    ghosts = lose_the_tail(database, calls, real=4)
    # They had just been published, and took effect before the database was put back.
    monkeypatch.setattr(reading, "YOUNG", timedelta.max)
    unaware = Reading(calls)
    unaware.get(*ghosts)
    monkeypatch.undo()
    monkeypatch.setattr(listen, "LOOK_AGAIN_S", 0.1)
    assert seen(database) == [2, 3, 4, 5, 6]
    fork = calls.history().epochs[-1].after
    first = reader.point.epoch
    with calls.store.session() as session:
        parked.put(
            session.cursor, "ledger", ghosts[1].headers, b"{}",
            reason="KeyError", error_id="", attempts=5,
        )  # fmt: skip
    worker.start("relay", Relay(database.settings, calls.ledger, publish, worker.stop).run)
    handlers = {"payment_posted": count_payments}
    listening = Listener(calls, calls.store, "ledger", handlers, worker.stop)
    worker.start("listener", listening.run)

    def stopped() -> list[reading.ReadPoint]:
        with calls.store.transaction() as cursor:
            point = reading.read_point(cursor, "ledger")
        return [point] if point.stopped else []

    [found] = eventually(stopped, "the reader has stopped")
    assert (found.epoch, found.position) == (first, 6)
    assert f"ends at {fork} in the log of ledger" in found.stopped
    assert "reader_stopped" in [entry["event"] for entry in logged]
    with pytest.raises(reading.StoppedReaderError):
        Reading(calls).get(*deliveries(calls.ledger))
    assert seen(database) == [2, 3, 4, 5, 6]
    with calls.store.session() as session:
        assert reading.rewind(session.cursor, "ledger", first, fork) == 1
    eventually(lambda: seen(database)[5:] == [4, 5, 6, 7], "the real events take effect")
    eventually(lambda: consumers(database.settings) == 1, "it reads its queue again")
    assert stopped() == []
    assert reader.parked == []
    assert (5, "parked_ghost") in reader.quarantined
