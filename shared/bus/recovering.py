"""Finding what a log has lost, and bringing back what an operator has asked for: a job.

Where a new epoch began, the broker's stream still has what was published before it. What of that
the log does not have is kept in ``lost_events``, before the stream forgets it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import amqp
import psycopg

from shared import context
from shared.bus.epochs import MOST_LOST, LogHistory, read_history
from shared.bus.messages import MalformedMessageError, read_message
from shared.bus.readable_losses import Handler
from shared.bus.stream import offset_of
from shared.bus.topology import connect
from shared.errors import ServiceError, Unavailable
from shared.eventstore.lost_events import (
    LostEvent,
    Recovery,
    epochs_to_search,
    finish_recoveries,
    keep_found,
    lost_events,
    note_failure,
    note_search_failure,
    recoveries,
)
from shared.eventstore.recording_times import RECORDED_BY
from shared.logs import get_logger, trace_of

log = get_logger(__name__)

EARLIER = timedelta(minutes=10)
"""How much before the last common event the stream is read: clocks differ."""
PREFETCH = 500
_MAX = 2**63
_LAST_COMMON = (
    f"SELECT {RECORDED_BY} AS recorded_at FROM events WHERE notification_id ="
    " (SELECT least(published, %s) FROM relay)"
)
LAST_S = 10.0
"""How long a broker may take to send a part of a stream; a stream without a last one is empty."""


def recover(services: Any, handler: Handler) -> int:
    """Look for what was lost, and bring back what was asked for (a job); return 0."""
    store = services.store
    try:
        with store.transaction() as cursor:
            read_history(cursor)
            wanted = epochs_to_search(cursor)
    except Unavailable:
        return 0  # the relay has not compared the log with the bus yet
    for epoch in wanted:
        try:
            _find(services, handler, epoch)
        except Exception as error:  # noqa: BLE001 - noted with the recovery; it is run again
            log.error(  # noqa: TRY400 - without the text, which may quote data
                "log_search_failed",
                service=store.service,
                epoch=epoch,
                error=type(error).__name__,
                trace=trace_of(error),
            )
            with store.transaction() as cursor:
                note_search_failure(cursor, epoch, type(error).__name__)
            return 0
    with store.transaction() as cursor:
        asked = [one for one in recoveries(cursor, left=True) if one.asked_at is not None]
    if asked:
        _bring_back(services, handler, asked)
    return 0


def _find(services: Any, handler: Handler, epoch: str) -> None:
    store = services.store
    with store.transaction() as cursor:
        after = _after(read_history(cursor), epoch)
        row = cursor.execute(_LAST_COMMON, (after,)).fetchone()
    # A time that is still to come was recorded by a clock that ran ahead: it says nothing.
    known = row is not None and row["recorded_at"] <= datetime.now(UTC)
    since = row["recorded_at"] - EARLIER if known else "first"
    with streamed(services.settings.amqp_url_of(store.service), store.service, since) as messages:
        read = list(messages)
    # The log went on meanwhile: what it has now is compared.
    with store.transaction() as cursor:
        history = read_history(cursor)
    before = [(place, event) for place, event in read if _may_be_lost(history, epoch, event)]
    # Without a hole after the last common event, it is all that there was.
    whole = row is None or any(place <= after for place, _ in before)
    absent = [
        event
        for _, event in before
        if event is not None and not history.has(event.epoch, event.position)
    ]
    found = [event for event in absent if event.position <= after + MOST_LOST]
    if len(found) < len(absent):
        messages_named = len(absent) - len(found)
        log.error("positions_of_no_log", service=store.service, messages=messages_named)
    handler.protect(services, found, whole=whole)
    with store.transaction() as cursor:
        lost = keep_found(cursor, epoch, found, whole=whole)
    log.error("log_searched", service=store.service, epoch=epoch, lost=lost, whole=whole)


def _after(history: LogHistory, epoch: str) -> int:
    [after] = [one.after for one in history.epochs if one.name == epoch]
    return after


def _may_be_lost(history: LogHistory, epoch: str, event: LostEvent | None) -> bool:
    """Return whether an event may have been lost before an epoch, by its own epoch.

    An epoch of this log that had ended by then may have lost its end, and one of another line all
    of it. The epoch itself and those that follow it go on from what was left.
    """
    names = [one.name for one in history.epochs]
    return event is None or event.epoch not in names[names.index(epoch) :]


@contextmanager
def streamed(
    url: str, service: str, since: Any
) -> Iterator[Iterator[tuple[int, LostEvent | None]]]:
    """Yield the messages that a service's stream has now, from an instant (or "first") on.

    Each is (predecessor, event); the event is None for a message that cannot be read.
    """
    with connect(url, name=f"{service} recovery") as broker:
        yield _messages(broker, service, since)


def _messages(broker: Any, service: str, since: Any) -> Iterator[tuple[int, LostEvent | None]]:
    stream = f"{service}.stream"
    end = _end(broker, stream)
    if end is None:
        return
    with broker.channel() as channel:
        received: list[Any] = []
        _consume(channel, stream, since, received.append)
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
            seen = 0
            while len(received) > seen and time.monotonic() < ends:
                seen = len(received)
                channel.basic_ack(received[-1].delivery_info["delivery_tag"], multiple=True)
                # The channel reads on when it gets the acknowledgement, before it answers this.
                channel.queue_declare(stream, passive=True)
    except amqp.NotFound:
        return None
    return offset_of(received[-1]) if received else None


def _drain(broker: Any) -> None:
    try:
        broker.drain_events(timeout=0.2)
    except TimeoutError:
        broker.heartbeat_check()


def _consume(channel: Any, stream: str, since: Any, receive: Callable[[Any], None]) -> None:
    channel.basic_qos(0, PREFETCH, False)
    channel.basic_consume(stream, callback=receive, arguments={"x-stream-offset": since})


def _read(message: Any) -> tuple[int, LostEvent | None]:
    headers, body = message.properties["application_headers"], message.body
    try:
        read = read_message(headers, body.encode() if isinstance(body, str) else bytes(body))
    except MalformedMessageError:
        log.warning("message_of_stream_unreadable")
        return _MAX, None
    return read.predecessor, LostEvent(
        epoch=read.epoch,
        position=read.position,
        version=read.version,
        type=read.type,
        subject=read.subject,
        occurred_at=read.time,
        correlation_id=read.correlation_id,
        data=read.data,
    )


def _bring_back(services: Any, handler: Handler, asked: Sequence[Recovery]) -> None:
    store, epochs = services.store, [one.epoch for one in asked]
    try:
        lost = store.query(lambda session: lost_events(session.cursor))
        with context.bind(actor=asked[-1].asked_by):
            judged = list(handler.bring_back(services, lost))
    except (ServiceError, psycopg.OperationalError) as error:
        failure = error.code if isinstance(error, ServiceError) else type(error).__name__
        log.warning("recovery_waits", service=store.service, error=failure)
        with store.transaction() as cursor:
            note_failure(cursor, epochs, failure, again=isinstance(error, Unavailable))
    except Exception as error:  # noqa: BLE001 - noted with the recovery, for who asks again
        log.error(  # noqa: TRY400 - without the text, which may quote data
            "recovery_failed",
            service=store.service,
            error=type(error).__name__,
            trace=trace_of(error),
        )
        with store.transaction() as cursor:
            note_failure(cursor, epochs, type(error).__name__, again=False)
    else:
        with store.transaction() as cursor:
            finish_recoveries(cursor, epochs, judged)
        log.warning(
            "log_recovered",
            service=store.service,
            epochs=epochs,
            events=len(judged),
            asked_by=asked[-1].asked_by,
        )
