"""Crowding: which readers the relay waits for, by what their queues show."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import amqp
import pytest

from shared.bus import crowding
from shared.bus.crowding import CROWDED, LOOK_EVERY_S, MANY, STUCK_S, Crowding


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


class Broker:
    """The queues of the ledger's readers: (messages, consumers), or None for one that is absent."""

    def __init__(self) -> None:
        self.queues: dict[str, tuple[int, int] | None] = {}
        self.looks = 0

    def channel(self) -> Any:
        return SimpleNamespace(is_open=True, queue_declare=self._declare)

    def _declare(self, name: str, *, passive: bool) -> Any:
        assert passive
        self.looks += 1
        found = self.queues.get(name)
        if found is None:
            raise amqp.NotFound
        return SimpleNamespace(message_count=found[0], consumer_count=found[1])


class Database:
    """Advisory locks."""

    def __init__(self) -> None:
        self.held = False

    def execute(self, statement: str, _: Any) -> Any:
        self.held = "unlock" not in statement
        return SimpleNamespace(fetchone=lambda: {"done": True})


class House:
    def __init__(self, clock: Clock) -> None:
        self.clock, self.broker, self.database = clock, Broker(), Database()
        recorder: Any = SimpleNamespace(service="ledger", crowded="ledger.crowded")
        self.in_flight = 0
        self.crowding = Crowding(self.database, self.broker, recorder)  # type: ignore[arg-type]

    def publishes(self, count: int, *, seconds: float = 2 * LOOK_EVERY_S, next_: int = 0) -> None:
        """Publish what is not in flight yet, and send what is next before it is confirmed."""
        self.clock.now += seconds
        self.crowding.sends(count - self.in_flight + next_)
        self.in_flight = next_
        self.crowding.published(count)
        self.crowding.look()


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch) -> House:
    clock = Clock()
    monkeypatch.setattr(crowding, "time", clock)
    return House(clock)


def test_queue_that_grows_is_crowded_until_it_is_short(house: House) -> None:
    for length in (CROWDED - 100, CROWDED):
        house.broker.queues["payments.from.ledger"] = (length, 1)
        house.publishes(MANY)
        assert not house.database.held
    house.broker.queues["payments.from.ledger"] = (CROWDED + 1, 1)
    house.publishes(MANY)
    assert house.database.held
    house.broker.queues["payments.from.ledger"] = (CROWDED, 1)
    house.publishes(0)
    assert not house.database.held


def test_few_messages_cost_no_look(house: House) -> None:
    house.publishes(MANY - 1)
    assert house.broker.looks == 0


def test_reader_that_takes_nothing_keeps_nobody_waiting(house: House) -> None:
    house.broker.queues["payments.from.ledger"] = (5_000, 1)
    house.publishes(5_400)
    assert house.database.held
    house.publishes(0, seconds=STUCK_S - 1)
    assert house.database.held
    house.publishes(0, seconds=2)
    assert not house.database.held


def test_reader_slower_than_the_relay_is_waited_for(house: House) -> None:
    length = 0
    for _ in range(100):
        length += MANY - 1
        house.broker.queues["payments.from.ledger"] = (length, 1)
        house.publishes(MANY, seconds=1)
    assert house.database.held


def test_queue_that_nobody_reads_keeps_nobody_waiting(house: House) -> None:
    house.broker.queues["payments.from.ledger"] = (50_000, 0)
    house.broker.queues["helpdesk.from.ledger"] = None
    house.publishes(MANY)
    assert not house.database.held


def test_messages_in_flight_are_no_progress_of_a_reader(house: House) -> None:
    """A window is in the queue before it counts as published: nobody has taken it."""
    queue, length = "payments.from.ledger", 5_000
    for _ in range(20):
        # Two windows, as of a bulk append: the second one is sent before the first is confirmed.
        length += MANY + 1
        house.broker.queues[queue] = (length, 1)
        house.publishes(MANY, seconds=1, next_=1)
        house.publishes(1)
    assert not house.database.held


def test_reader_that_takes_messages_in_flight_is_at_work(house: House) -> None:
    queue, length = "payments.from.ledger", 5_000
    for _ in range(20):
        length += MANY + 1 - 10
        house.broker.queues[queue] = (length, 1)
        house.publishes(MANY, seconds=1, next_=1)
        house.publishes(1)
    assert house.database.held
