"""Searching the broker's stream for what the log has lost before an epoch.

The stream may have many gigabytes, so it is read in pieces: each notes what it has found, and how
far it has come, and the next one goes on from there, whichever process reads it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import amqp
import msgspec

from shared.bus.epochs import MOST_LOST, LogHistory, read_history
from shared.bus.messages import MalformedMessageError, read_message
from shared.bus.readable_losses import Handler
from shared.bus.stream import offset_of
from shared.bus.topology import connect
from shared.eventstore.lost_events import (
    LostEvent,
    Reached,
    count_found,
    finish_search,
    keep_found,
    note_reached,
    reached_by,
)
from shared.eventstore.recording_times import RECORDED_BY
from shared.logs import get_logger

log = get_logger(__name__)

EARLIER = timedelta(minutes=10)
"""How much before the last common event the stream is read, as long as the clocks agree so far."""
PREFETCH = 500
COMPARED = 500
"""Messages that are compared with the log at a time."""
HELD = 5_000
"""Lost events that are kept in memory at most."""
PIECE_S = 5.0
"""How long a piece of the search may take: the other jobs of the service wait meanwhile."""
LAST_S = 10.0
"""How long a broker may take to send a part of a stream; a stream without a last one is empty."""
_MAX = 2**63
_LAST_COMMON = (
    f"SELECT {RECORDED_BY} AS recorded_at FROM events WHERE notification_id ="
    " (SELECT least(published, %s) FROM relay)"
)


class Streamed(NamedTuple):
    """A message of a stream: ``event`` is None for one that cannot be read, or is not ours."""

    offset: int
    predecessor: int
    event: LostEvent | None


def search(services: Any, handler: Handler, epoch: str) -> bool:
    """Search a piece of the stream for what was lost before an epoch; return whether it was last.

    Raises what the broker and the database raise; what was noted by then stays noted.
    """
    store = services.store
    with store.transaction() as cursor:
        after = _after(read_history(cursor), epoch)
        row = cursor.execute(_LAST_COMMON, (after,)).fetchone()
        reached = reached_by(cursor, epoch)
    url = services.settings.amqp_url_of(store.service)
    if reached is None or reached.next is None:
        # A time that is still to come was recorded by a clock that ran ahead: it says nothing.
        since: Any = "first"
        if row is not None and row["recorded_at"] <= store.clock.now():
            since = _beginning(url, store.service, row["recorded_at"], after)
    else:
        since = reached.next
    with streamed(url, store.service, since, None if reached is None else reached.last) as (
        messages,
        last,
    ):
        if reached is None:
            # Without a hole after the last common event, what was found is all that there was.
            reached = Reached(last=last, reaches_back=row is None)
        elif last != reached.last:
            log.error("stream_lost_its_end", service=store.service, last=last)
            reached = msgspec.structs.replace(reached, reaches_back=False)
        return _Piece(services, handler, epoch, after, reached).read(messages)


class _Piece:
    """What a piece of the search has found, on its way into the table of lost events."""

    def __init__(
        self, services: Any, handler: Handler, epoch: str, after: int, reached: Reached
    ) -> None:
        self._services = services
        self._handler = handler
        self._epoch = epoch
        self._after = after
        self._found: list[LostEvent] = []
        self._compared: list[Streamed] = []
        self.reached = reached

    def read(self, messages: Iterator[Streamed]) -> bool:
        """Read on to the end, or for as long as a piece may take; return whether it is the end."""
        ends = time.monotonic() + PIECE_S
        for message in messages:
            self._compared.append(message)
            if len(self._compared) >= COMPARED:
                self._compare()
                if len(self._found) >= HELD:
                    self._keep()
                if time.monotonic() > ends:
                    self._keep()
                    log.info("log_search_goes_on", **self._names())
                    return False
        self._compare()
        self._finish()
        return True

    def _compare(self) -> None:
        """Find which of the messages the log does not have, as it is now that they are read."""
        if not self._compared:
            return
        with self._services.store.transaction() as cursor:
            history = read_history(cursor)
        before = [one for one in self._compared if _may_be_lost(history, self._epoch, one.event)]
        absent = [
            one.event
            for one in before
            if one.event is not None and not history.has(one.event.epoch, one.event.position)
        ]
        found = [event for event in absent if event.position <= self._after + MOST_LOST]
        if len(found) < len(absent):
            named = len(absent) - len(found)
            log.error("positions_of_no_log", service=self._services.store.service, messages=named)
        self._found += found
        first = self.reached.first
        self.reached = msgspec.structs.replace(
            self.reached,
            first=self._compared[0].offset if first is None else first,
            next=self._compared[-1].offset + 1,
            reaches_back=self.reached.reaches_back
            or any(one.predecessor <= self._after for one in before),
        )
        self._compared.clear()

    def _keep(self) -> None:
        if self._found:
            self._handler.protect(self._services, self._found, whole=True)
        with self._services.store.transaction() as cursor:
            keep_found(cursor, self._epoch, self._found)
            note_reached(cursor, self._epoch, self.reached)
        self._found.clear()

    def _finish(self) -> None:
        store, whole = self._services.store, self.reached.reaches_back
        with store.transaction() as cursor:
            earlier = count_found(cursor, self._epoch)
        if self._found or not whole or not earlier:
            self._handler.protect(self._services, self._found, whole=whole)
        with store.transaction() as cursor:
            keep_found(cursor, self._epoch, self._found)
            note_reached(cursor, self._epoch, self.reached)
            lost = finish_search(cursor, self._epoch, whole=whole)
        log.error("log_searched", **self._names(), lost=lost, whole=whole)

    def _names(self) -> dict[str, Any]:
        return {
            "service": self._services.store.service,
            "epoch": self._epoch,
            "next": self.reached.next,
            "last": self.reached.last,
        }


def _after(history: LogHistory, epoch: str) -> int:
    [after] = [one.after for one in history.epochs if one.name == epoch]
    return after


def _beginning(url: str, service: str, recorded_at: datetime, after: int) -> datetime | str:
    """Return from where a stream is read that begins no later than what was lost.

    That is an instant if what the stream has from then on begins with what the log has, too. The
    stream goes by the broker's clock: where that is behind the database's, it does not.
    """
    since = recorded_at - EARLIER
    with streamed(url, service, since) as (messages, _):
        first = next(messages, None)
    return since if first is not None and first.predecessor <= after else "first"


def _may_be_lost(history: LogHistory, epoch: str, event: LostEvent | None) -> bool:
    """Return whether an event may have been lost before an epoch, by its own epoch.

    An epoch of this log that had ended by then may have lost its end, and one of another line all
    of it. The epoch itself and those that follow it go on from what was left.
    """
    names = [one.name for one in history.epochs]
    return event is None or event.epoch not in names[names.index(epoch) :]


@contextmanager
def streamed(
    url: str, service: str, since: Any, last: int | None = None
) -> Iterator[tuple[Iterator[Streamed], int | None]]:
    """Yield the messages of a service's stream from an instant, an offset or "first" on.

    They go up to ``last``; without it, up to the one that is the last now. That is yielded, too;
    None: the stream has no messages.
    """
    with connect(url, name=f"{service} recovery") as broker:
        end = _end(broker, f"{service}.stream")
        if end is not None and last is not None:
            end = min(end, last)
        yield _messages(broker, service, since, end), end


def _messages(broker: Any, service: str, since: Any, end: int | None) -> Iterator[Streamed]:
    if end is None or (isinstance(since, int) and since > end):
        return
    with broker.channel() as channel:
        received: list[Any] = []
        _consume(channel, f"{service}.stream", since, received.append)
        reached, heard_at = -1, time.monotonic()
        while reached < end:
            if time.monotonic() - heard_at > LAST_S:
                if reached < 0:
                    return  # nothing is as young as that
                raise TimeoutError("the stream gives no more messages")
            _drain(broker)
            for message in received:
                reached, heard_at = offset_of(message), time.monotonic()
                channel.basic_ack(message.delivery_info["delivery_tag"])
                if reached <= end and message.properties.get("user_id") == service:
                    yield _read(message)
                    heard_at = time.monotonic()
            received.clear()


def _end(broker: Any, stream: str) -> int | None:
    """Return the offset of the last message that a stream has now; None: it has none.

    What is published from now on comes from the log as it is. "last" is the last part of the
    stream, of one message or of thousands.
    """
    received: list[Any] = []
    ends = time.monotonic() + LAST_S
    try:
        with broker.channel() as channel:
            _consume(channel, stream, "last", received.append)
            while not received and time.monotonic() < ends:
                _drain(broker)
            last = None
            while received and time.monotonic() < ends:
                last = received[-1]
                received.clear()
                channel.basic_ack(last.delivery_info["delivery_tag"], multiple=True)
                # The channel reads on when it gets the acknowledgement, before it answers this.
                channel.queue_declare(stream, passive=True)
    except amqp.NotFound:
        return None
    return None if last is None else offset_of(last)


def _drain(broker: Any) -> None:
    try:
        broker.drain_events(timeout=0.2)
    except TimeoutError:
        broker.heartbeat_check()


def _consume(channel: Any, stream: str, since: Any, receive: Callable[[Any], None]) -> None:
    channel.basic_qos(0, PREFETCH, False)
    channel.basic_consume(stream, callback=receive, arguments={"x-stream-offset": since})


def _read(message: Any) -> Streamed:
    headers, body = message.properties["application_headers"], message.body
    try:
        read = read_message(headers, body.encode() if isinstance(body, str) else bytes(body))
    except MalformedMessageError:
        log.warning("message_of_stream_unreadable")
        return Streamed(offset_of(message), _MAX, None)
    event = LostEvent(
        epoch=read.epoch,
        position=read.position,
        version=read.version,
        type=read.type,
        subject=read.subject,
        occurred_at=read.time,
        correlation_id=read.correlation_id,
        data=read.data,
        predecessor=read.predecessor if 0 <= read.predecessor < read.position else None,
    )
    return Streamed(offset_of(message), read.predecessor, event)
