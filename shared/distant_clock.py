"""The clock of another machine, as a process knows it: by what it was told, and the uptime since.

Clocks of machines differ, and jump. Where an instant that another one has noted down is compared
with the present, or with one of a third, both must be of one clock: of the database's, which the
processes of a service have in common (:mod:`shared.database_clock`), and which they tell with each
reply of an RPC to who has no database.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Final

from shared.clock import Clock, SystemClock

TIME_HEADER: Final = "saldo_time"
"""The header of a reply with the time at which a service has sent it, by its database's clock."""
SHARED_BY_GATEWAYS: Final = "identity"
"""The service by whose clock goes what one gateway makes and another one takes: each request of a
person asks it."""


def uptime() -> timedelta:
    """Return for how long this machine has been running."""
    # Unlike the monotonic clock of Python it goes on while a virtual machine is suspended.
    return timedelta(microseconds=time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000)


class DistantClock(SystemClock):
    """Another machine's clock, as far as a process was told; before that, its own machine's."""

    def __init__(self, zone: str) -> None:
        super().__init__(zone)
        self._booted_at: datetime | None = None
        """When this machine was started, by the other one's clock."""

    def now(self) -> datetime:
        known = self.known()
        return super().now() if known is None else known

    def known(self) -> datetime | None:
        return None if self._booted_at is None else self._booted_at + uptime()

    def learn(self, at: datetime, asked: timedelta, replied: timedelta) -> None:
        """Learn from a time that the other machine had between two uptimes of this one.

        What is known is corrected by no more than it is proven wrong: a reply that took long says
        little, and the time does not tremble with each.
        """
        earliest, latest = at - replied, at - asked
        known = self._booted_at or earliest + (latest - earliest) / 2
        self._booted_at = min(max(known, earliest), latest)


class ServiceClocks:
    """The clocks of the services, as a process knows them that has no database.

    There is one for each: their databases may be on several servers.
    """

    def __init__(self, zone: str) -> None:
        self._zone = zone
        self._clocks: dict[str, DistantClock] = {}

    def of(self, service: str) -> Clock:
        """Return the clock by which a service writes down and compares instants."""
        return self._clock(service)

    @property
    def of_gateways(self) -> Clock:
        """The clock that all gateways have in common."""
        return self._clock(SHARED_BY_GATEWAYS)

    def by_clock_of(self, service: str, instant: float) -> float:
        """Return an instant of the gateways' clock by a service's, in seconds of the epoch.

        A service that has not told its time yet is taken to have theirs.
        """
        there = self._clock(service).known()
        if there is None:
            return instant
        return instant + (there - self.of_gateways.now()).total_seconds()

    def learn(self, service: str, told: object, asked: timedelta, replied: timedelta) -> None:
        """Learn from the header of a reply; of a service of a version before, it has none."""
        if not isinstance(told, str):
            return
        try:
            at = datetime.fromisoformat(told)
        except ValueError:
            return
        if at.tzinfo is not None:
            self._clock(service).learn(at, asked, replied)

    def _clock(self, service: str) -> DistantClock:
        found = self._clocks.get(service)
        if found is None:
            found = self._clocks[service] = DistantClock(self._zone)
        return found
