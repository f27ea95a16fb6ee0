"""A clock that tests advance by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from shared.clock import SystemClock


class FixedClock(SystemClock):
    """A clock that stands still until it is advanced."""

    def __init__(self, now: datetime, zone: str = "Europe/Moscow") -> None:
        super().__init__(zone)
        self._now = now.astimezone(UTC)

    def now(self) -> datetime:
        return self._now

    def advance(self, by: timedelta) -> None:
        self._now += by
