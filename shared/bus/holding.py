"""Holding a queue: when message after message fails in the same way, the program is at fault.

A single bad message is parked. When several of one type, of different subjects and with none in
between that succeeded, have failed with the same error, the next one is not parked as well: the
queue is held, tried again after pauses that grow, and an alarm tells staff. What they deploy then
finds everything in its place. A refusal (a ServiceError) says more of data than of the program, so
more of them must come together.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from shared.errors import ServiceError

ATTEMPTS = 5
BACK_OFF_S = (0.1, 0.5, 2.0, 5.0)
ATTEMPTS_OF_MORE = 2
"""Attempts of a message that fails as the one before it did: the back-off has been paid."""
HELD_AFTER, HELD_AFTER_REFUSALS = 3, 20
"""Messages that are parked before the queue is held."""
LONGEST_PAUSE_S = 60.0
HELD_S = 900.0
"""How long a message is held before it is parked all the same: it may be the data, after all."""


@dataclass
class _Streak:
    error: tuple[str, str, int]
    subjects: set[str] = field(default_factory=set)


class Holding:
    """Decides for a reader whether a failing message is parked, or holds the queue."""

    def __init__(self) -> None:
        self._streaks: dict[str, _Streak] = {}
        self._held_since: float | None = None
        self._pause = 0.0

    def attempts(self, type_: str, error: BaseException) -> int:
        """Return how often a message of a type is tried that fails with this error."""
        streak = self._streaks.get(type_)
        same = streak is not None and streak.error == _place(error)
        return ATTEMPTS_OF_MORE if same else ATTEMPTS

    def pause(self, type_: str, subject: str, error: BaseException) -> float:
        """Return for how many seconds the queue is held now; 0: the message is to be parked."""
        streak = self._streaks.get(type_)
        limit = HELD_AFTER_REFUSALS if isinstance(error, ServiceError) else HELD_AFTER
        if (
            streak is None
            or streak.error != _place(error)
            or len(streak.subjects - {subject}) < limit
        ):
            return 0.0
        now = time.monotonic()
        if self._held_since is None:
            self._held_since, self._pause = now, BACK_OFF_S[-1]
        elif now - self._held_since >= HELD_S:
            return 0.0
        else:
            self._pause = min(2 * self._pause, LONGEST_PAUSE_S)
        return self._pause

    def parked(self, type_: str, subject: str, error: BaseException) -> None:
        """Note that a message was parked."""
        self._held_since = None
        streak = self._streaks.get(type_)
        if streak is None or streak.error != _place(error):
            streak = self._streaks[type_] = _Streak(_place(error))
        streak.subjects.add(subject)

    def handled(self, types: Iterable[str]) -> None:
        """Note that messages of these types have taken effect."""
        if self._streaks:
            for type_ in types:
                self._streaks.pop(type_, None)
            self._held_since = None


def _place(error: BaseException) -> tuple[str, str, int]:
    """Return the type of an error, and where it was raised."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    if frame is None:
        return type(error).__name__, "", 0
    return type(error).__name__, frame.tb_frame.f_code.co_filename, frame.tb_lineno
