"""Injected time: a service asks a clock, never the operating system."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Protocol
from zoneinfo import ZoneInfo


class Clock(Protocol):
    """Instants are aware UTC datetimes; a day is a day of the business zone."""

    def now(self) -> datetime:
        """Return the current instant."""
        ...

    def known(self) -> datetime | None:
        """Return the current instant; None while only the machine's own clock tells it, and it is
        not the one that counts."""
        ...

    def today(self) -> date:
        """Return the current day of the business zone."""
        ...

    def day_of(self, instant: datetime) -> date:
        """Return the day of the business zone in which an instant falls."""
        ...


def wall_time() -> datetime:
    """Return the time that this process's machine has."""
    return datetime.now(UTC)


class SystemClock:
    """The machine's clock, read in the time zone of the utility."""

    def __init__(self, zone: str = "Europe/Moscow") -> None:
        self._zone = ZoneInfo(zone)

    def now(self) -> datetime:
        return wall_time()

    def known(self) -> datetime | None:
        return self.now()

    def today(self) -> date:
        return self.day_of(self.now())

    def day_of(self, instant: datetime) -> date:
        return instant.astimezone(self._zone).date()
