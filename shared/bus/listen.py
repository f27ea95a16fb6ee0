"""Listening: one service reads its queue of another one's events, in order.

One process at a time does it, behind a lock of the service; the others wait. It asks for the
history of the upstream's log before it reads anything, and reads what it has missed from the log.
Then a batch of the queue takes effect in one transaction (:mod:`shared.bus.reactions`) and is
acknowledged in bulk after the commit. :mod:`shared.bus.reader` deals with everything else.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from threading import Event as StopSignal
from typing import Any

from shared import telemetry
from shared.bus.leadership import Lead, LockConnection, lead
from shared.bus.liveness import end_transactions_of_others
from shared.bus.messages import Reaction, Services
from shared.bus.reactions import Delivery, Reactions
from shared.bus.reader import Reader, StoppedError
from shared.bus.reading import StoppedReaderError
from shared.bus.topology import connect, declare_listening, has_exchanges, reaction_queue
from shared.errors import Unavailable
from shared.eventstore.postgres import PostgresStore
from shared.logs import get_logger

log = get_logger(__name__)

BATCH = 200
"""Messages in one transaction. A service whose reactions call others sets ``BATCH = 1`` in its
``reactions.py``, so that it does not hold the append lock while it waits for a reply."""

RIDE_S = 0.25
"""How long messages without a reaction wait for one that has one, to be passed over with it: they
cost a transaction of their own otherwise. Well below the age at which a message raises doubt."""
IDLE_S = 60.0
LOOK_AGAIN_S = 5.0
CHECK_S = 1.0
UPSTREAM_POLL_S = 0.5
UNAVAILABLE_S = (0.2, 0.5, 1.0, 2.0)
FIRST_ANSWER_S = (0.5, 1.0, 2.0, 5.0)
"""How long the first questions to an upstream wait for their answers. Where all start at the same
time, it may not have declared yet the queue in which they would wait for it."""

Pause = Callable[[float], None]


class Listener:
    """Reads the queue of one (consumer, upstream) pair while this process leads it."""

    def __init__(
        self,
        services: Services,
        store: PostgresStore,
        upstream: str,
        handlers: Mapping[str, Reaction],
        stop: StopSignal,
        batch: int = BATCH,
        locks: LockConnection | None = None,
    ) -> None:
        self._batch = batch
        self._locks = locks
        self._services = services
        self._consumer = store.service
        self._upstream = upstream
        self._clock = store.clock
        self._reactions = Reactions(services, store, upstream, handlers)
        self._reader = Reader(services, self._reactions, self._consumer, upstream, stop, batch)
        self._stop = stop
        self._buffer: list[Delivery] = []
        self._began_at = 0.0
        """When the first message in the buffer came."""
        self._checked_at = 0.0
        self._strangers = telemetry.BUS_STRANGERS.labels(self._consumer, upstream)

    def lag_seconds(self) -> float:
        """Return the age of the oldest message that has not taken effect; 0: there is none."""
        buffered = self._buffer[:1]
        return buffered[0].age(self._clock.now()) if buffered else 0.0

    def run(self) -> None:
        """Listen once we lead, until stopped; raises when a node is lost, to be run again."""
        self._buffer.clear()
        self._reader.clear_state()
        lag = telemetry.REACTION_LAG.labels(self._consumer, self._upstream)
        lag.set_function(self.lag_seconds)
        task = f"from.{self._upstream}"
        lead(self._services.settings, self._consumer, task, self._stop, self._listen, self._locks)

    def process(self, batch: Sequence[Delivery], pause: Pause) -> None:
        """Apply, park or quarantine each message of a batch; raises StoppedError on stop."""
        self._reader.process(batch, pause)

    def _listen(self, lead: Lead) -> None:
        end_transactions_of_others(lead.connection, self._upstream)
        self._reader.led_by(lead)
        name = f"{self._consumer} from {self._upstream}"
        url = self._services.settings.amqp_url_of(self._consumer)
        with connect(url, name=name, reads_ahead=True) as broker:
            pause = partial(self._pause, broker, lead)
            if not self._wait_for_upstream(broker, pause):
                return
            declare_listening(broker, self._consumer, self._upstream)
            log.info(
                "listener_ready", service=self._consumer, upstream=self._upstream, term=lead.term
            )
            while not self._stop.is_set():
                try:
                    self._catch_up(pause, careful=self._batch)
                    self._consume(broker, lead, pause)
                except StoppedReaderError:
                    # Found while reading: the next look records why, and waits.
                    log.info("reader_does_not_fit", upstream=self._upstream)
                    pause(UPSTREAM_POLL_S)

    def _catch_up(self, pause: Pause, *, careful: int = 0) -> None:
        """Read the log once it has our point, from there to its head.

        ``careful`` at the start: the processes before may have jumped over events, or been ended by
        one of the next.

        Events published before our queue existed may be followed by no message that would reveal
        the gap.
        """
        attempts = 0
        while True:
            if self._stop.is_set():
                raise StoppedError
            try:
                stopped = self._reader.look(FIRST_ANSWER_S[min(attempts, len(FIRST_ANSWER_S) - 1)])
                if careful and not stopped:
                    self._reader.verify(pause)
            except Unavailable as error:
                log.info("history_unavailable", upstream=self._upstream, code=error.code)
            else:
                if stopped:
                    pause(LOOK_AGAIN_S)
                    continue
                if self._reader.read_log(pause, careful=careful):
                    return
            pause(UNAVAILABLE_S[min(attempts, len(UNAVAILABLE_S) - 1)])
            attempts += 1

    def _consume(self, broker: Any, lead: Lead, pause: Pause) -> None:
        """Read the queue; returns on stop."""
        queue = reaction_queue(self._consumer, self._upstream).name
        with broker.channel() as channel:
            while channel.queue_declare(queue, passive=True).consumer_count:
                # A process that was stopped, not ended, still has the queue. The broker notices
                # that late; until then the log says the same.
                self._catch_up(pause)
                pause(CHECK_S)
                if self._stop.is_set():
                    return
            channel.basic_qos(0, 2 * self._batch, False)
            self._buffer.clear()
            channel.basic_consume(queue, callback=self._on_message)
            idle_since = time.monotonic()
            while not self._stop.is_set():
                self._fill_buffer(broker, wait=0.5)
                self._check(lead)
                batch = self._buffer[: self._batch]
                if self._may_wait(batch):
                    continue
                if batch:
                    self.process(batch, pause)
                    del self._buffer[: len(batch)]
                    channel.basic_ack(batch[-1].tag, multiple=True)
                    idle_since = time.monotonic()
                elif time.monotonic() - idle_since >= IDLE_S:
                    looked = self._look_when_idle(pause)
                    idle_since = time.monotonic() - (0.0 if looked else IDLE_S - LOOK_AGAIN_S)

    def _look_when_idle(self, pause: Pause) -> bool:
        """Look whether what came last was lost, here or in the upstream's log.

        Returns False when the upstream is unavailable. Raises StoppedReaderError.
        """
        try:
            stopped = self._reader.look()
        except Unavailable:
            return False
        if stopped:
            raise StoppedReaderError(stopped)
        return self._reader.read_log(pause)

    def _check(self, lead: Lead) -> None:
        """Raise, now and then, if we do not lead any more."""
        if time.monotonic() - self._checked_at >= CHECK_S:
            lead.check()
            self._checked_at = time.monotonic()

    def _wait_for_upstream(self, broker: Any, pause: Pause) -> bool:
        """Wait until the upstream's relay has declared its exchanges; False on stop."""
        while not has_exchanges(broker, self._upstream):
            log.info("waits_for_upstream", service=self._consumer, upstream=self._upstream)
            pause(UPSTREAM_POLL_S)
            if self._stop.is_set():
                return False
        return True

    def _on_message(self, message: Any) -> None:
        sender = message.properties.get("user_id")
        if sender != self._upstream:
            # Nobody else speaks for the upstream. Had this been an event of its log, the gap is
            # noticed and fetched from there.
            self._strangers.inc()
            log.warning(
                "message_of_a_stranger",
                service=self._consumer,
                upstream=self._upstream,
                sender=sender or "",
            )
            message.channel.basic_ack(message.delivery_info["delivery_tag"])
            return
        headers = message.properties.get("application_headers") or {}
        body = message.body
        if not self._buffer:
            self._began_at = time.monotonic()
        self._buffer.append(
            Delivery(
                headers, body.encode() if isinstance(body, str) else bytes(body),
                message.delivery_info["delivery_tag"],
            )
        )  # fmt: skip

    def _may_wait(self, batch: Sequence[Delivery]) -> bool:
        """Return whether a batch may wait for what comes next: nothing in it has a reaction."""
        if not batch or len(batch) >= self._batch or self._ride_left() <= 0:
            return False
        return not any(self._reactions.concerns(delivery) for delivery in batch)

    def _ride_left(self) -> float:
        return self._began_at + RIDE_S - time.monotonic()

    def _fill_buffer(self, broker: Any, wait: float) -> None:
        """Wait for a first message, then take all available ones, up to a batch.

        What is in the buffer waits for another one until its time is over.
        """
        timeout = min(wait, max(self._ride_left(), 0.001)) if self._buffer else wait
        while len(self._buffer) < self._batch:
            try:
                broker.drain_events(timeout=timeout)
            except TimeoutError:
                break
            timeout = 0.001
        broker.heartbeat_check()

    def _pause(self, broker: Any, lead: Lead, seconds: float) -> None:
        """Wait on the broker's socket, which keeps the heartbeats going; not at all for 0."""
        ends = time.monotonic() + seconds
        while True:
            left = ends - time.monotonic()
            with suppress(TimeoutError):
                broker.drain_events(timeout=min(max(left, 0.001), 0.5))
            broker.heartbeat_check()
            self._check(lead)
            if left <= 0 or self._stop.is_set():
                return
