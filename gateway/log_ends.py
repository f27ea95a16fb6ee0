"""Waiting for the logs of services to grow, with one question a second for all who wait."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from threading import Condition

INTERVAL_SECONDS = 1.0


class LogEnd:
    """The last position of one service's log, as far as it was asked for."""

    def __init__(self) -> None:
        self.changed = Condition()
        self.position = 0
        self._asked_at = float("-inf")

    def turn(self) -> bool:
        """Return whether it is time to ask, and so whose turn it is: the first who inquires."""
        now = time.monotonic()
        if now - self._asked_at < INTERVAL_SECONDS:
            return False
        self._asked_at = now
        return True

    def learn(self, position: int) -> None:
        """Keep the position that was learnt, and wake those who wait for one."""
        with self.changed:
            self.position = position
            self.changed.notify_all()


class LogEnds:
    """The ends of all logs. Whoever waits first asks, for all who wait with it.

    It needs no thread of its own, and costs nothing while nobody waits. ``ask`` returns the last
    position of a service's log.
    """

    def __init__(self, ask: Callable[[str], int]) -> None:
        self._ask = ask
        self._ends: defaultdict[str, LogEnd] = defaultdict(LogEnd)

    def wait_beyond(self, service: str, position: int, until: float) -> bool:
        """Wait until the log goes beyond a position; False when ``until`` (monotonic) has come."""
        end = self._ends[service]
        while end.position <= position:
            left = until - time.monotonic()
            if left <= 0:
                return False
            if end.turn():
                end.learn(self._ask(service))
            else:
                with end.changed:
                    end.changed.wait_for(
                        lambda: end.position > position, min(left, INTERVAL_SECONDS)
                    )
        return True

    def forget(self, service: str) -> None:
        """Forget an end that a reader did not find: the log was restored from a copy."""
        self._ends[service].position = 0
