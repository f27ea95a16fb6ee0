"""The end of a service's stream: what the bus has of its log."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any, NamedTuple

import amqp
from kombu import Connection

from shared.bus.messages import TIME_HEADER, epoch_of, position_of
from shared.logs import get_logger

log = get_logger(__name__)

FIRST_MESSAGE_S = 3.0
"""How long the first message of a stream may take; one without messages takes this long."""
_PREFETCH = 500


class Sent(NamedTuple):
    """A message of the stream: which event of the log it is, and when that was recorded."""

    epoch: str
    position: int
    time: datetime

    @property
    def order(self) -> tuple[int, int]:
        """Its place in the log: a relay that was fenced off may have sent older ones after it."""
        return int(self.epoch.partition(".")[0]), self.position


def last_sent(broker: Connection, service: str) -> Sent | None:
    """Return the last event of a service's stream; None where there is no stream, or an empty one.

    So it is for a stream that we may not read: there is nothing to compare with.
    """
    try:
        with broker.channel() as channel:
            return _last_of(channel, service)
    except amqp.NotFound:
        return None
    except amqp.AccessRefused:
        log.warning("stream_not_readable", service=service)
        return None


def _last_of(channel: Any, service: str) -> Sent | None:
    # "last" is the last chunk, of one message or of thousands.
    got: list[Any] = []
    queue = f"{service}.stream"
    channel.queue_declare(queue, passive=True)
    channel.basic_qos(0, _PREFETCH, False)
    channel.basic_consume(queue, callback=got.append, arguments={"x-stream-offset": "last"})
    until = time.monotonic() + FIRST_MESSAGE_S
    while not got and (left := until - time.monotonic()) > 0:
        try:
            channel.connection.drain_events(timeout=left)
        except TimeoutError:
            break
    last, seen = None, 0
    while len(got) > seen:
        for message in got[seen:]:
            sent = _sent(message, service)
            if sent is not None and (last is None or sent.order >= last.order):
                last = sent
        tag, seen = got[-1].delivery_info["delivery_tag"], len(got)
        channel.basic_ack(tag, multiple=True)
        # The channel reads on when it gets the acknowledgement, before it answers this.
        channel.queue_declare(queue, passive=True)
    return last


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
