"""Setting a reader back that a message has made jump over events of its upstream's log."""

from __future__ import annotations

from typing import Any, NamedTuple

from shared.bus import reading
from shared.bus.epochs import LogHistory
from shared.bus.remembering import Memory


class Moved(NamedTuple):
    """A reader that was at an event, and went back to an earlier position."""

    epoch: str
    position: int
    to: int


def set_back_before(cursor: Any, upstream: str, memory: Memory, position: int) -> Moved | None:
    """Set a reader back to the last event that it has applied before a position.

    Return None where it is before that already: somebody else has set it back.
    """
    point = reading.read_point(cursor, upstream, lock=True)
    memory.begin_at(point)
    epoch, to = memory.below(position)
    if to >= point.position:
        return None
    reading.set_back(cursor, upstream, epoch, to)
    memory.went_back(epoch, to)
    return Moved(point.epoch, point.position, to)


def set_back_into_log(
    cursor: Any, upstream: str, memory: Memory, history: LogHistory
) -> Moved | None:
    """Set a reader back that is beyond the end of its upstream's log, in the current epoch.

    It goes back to where it started, if that is known, for what it has applied since is not applied
    twice; else by the longest jump. Return None for any other reader.
    """
    point = reading.read_point(cursor, upstream, lock=True)
    safe = reading.safe_position(history, point)
    if safe is None:
        return None
    start = memory.start_of(point)
    if start is not None and start[1] <= history.head:
        reading.set_back(cursor, upstream, *start)
        memory.went_back(*start)
        return Moved(point.epoch, point.position, start[1])
    # What is parked of later events comes again.
    reading.rewind(cursor, upstream, history.epoch_at(safe).name, safe)
    return Moved(point.epoch, point.position, safe)
