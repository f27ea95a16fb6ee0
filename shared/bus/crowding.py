"""Whether Saldo's own readers are behind: the relay says so to whoever appends very much.

A bulk append is paced by what the relay has published (:mod:`shared.eventstore.pacing`), and by the
readers' queues, which only the relay sees: while one of them is long, it holds the lock `crowded`
of its log, which ends with its connection. A reader that does not get on, or that nobody runs,
keeps nobody waiting.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Any

import amqp

from shared.bus.broker_connection import BrokerConnection
from shared.bus.permissions import readers_of
from shared.bus.topology import reaction_queue
from shared.bus.waking import POLL_S
from shared.eventstore.recorder import PostgresRecorder

CROWDED = 500
"""Messages that wait in a queue for its reader from which on it is behind."""
MANY = 500
"""The queues are looked at once so many messages were published."""
LOOK_EVERY_S = 0.1
ABSENT_S = 60.0
"""How long a queue that is not there is not looked for again."""
STUCK_S = 10.0
"""A reader that has taken nothing for so long is not at work."""

_TAKE = "SELECT pg_try_advisory_lock(hashtextextended(%s, 0)) AS done"
_RELEASE = "SELECT pg_advisory_unlock(hashtextextended(%s, 0)) AS done"


class Crowding:
    """Looks at the readers' queues for a relay, on its connections."""

    def __init__(
        self,
        connection: Any,
        broker: BrokerConnection,
        recorder: PostgresRecorder,
        books: Collection[str] = (),
    ) -> None:
        service = recorder.service
        self._connection = connection
        self._broker = broker
        self._lock = recorder.crowded
        self._channel: Any = None
        readers = readers_of(service, books)
        self._queues = [_Queue(reaction_queue(name, service).name) for name in readers]
        self._sent = self._published = 0
        self._looked = 0
        self._looked_at = 0.0
        self.is_crowded = False

    def sends(self, count: int) -> None:
        """Note that so many messages are about to be sent."""
        self._sent += count

    def published(self, count: int) -> None:
        """Note that so many of them were published."""
        self._published += count

    def look(self) -> float:
        """Look at the queues if there may be many messages; return how soon to look again, at the
        latest, in seconds."""
        if not self.is_crowded and self._published - self._looked < MANY:
            return POLL_S
        now = time.monotonic()
        if now - self._looked_at >= LOOK_EVERY_S:
            self._looked, self._looked_at = self._published, now
            longest = max((self._ahead_of_reader(queue, now) for queue in self._queues), default=0)
            if (longest > CROWDED) != self.is_crowded:
                self._change()
        return LOOK_EVERY_S

    def _change(self) -> None:
        statement = _RELEASE if self.is_crowded else _TAKE
        row = self._connection.execute(statement, (self._lock,)).fetchone()
        if row and row["done"]:
            self.is_crowded = not self.is_crowded

    def _ahead_of_reader(self, queue: _Queue, now: float) -> int:
        """Return how many messages wait for a reader that is at work; 0 for any other."""
        if now < queue.absent_until:
            return 0
        if self._channel is None or not self._channel.is_open:
            self._channel = self._broker.channel()
        try:
            found = self._channel.queue_declare(queue.name, passive=True)
        except amqp.NotFound:
            queue.absent_until = now + ABSENT_S
            return 0
        is_at_work = queue.note(found.message_count, self._sent, self._published, now)
        return found.message_count if found.consumer_count and is_at_work else 0


class _Queue:
    """A reader's queue, and when messages were last seen to be taken from it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.absent_until = 0.0
        self._most_taken: int | None = None
        """Of all messages that were sent, no more had been taken when `_taken_at` was."""
        self._taken_at = 0.0

    def note(self, length: int, sent: int, published: int, now: float) -> bool:
        """Note how long it is once so many were sent and published; return whether its reader gets
        on.

        What is in flight may be in the queue, or not yet: only what must have been taken counts.
        """
        if self._most_taken is None or published - length > self._most_taken:
            self._most_taken, self._taken_at = sent - length, now
        self._most_taken = min(self._most_taken, sent - length)
        return now - self._taken_at < STUCK_S
