"""Publishing with confirms counted in windows.

py-amqp waits for one confirm at a time and ignores its delivery tag, so a late confirm of one
message can pass for that of the next. Here every tag is counted and many messages are in flight.
In any doubt the connection is dropped, and unconfirmed messages are sent again.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from amqp import RecoverableConnectionError

from shared.bus.frames import encoder
from shared.bus.messages import CONTENT_TYPE, REPEATED_HEADERS, Envelope

CONFIRM_TIMEOUT_S = 30.0
LOOK_S = 1.0
"""How often a wait for confirms looks at the time: any frame, and be it a heartbeat, begins the
time-out of a read anew."""
BLOCK = 2**16
"""Bytes of messages that are written at once, where very many follow each other."""


class PublishError(Exception):
    """The broker refused a message, could not route it, or did not confirm it in time."""


class Missing(NamedTuple):
    """How many messages some queue did not take: refused, or not confirmed in time."""

    refused: int
    unconfirmed: int


class ConfirmedPublisher:
    """Publishes in order on a channel of its own; not thread-safe.

    ``user`` is the broker's user of the connection, by which readers know the sender. A message
    that the broker refuses, or that no queue is bound for, is an error. With ``forgiving``, it is
    counted instead, for `confirm_within`.
    """

    def __init__(self, channel: Any, user: str, *, forgiving: bool = False) -> None:
        self._channel = channel
        self._encode = encoder(
            channel.channel_id,
            channel.connection.frame_max,
            user,
            CONTENT_TYPE,
            REPEATED_HEADERS,
            mandatory=not forgiving,
        )
        self._forgiving = forgiving
        self._refused = 0
        self._sent = 0
        self._unconfirmed: set[int] = set()
        self._lowest = 1
        self._refusal: str | None = None
        self._gathers = False
        self._gathered = bytearray()
        channel.events["basic_ack"].add(self._on_ack)
        channel.events["basic_nack"].add(self._on_nack)
        channel.events["basic_return"].add(self._on_return)
        channel.confirm_select()

    @property
    def unconfirmed(self) -> int:
        """The number of messages in flight."""
        return len(self._unconfirmed)

    def close(self) -> None:
        """Close the channel; what is not confirmed yet is not waited for."""
        self._channel.close()

    @contextmanager
    def gathering(self, gathers: bool) -> Iterator[None]:
        """Write messages together during a block, if so: those that are left, by `flush`.

        What a block that fails has not written is forgotten: its connection is dropped.
        """
        self._gathers = gathers
        try:
            yield
        finally:
            self._gathers = False
            self._gathered.clear()

    def publish(self, exchange: str, envelope: Envelope) -> int:
        """Send one message without waiting; return its delivery tag."""
        frames = self._encode(exchange, envelope.routing_key, envelope.headers, envelope.body)
        self._sent += 1
        self._unconfirmed.add(self._sent)
        if self._gathers:
            self._gathered += frames
            if len(self._gathered) >= BLOCK:
                self.flush()
        else:
            self._write(frames)
        return self._sent

    def flush(self) -> None:
        """Write what is gathered."""
        if self._gathered:
            self._write(self._gathered)
            self._gathered.clear()

    def _write(self, frames: bytes | bytearray) -> None:
        connection = self._channel.connection
        if connection is None:
            raise RecoverableConnectionError("connection already closed")
        # basic_publish would poll for incoming frames before each message, a system call that costs
        # as much as the publish; we poll once per window.
        connection.transport.write(frames)
        connection.bytes_sent += 1  # no heartbeat is due meanwhile

    def wait_for(self, tag: int, timeout: float = CONFIRM_TIMEOUT_S) -> None:
        """Wait until this message and all before it are confirmed; raises PublishError.

        It gives up when nothing was confirmed for so many seconds.
        """
        self._refuse()
        confirmed, since = self._lowest, time.monotonic()
        while self._lowest <= tag:
            if self._lowest > confirmed:
                confirmed, since = self._lowest, time.monotonic()
            left = timeout - (time.monotonic() - since)
            if left <= 0:
                raise PublishError(f"no confirm within {timeout:.0f} s")
            self.process(min(left, LOOK_S))
            self._refuse()

    def _refuse(self) -> None:
        # Whoever waits for something else on the connection may have read it, with the confirm that
        # follows: what no queue takes is confirmed, too.
        if self._refusal:
            raise PublishError(self._refusal)

    def confirm_within(self, tag: int, timeout: float) -> Missing:
        """Wait for the fate of this message and all before it, at most so many seconds.

        Returns what was refused or is still open, and forgets it.
        """
        deadline = time.monotonic() + timeout
        while self._lowest <= tag and (left := deadline - time.monotonic()) > 0:
            self.process(min(left, LOOK_S))
        unanswered = {sent for sent in self._unconfirmed if sent <= tag}
        self._unconfirmed -= unanswered
        self._advance()
        refused, self._refused = self._refused, 0
        return Missing(refused, len(unanswered))

    def process(self, timeout: float) -> None:
        """Process frames of the broker (confirms, heartbeats, a close) for at most so long."""
        try:
            self._channel.connection.drain_events(timeout=timeout)
        except TimeoutError:
            return

    def _on_ack(self, tag: int, multiple: bool) -> None:
        if multiple:
            self._unconfirmed.difference_update(range(self._lowest, tag + 1))
        else:
            self._unconfirmed.discard(tag)
        self._advance()

    def _advance(self) -> None:
        while self._lowest <= self._sent and self._lowest not in self._unconfirmed:
            self._lowest += 1

    def _on_nack(self, tag: int, multiple: bool) -> None:
        if self._forgiving:
            before = len(self._unconfirmed)
            self._on_ack(tag, multiple)
            self._refused += before - len(self._unconfirmed)
            return
        self._refusal = f"the broker refused message {tag}{' and those before' * multiple}"

    def _on_return(self, *args: Any) -> None:
        # (exception, exchange, routing key, message)
        self._refusal = f"the broker could not route a message: nothing is bound to {args[1]}"
