"""The end of a service's stream: what the bus has of its log."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from itertools import accumulate
from typing import Any, NamedTuple, TypeAlias

import amqp
from kombu import Connection

from shared.bus.messages import TIME_HEADER, epoch_of, position_of
from shared.logs import get_logger

log = get_logger(__name__)

SILENT_S = 3.0
"""How long a message of a stream may take; a stream without messages takes this long."""
LOOKED_BACK = 3_000
"""How many messages from its end are read. A relay that was killed sends its last windows again, so
the last message need not be that of the last event."""
_PREFETCH = 500
_NOTHING = (0, 0)


class Sent(NamedTuple):
    """A message of the stream: which event of the log it is, and when that was recorded."""

    epoch: str
    position: int
    time: datetime

    @property
    def order(self) -> tuple[int, int]:
        """Its place in the log: a relay that was fenced off may have sent older ones after it."""
        return int(self.epoch.partition(".")[0]), self.position


class Compared(NamedTuple):
    """Those of some messages that a log has, and the position that it cannot have got to."""

    had: AbstractSet[Sent]
    beyond: int


Compare: TypeAlias = Callable[[Sequence[Sent]], Compared]


def last_sent(broker: Connection, service: str, compare: Compare) -> Sent | None:
    """Return the last event of a service's stream; None where there is no stream, or an empty one.

    So it is for a stream that we may not read: there is nothing to compare with.
    """
    try:
        with broker.channel() as channel:
            sent = _last_of(channel, service)
    except amqp.NotFound:
        return None
    except amqp.AccessRefused:
        log.warning("stream_not_readable", service=service)
        return None
    believed = _believed(sent, compare(sent))
    if len(believed) < len(sent):
        log.warning("messages_of_no_relay", service=service, messages=len(sent) - len(believed))
    return max(believed, key=lambda one: one.order, default=None)


def _believed(sent: Sequence[Sent], compared: Compared) -> list[Sent]:
    """Return which messages a relay has sent, as far as the log can tell.

    What was lost with the end of a log is the last that its relay has sent. So a message that the
    log does not have is nothing of it, nor anything new, where its relay has published on after it:
    where there are later events of the log behind it than before it. A relay that sends older
    ones again does not publish on.
    """
    before = list(accumulate(_orders(sent, compared), max))
    behind = list(accumulate(reversed(_orders(sent, compared)), max))[::-1]
    return [
        one
        for one, earlier, later in zip(sent, before, behind, strict=True)
        if one in compared.had
        or (one.position < compared.beyond and not _NOTHING < earlier < later)
    ]


def _orders(sent: Sequence[Sent], compared: Compared) -> list[tuple[int, int]]:
    return [one.order if one in compared.had else _NOTHING for one in sent]


def _last_of(channel: Any, service: str) -> list[Sent]:
    queue = f"{service}.stream"
    channel.queue_declare(queue, passive=True)
    channel.basic_qos(0, _PREFETCH, False)
    # "last" is the last part of the stream, of one message or of thousands.
    ends = [offset_of(message) for message in _read(channel, queue, "last", 0)]
    if not ends:
        return []
    messages = _read(channel, queue, max(0, max(ends) - LOOKED_BACK), max(ends))
    return [sent for message in messages if (sent := _sent(message, service)) is not None]


def _read(channel: Any, queue: str, offset: str | int, until: int) -> Iterator[Any]:
    """Yield the messages of a stream from an offset to its end, which is not before ``until``."""
    got: list[Any] = []
    tag = channel.basic_consume(queue, callback=got.append, arguments={"x-stream-offset": offset})
    if not _wait(channel, got) and until:
        raise TimeoutError("the stream gives no messages")
    seen = 0
    while len(got) > seen:
        fresh, seen = got[seen:], len(got)
        yield from fresh
        channel.basic_ack(got[-1].delivery_info["delivery_tag"], multiple=True)
        # The channel reads on when it gets the acknowledgement, before it answers this.
        channel.queue_declare(queue, passive=True)
        if len(got) == seen and offset_of(got[-1]) < until and not _wait(channel, got, seen):
            raise TimeoutError("the stream gives no more messages")
    channel.basic_cancel(tag)


def _wait(channel: Any, got: list[Any], seen: int = 0) -> bool:
    """Wait for another message; return whether one came."""
    end = time.monotonic() + SILENT_S
    while len(got) == seen and (left := end - time.monotonic()) > 0:
        try:
            channel.connection.drain_events(timeout=left)
        except TimeoutError:
            break
    return len(got) > seen


def offset_of(message: Any) -> int:
    """Return the offset of a message in its stream."""
    return int(message.properties["application_headers"]["x-stream-offset"])


def _sent(message: Any, service: str) -> Sent | None:
    """Return what a message is; None for one that no relay of the service has sent."""
    headers = message.properties.get("application_headers") or {}
    position = position_of(headers)
    if message.properties.get("user_id") != service or position is None:
        return None
    try:
        sent = Sent(epoch_of(headers), position, datetime.fromisoformat(headers[TIME_HEADER]))
        return sent if sent.order[0] else None
    except (KeyError, TypeError, ValueError):
        return None
