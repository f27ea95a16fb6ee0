"""The clocks of services as a process knows them that has no database: by their replies."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from shared import clock as machine
from shared import distant_clock
from shared.distant_clock import ServiceClocks

NOON = datetime(2026, 11, 30, 9, tzinfo=UTC)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


class Machine:
    """A machine whose own clock is wrong."""

    def __init__(self) -> None:
        self.uptime = timedelta(days=3)
        self.clocks = ServiceClocks("Europe/Moscow")

    def hear(self, service: str, at: datetime, way: timedelta = timedelta(0)) -> None:
        """Have a reply that was sent at an instant, after half of the way."""
        asked, self.uptime = self.uptime, self.uptime + way
        self.clocks.learn(service, at.isoformat(), asked, self.uptime)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine()
    monkeypatch.setattr(distant_clock, "uptime", lambda: made.uptime)
    monkeypatch.setattr(machine, "wall_time", lambda: datetime(2031, 1, 1, tzinfo=UTC))
    return made


def test_each_service_has_the_time_that_it_tells(here: Machine) -> None:
    here.hear("payments", NOON)
    here.hear("ledger", NOON + 7 * MINUTE)
    here.uptime += 5 * SECOND
    assert here.clocks.of("payments").now() == NOON + 5 * SECOND
    assert here.clocks.of("ledger").now() == NOON + 7 * MINUTE + 5 * SECOND
    assert here.clocks.of("ledger").today().isoformat() == "2026-11-30"


def test_a_clock_that_is_set_is_followed_with_the_next_reply(here: Machine) -> None:
    for at in (NOON, NOON + 10 * MINUTE, NOON - 30 * MINUTE):
        here.hear("payments", at)
        assert here.clocks.of("payments").now() == at


def test_a_slow_reply_moves_no_time_that_it_agrees_with(here: Machine) -> None:
    here.hear("payments", NOON)
    here.hear("payments", NOON + 9 * SECOND, way=10 * SECOND)
    assert here.clocks.of("payments").now() == NOON + 10 * SECOND


def test_before_a_service_has_replied_the_time_is_that_of_the_machine(here: Machine) -> None:
    here.hear("payments", NOON)
    assert here.clocks.of("ledger").now() == machine.wall_time()
    assert here.clocks.of("ledger").known() is None


@pytest.mark.parametrize("told", [None, 7, "", "noon", "2026-11-30T09:00:00"])
def test_what_is_no_time_teaches_nothing(here: Machine, told: object) -> None:
    here.clocks.learn("payments", told, here.uptime, here.uptime)
    assert here.clocks.of("payments").known() is None


def test_gateways_go_by_the_clock_of_the_service_that_each_request_asks(here: Machine) -> None:
    here.hear("identity", NOON)
    here.hear("payments", NOON + MINUTE)
    assert here.clocks.of_gateways.now() == NOON


def test_a_service_is_told_an_instant_by_its_own_clock(here: Machine) -> None:
    here.hear("identity", NOON)
    assert here.clocks.by_clock_of("payments", NOON.timestamp()) == NOON.timestamp()
    here.hear("payments", NOON + 7 * MINUTE)
    instant = (NOON - 3 * SECOND).timestamp()
    assert here.clocks.by_clock_of("payments", instant) == instant + 7 * 60
    assert here.clocks.by_clock_of("identity", instant) == instant
