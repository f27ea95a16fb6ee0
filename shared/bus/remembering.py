"""What a reader has applied since it started, in memory.

A message of the queue that is a little ahead is believed, for the log of an upstream often has
events that are not published. Should one lie, the events that it made the reader jump over arrive
later, at or below its point, where they would pass for duplicates. They are told apart by this: an
event that the reader has not applied since it started, above where it started, was jumped over. And
what it went back for is not applied twice.

An event is known by its epoch, type, time and correlation id, which no message can guess before the
event is there. The versions of one event have all of these in common.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

from shared.bus.messages import CORRELATION_HEADER, TIME_HEADER, TYPE_HEADER, epoch_of
from shared.bus.proof import Proof, Proving
from shared.bus.reading import ReadPoint

MOST = 10_000
"""Events that are remembered."""

Mark = tuple[int, str]
"""A digest of an event, and its epoch."""


def mark_of(headers: Mapping[str, Any]) -> Mark:
    """Return what an event is known by, from the headers of any of its versions."""
    time = str(headers.get(TIME_HEADER, ""))
    with suppress(ValueError, OverflowError):
        time = datetime.fromisoformat(time).astimezone(UTC).isoformat()  # of another offset
    epoch = epoch_of(headers)
    correlation = str(headers.get(CORRELATION_HEADER, ""))
    known = "\0".join((epoch, time, correlation, str(headers.get(TYPE_HEADER, ""))))
    digest = blake2b(known.encode(errors="backslashreplace"), digest_size=8).digest()
    return int.from_bytes(digest) >> 1, epoch


class Memory:
    """The events that took effect between where a reader started and its point."""

    def __init__(self) -> None:
        self._marks: dict[int, Mark] = {}
        self._start: tuple[str, int] = ("", 0)
        self._last: tuple[str, int] | None = None
        self._proving = Proving()

    def begin_at(self, point: ReadPoint) -> None:
        """Forget everything if somebody else has moved the point."""
        place = point.epoch, point.position
        if place != self._last:
            self._marks.clear()
            self._start = self._last = place
            self._proving.begin_at(point.position, point.proof)

    def proof_with(self, applied: Mapping[int, Mark]) -> Proof:
        """Return the proof of the point once a transaction has applied these events, too."""
        return self._proving.with_(applied)

    def has(self, position: int, mark: Mark) -> bool:
        """Return whether the event has taken effect since the start."""
        return self._marks.get(position) == mark

    def disputes(self, position: int, mark: Mark) -> bool:
        """Return whether an event at or below the point is not what was applied there."""
        return position > self._start[1] and self._marks.get(position) != mark

    def add(self, applied: Mapping[int, Mark], point: ReadPoint) -> None:
        """Remember what a transaction has applied, once it is committed; it has set the point."""
        self._proving.add(applied)
        for position, mark in applied.items():
            self._marks.pop(position, None)  # it is the last one again
            self._marks[position] = mark
        self._last = point.epoch, point.position
        while len(self._marks) > MOST:
            forgotten = next(iter(self._marks))
            _, epoch = self._marks.pop(forgotten)
            if forgotten > self._start[1]:
                self._start = epoch, forgotten

    def below(self, position: int) -> tuple[str, int]:
        """Return the last event before a position that was applied, or where reading started."""
        before = max((one for one in self._marks if one < position), default=0)
        if before <= self._start[1]:
            return self._start
        return self._marks[before][1], before

    def verified(self) -> None:
        """Note that the log bears out all that was applied up to the point."""
        if self._last is not None:
            self._proving.begin_at(self._last[1], None)

    def start_of(self, point: ReadPoint) -> tuple[str, int] | None:
        """Return where reading started that has come to a point; None if that is not known."""
        if (point.epoch, point.position) != self._last or self._start == self._last:
            return None
        return self._start

    def went_back(self, epoch: str, position: int) -> None:
        """Note that the point was set back to an event; what followed it is still remembered."""
        self._last = epoch, position
        self._proving.went_back(position)
        if position < self._start[1]:
            self._start = self._last
