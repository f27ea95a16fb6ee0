"""Listening: one service reads its queue of another one's events, in order.

A batch takes effect in one transaction (:mod:`shared.bus.reactions`) and is acknowledged in bulk
after the commit. Messages that are missing are fetched from the upstream log first. A failing
handler is retried with back-off; when it has failed for good, its message is parked.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from threading import Event as StopSignal
from typing import Any

import psycopg

from shared import telemetry
from shared.bus.messages import MalformedMessageError, Reaction, Services
from shared.bus.reactions import Delivery, GapError, Reactions
from shared.bus.topology import connect, declare_listening, has_exchanges, reaction_queue
from shared.errors import Unavailable
from shared.eventstore.postgres import PostgresStore
from shared.logs import get_logger

log = get_logger(__name__)

BATCH = 200
"""Messages in one transaction. A service whose reactions call others sets ``BATCH = 1`` in its
``reactions.py``, so that it does not hold the append lock while it waits for a reply."""

MAX_ATTEMPTS = 5
BACK_OFF_S = (0.1, 0.5, 2.0, 5.0)
TRANSIENT = (psycopg.OperationalError, Unavailable)
CATCH_UP_S = 60.0
FETCH = 500
UPSTREAM_POLL_S = 0.5


class Listener:
    """Reads the queue of one (consumer, upstream) pair, and fills gaps from the upstream log."""

    def __init__(
        self,
        services: Services,
        store: PostgresStore,
        upstream: str,
        handlers: Mapping[str, Reaction],
        stop: StopSignal,
        batch: int = BATCH,
    ) -> None:
        self._batch = batch
        self._services = services
        self._consumer = store.service
        self._upstream = upstream
        self._reactions = Reactions(services, store, upstream, handlers)
        self._stop = stop
        self._buffer: list[Delivery] = []
        self._idle_since = 0.0
        self._retries = telemetry.REACTION_RETRIES.labels(self._consumer, upstream)
        self._gaps = telemetry.REACTION_GAPS.labels(self._consumer, upstream)
        self._gap_open = telemetry.REACTION_GAP_OPEN.labels(self._consumer, upstream)
        self._strangers = telemetry.BUS_STRANGERS.labels(self._consumer, upstream)

    def lag_seconds(self) -> float:
        """Return the age of the oldest message that has not taken effect; 0: there is none."""
        buffered = self._buffer[:1]
        return buffered[0].age() if buffered else 0.0

    def run(self) -> None:
        """Listen until stopped; raises when a node is lost, so that the caller restarts it."""
        self._buffer.clear()
        lag = telemetry.REACTION_LAG.labels(self._consumer, self._upstream)
        lag.set_function(self.lag_seconds)
        name = f"{self._consumer} from {self._upstream}"
        url = self._services.settings.amqp_url_of(self._consumer)
        with connect(url, name=name) as broker:
            if not self._wait_for_upstream(broker):
                return
            declare_listening(broker, self._consumer, self._upstream)
            channel = broker.channel()
            channel.basic_qos(0, 2 * self._batch, False)
            queue = reaction_queue(self._consumer, self._upstream).name
            channel.basic_consume(queue, callback=self._on_message)
            log.info("listener_ready", service=self._consumer, upstream=self._upstream)
            while not self._stop.is_set():
                self._fill_buffer(broker, wait=0.5)
                batch = self._buffer[: self._batch]
                if batch:
                    self.process(batch, lambda seconds: self._pause(broker, seconds))
                    del self._buffer[: len(batch)]
                    channel.basic_ack(batch[-1].tag, multiple=True)
                    self._idle_since = time.monotonic()
                else:
                    self._catch_up_when_idle()

    def process(self, batch: Sequence[Delivery], pause: Callable[[float], None]) -> None:
        """Apply or park each message of a batch; raises StoppedError on stop."""
        try:
            self._reactions.apply(batch)
        except Exception as error:  # noqa: BLE001 - each message is retried alone, and logged
            log.info("batch_split", upstream=self._upstream, error=type(error).__name__)
            for delivery in batch:
                self._process_one(delivery, pause)

    def _process_one(self, delivery: Delivery, pause: Callable[[float], None]) -> None:
        attempts = failures = 0
        while not self._stop.is_set():
            attempts += 1
            try:
                self._reactions.apply([delivery])
            except GapError:
                if attempts == 1:
                    self._gaps.inc()
                self._gap_open.set(1)
                if not self.fetch_missing() or attempts > 1:
                    pause(BACK_OFF_S[min(attempts, len(BACK_OFF_S)) - 1])
            except MalformedMessageError as error:
                self._park(delivery, error, attempts)
                return
            except TRANSIENT as error:
                # A node or a service is unavailable: that is no fault of the message.
                log.warning("reaction_waits", upstream=self._upstream, error=type(error).__name__)
                self._retries.inc()
                pause(BACK_OFF_S[min(attempts, len(BACK_OFF_S)) - 1])
            except Exception as error:  # noqa: BLE001 - parked with its trace
                failures += 1
                if failures >= MAX_ATTEMPTS:
                    self._park(delivery, error, failures)
                    return
                self._retries.inc()
                pause(BACK_OFF_S[min(failures, len(BACK_OFF_S)) - 1])
            else:
                self._gap_open.set(0)
                return
        raise StoppedError

    def _park(self, delivery: Delivery, error: Exception, attempts: int) -> None:
        self._reactions.park(delivery, error, attempts)
        self._gap_open.set(0)

    def fetch_missing(self) -> bool:
        """Fetch and process the upstream log after our position.

        Returns False when the upstream is unavailable.
        """
        after = self._reactions.position()
        while not self._stop.is_set():
            try:
                page = self._services.call(
                    self._upstream,
                    "events_after",
                    after=after,
                    predecessor=self._reactions.position(),
                    limit=FETCH,
                )
            except Unavailable:
                log.warning("upstream_log_unavailable", upstream=self._upstream)
                return False
            if page["next"] is None:
                return True
            deliveries = [
                Delivery(event["headers"], event["body"].encode()) for event in page["events"]
            ]
            log.info("gap_fetched", upstream=self._upstream, after=after, got=len(deliveries))
            for start in range(0, len(deliveries), self._batch):
                self.process(deliveries[start : start + self._batch], self._wait)
            after = page["next"]
        return True

    def _wait(self, seconds: float) -> None:
        self._stop.wait(seconds)

    def _catch_up_when_idle(self) -> None:
        # Events published before our queue existed, or while it was deleted, may be followed by no
        # message that would reveal the gap.
        if time.monotonic() - self._idle_since >= CATCH_UP_S:
            self._idle_since = (
                time.monotonic() if self.fetch_missing() else (time.monotonic() - CATCH_UP_S + 2.0)
            )

    def _wait_for_upstream(self, broker: Any) -> bool:
        """Wait until the upstream's relay has declared its exchanges; False on stop."""
        while not has_exchanges(broker, self._upstream):
            log.info("waits_for_upstream", service=self._consumer, upstream=self._upstream)
            if self._stop.wait(UPSTREAM_POLL_S):
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
        self._buffer.append(
            Delivery(
                headers, body.encode() if isinstance(body, str) else bytes(body),
                message.delivery_info["delivery_tag"],
            )
        )  # fmt: skip

    def _fill_buffer(self, broker: Any, wait: float) -> None:
        """Wait for a first message, then take all available ones, up to a batch."""
        timeout = wait if not self._buffer else 0.001
        while len(self._buffer) < self._batch:
            try:
                broker.drain_events(timeout=timeout)
            except TimeoutError:
                break
            timeout = 0.001
        broker.heartbeat_check()

    def _pause(self, broker: Any, seconds: float) -> None:
        # Waiting on the broker's socket keeps heartbeats going.
        ends = time.monotonic() + seconds
        while not self._stop.is_set() and (left := ends - time.monotonic()) > 0:
            try:
                broker.drain_events(timeout=min(left, 0.5))
            except TimeoutError:
                broker.heartbeat_check()


class StoppedError(Exception):
    """The process is stopping: unapplied messages are delivered again after the restart."""
