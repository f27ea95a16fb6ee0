"""Domains whose mail servers defer letters: letters to them wait, those to others do not.

A process remembers it for as long as it runs; nobody's domain is stored.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from threading import Lock
from typing import Final, NamedTuple

#: The waits of a domain after one, two, ... deferrals in a row; the last one repeats.
WAITS: Final = tuple(timedelta(seconds=s) for s in (5, 15, 60, 300))


class _Slowed(NamedTuple):
    deferrals: int
    until: datetime


class SlowDomains:
    """When letters to which domain may be sent again. Thread-safe."""

    def __init__(self) -> None:
        self._slowed: dict[str, _Slowed] = {}
        self._lock = Lock()

    def waits_until(self, address: str, now: datetime) -> datetime | None:
        """Return until when letters to the domain of an address wait; None: they do not."""
        with self._lock:
            slowed = self._slowed.get(_domain(address))
        return slowed.until if slowed is not None and slowed.until > now else None

    def defer(self, address: str, now: datetime) -> None:
        """Slow the domain of an address down, longer each time in a row.

        What several connections find out at once counts once.
        """
        domain = _domain(address)
        with self._lock:
            slowed = self._slowed.get(domain, _Slowed(0, now))
            if slowed.until <= now:
                wait = WAITS[min(slowed.deferrals, len(WAITS) - 1)]
                self._slowed[domain] = _Slowed(slowed.deferrals + 1, now + wait)

    def accept(self, address: str) -> None:
        """Note that the domain of an address takes letters."""
        with self._lock:
            self._slowed.pop(_domain(address), None)


def _domain(address: str) -> str:
    return address.rpartition("@")[2].lower()
