"""The search for lost events reads a stream of any size, a piece at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from services.ledger import lost_events as of_ledger
from shared.bus import searching
from shared.bus.readable_losses import ReadableLosses
from shared.bus.recovering import recover
from shared.bus.topology import connect
from shared.eventstore.lost_events import LostEvent, Recovery, recoveries
from tests.integration.bus_ends import pay
from tests.integration.restoring import House
from tests.integration.test_recovery import house, lost_three

pytestmark = pytest.mark.nodes

__all__ = ["house"]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A piece is two messages."""
    monkeypatch.setattr(searching, "PIECE_S", 0.0)
    monkeypatch.setattr(searching, "COMPARED", 2)


def found_in(house: House) -> Recovery:
    [found] = house.stores["ledger"].query(lambda session: recoveries(session.cursor))
    return found


@pytest.mark.usefixtures("small")
def test_search_goes_on_where_the_last_piece_has_ended(house: House) -> None:
    lost_three(house)
    pay(house.stores["ledger"], 2)
    house.publish("ledger")
    house.search("ledger")
    first = found_in(house)
    assert (first.found_at, first.searched) == (None, 2)
    assert first.to_search >= 8
    code, said = house.said("ledger")
    assert (code, said["unsearched"]) == (1, [first.epoch])
    pay(house.stores["ledger"], 1)
    house.publish("ledger")
    pieces = [first]
    while pieces[-1].found_at is None:
        house.search("ledger")
        pieces.append(found_in(house))
    assert [one.searched for one in pieces] == [2, 4, 6, 8, 8]
    assert pieces[-1].to_search == first.to_search
    assert pieces[-1].lost == 3
    _, said = house.said("ledger")
    assert [one["position"] for one in said["lost"]] == [4, 5, 6]


def test_few_lost_events_are_held_in_memory(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[int] = []
    protect = ReadableLosses.protect

    def noted(self: Any, services: Any, lost: Sequence[LostEvent], *, whole: bool) -> None:
        held.append(len(lost))
        protect(self, services, lost, whole=whole)

    monkeypatch.setattr(ReadableLosses, "protect", noted)
    monkeypatch.setattr(searching, "PIECE_S", 3600.0)
    monkeypatch.setattr(searching, "COMPARED", 1)
    monkeypatch.setattr(searching, "HELD", 2)
    lost_three(house)
    house.publish("ledger")
    house.search("ledger")
    assert held == [2, 1]
    assert found_in(house).lost == 3


def test_search_of_nothing_lost_lets_the_ledger_go_on_by_itself(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "COMPARED", 1)
    monkeypatch.setattr(searching, "PIECE_S", 0.0)
    recorded: list[str] = []
    monkeypatch.setattr(of_ledger, "record_epochs", lambda session, by: recorded.append(by))
    house.restore()
    house.publish("ledger")
    while found_in_or_none(house) is None:
        house.search("ledger")
    assert found_in(house).lost == 0
    assert len(recorded) == 1


def found_in_or_none(house: House) -> Any:
    found = house.stores["ledger"].query(lambda session: recoveries(session.cursor))
    return found[0].found_at if found else None


@pytest.mark.usefixtures("small")
def test_stream_that_goes_away_in_between_leaves_the_loss_unknown(house: House) -> None:
    lost_three(house)
    house.publish("ledger")
    house.search("ledger")
    with connect(house.settings.amqp_url, name="tests", heartbeat=0) as broker:
        broker.channel().queue_delete("ledger.stream")
    house.search("ledger")
    found = found_in(house)
    assert found.found_at is not None
    assert found.lost is None


def test_failed_search_is_noted_and_left_to_the_pauses_of_its_job(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost_three(house)
    house.publish("ledger")

    def broken(*_: Any) -> Any:
        raise ConnectionError("the broker's url and its password")

    with monkeypatch.context() as patched:
        patched.setattr(searching, "streamed", broken)
        with pytest.raises(ConnectionError):
            house.search("ledger")
    assert found_in(house).failure == "ConnectionError"
    house.search("ledger")
    assert (found_in(house).failure, found_in(house).lost) == ("", 3)


@pytest.mark.usefixtures("small")
def test_job_asks_to_be_run_again_at_once_for_the_next_piece(house: House) -> None:
    lost_three(house)
    house.publish("ledger")
    services: Any = house.services("ledger")
    handler = ReadableLosses("ledger", of_ledger)
    done = [recover(services, handler) for _ in range(4)]
    assert done[0] == 1
    assert done[-1] == 0
