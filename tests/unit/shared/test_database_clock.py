"""The database's clock as a process knows it: by what it has read, and the uptime since."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from shared import clock as machine
from shared import distant_clock
from shared.database_clock import READ_EVERY, DatabaseClock, read_time

NOON = datetime(2026, 11, 23, 9, tzinfo=UTC)
SECOND = timedelta(seconds=1)


class World:
    """A server with a clock, a machine with another one, and a connection between them."""

    def __init__(self) -> None:
        self.uptime = timedelta(days=3)
        self.server_ahead = timedelta(0)
        self.way = timedelta(0)
        """How long a question takes to the server, and the reply back."""
        self.asked = 0
        self.autocommit = False
        self.clock: DatabaseClock | None = None
        self.info = SimpleNamespace(transaction_status=psycopg.pq.TransactionStatus.IDLE)

    @property
    def server_time(self) -> datetime:
        return NOON + (self.uptime - timedelta(days=3)) + self.server_ahead

    def cursor(self, **_: Any) -> World:
        return self

    def __enter__(self) -> World:
        return self

    def __exit__(self, *_: object) -> None:
        """The cursor is closed."""

    def execute(self, _: str) -> None:
        self.asked += 1
        self.uptime += self.way
        self._read = self.server_time
        self.uptime += self.way

    def fetchone(self) -> tuple[datetime]:
        return (self._read,)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World()
    monkeypatch.setattr(distant_clock, "uptime", lambda: world.uptime)
    monkeypatch.setattr(machine, "wall_time", lambda: datetime(2031, 1, 1, tzinfo=UTC))
    return world


@pytest.fixture
def clock(world: World) -> DatabaseClock:
    clock = DatabaseClock("Europe/Moscow", lambda: read_time(world))
    clock.attach(world)
    return clock


def test_time_is_that_of_the_server_whatever_the_machine_says(
    world: World, clock: DatabaseClock
) -> None:
    assert clock.now() == NOON
    world.uptime += 5 * SECOND
    assert clock.now() == NOON + 5 * SECOND
    assert clock.today().isoformat() == "2026-11-23"
    assert world.asked == 1


def test_time_is_read_again_once_in_a_second_at_most(world: World, clock: DatabaseClock) -> None:
    assert read_time(world)
    assert not read_time(world)
    world.uptime += READ_EVERY
    assert read_time(world)
    assert world.asked == 2
    assert not world.autocommit


def test_clock_of_the_server_that_is_set_is_followed(world: World, clock: DatabaseClock) -> None:
    read_time(world)
    for jump in (timedelta(minutes=10), timedelta(minutes=-30)):
        world.server_ahead = jump
        world.uptime += READ_EVERY
        read_time(world)
        assert clock.now() == world.server_time


def test_new_connection_has_the_time_read_as_it_may_be_to_another_server(
    world: World, clock: DatabaseClock
) -> None:
    read_time(world)
    world.server_ahead = timedelta(minutes=3)
    clock.attach(world)
    assert read_time(world)
    assert clock.now() == world.server_time


def test_slow_reply_does_not_move_a_time_that_it_agrees_with(
    world: World, clock: DatabaseClock
) -> None:
    read_time(world)
    world.way = 10 * SECOND
    world.uptime += READ_EVERY
    read_time(world)
    assert clock.now() == world.server_time


def test_first_reply_that_is_slow_is_wrong_by_no_more_than_the_way(
    world: World, clock: DatabaseClock
) -> None:
    world.way = 10 * SECOND
    read_time(world)
    assert abs(clock.now() - world.server_time) <= world.way
    world.way = timedelta(0)
    world.uptime += READ_EVERY
    read_time(world)
    assert clock.now() == world.server_time


def test_without_a_database_the_time_is_that_of_the_machine(world: World) -> None:
    def fail() -> None:
        raise psycopg.OperationalError

    assert DatabaseClock("Europe/Moscow", fail).now() == machine.wall_time()
