"""Pacing: whom a bulk append waits for, and for how long."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from shared.eventstore import pacing
from shared.eventstore.pacing import AHEAD, LONGEST_S, STUCK_S, Pacing


class House:
    """A log, its relay, and the time, which passes while somebody waits."""

    def __init__(self) -> None:
        self.now = 0.0
        self.position, self.head = 0, 0
        self.led, self.crowded = True, False
        self.publishes: Callable[[], None] = lambda: None
        self.recorder: Any = SimpleNamespace(service="ledger", crowded="ledger.crowded")

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.publishes()

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        yield SimpleNamespace(execute=lambda *_: SimpleNamespace(fetchone=self._state))

    def _state(self) -> dict[str, Any]:
        names = ("position", "head", "led", "crowded")
        return {name: getattr(self, name) for name in names}

    def publish(self, count: int) -> None:
        self.position = min(self.head, self.position + count)


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch) -> House:
    made = House()
    monkeypatch.setattr(pacing, "time", made)
    return made


def test_nobody_waits_while_little_is_left_to_publish(house: House) -> None:
    house.head = AHEAD
    Pacing(house).wait()
    assert house.now == 0


def test_it_waits_until_little_is_left_however_long_the_relay_takes(house: House) -> None:
    house.head = 5_000
    house.publishes = lambda: house.publish(10)
    paced = Pacing(house)
    paced.wait()
    assert house.head - house.position <= AHEAD
    assert house.now > 0
    assert not paced.gave_up


def test_without_a_relay_it_goes_on_at_once(house: House) -> None:
    house.head, house.led = 5_000, False
    paced = Pacing(house)
    paced.wait()
    assert (house.now, paced.gave_up) == (0, True)


def test_relay_that_is_started_again_is_waited_for(house: House) -> None:
    house.head = 5_000
    paced = Pacing(house)
    assert paced.is_followed()

    def come_back() -> None:
        house.led = house.now > STUCK_S / 2
        if house.led:
            house.publish(100)

    house.led, house.publishes = False, come_back
    paced.wait()
    assert house.head - house.position <= AHEAD
    assert not paced.gave_up


def test_relay_that_publishes_nothing_is_waited_for_once(house: House) -> None:
    house.head = 5_000
    paced = Pacing(house)
    paced.wait()
    assert STUCK_S <= house.now < 2 * STUCK_S
    assert paced.gave_up
    waited = house.now
    house.head += 1_000
    paced.wait()
    assert house.now == waited
    house.publishes = lambda: house.publish(1_000)
    house.publish(1)
    paced.wait()
    assert house.head - house.position <= AHEAD


def test_readers_who_are_behind_are_waited_for_as_long_as_the_relay_says_so(house: House) -> None:
    house.crowded = True

    def get_on() -> None:
        house.crowded = house.now < 3 * STUCK_S

    house.publishes = get_on
    paced = Pacing(house)
    paced.wait()
    assert house.now >= 3 * STUCK_S
    assert not paced.gave_up


def test_no_wait_is_longer_than_a_limit(house: House) -> None:
    house.crowded = True
    Pacing(house).wait()
    assert LONGEST_S <= house.now < LONGEST_S + 1


def test_a_long_wait_is_told_once(house: House) -> None:
    told: list[float] = []
    house.crowded = True
    paced = Pacing(house, lambda: told.append(house.now))
    for _ in range(2):
        paced.wait()
    assert len(told) == 1
    assert paced.waited == house.now
