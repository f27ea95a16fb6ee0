"""Listening: ordered reactions of one service to the events of another.

Exactly once in effect, because the position of the last message is written in the transaction of
its effect. A message at or below it is a duplicate and is skipped. A message whose predecessor lies
above it reveals a gap, and the missing ones are fetched from the upstream log first. Messages are
acknowledged in bulk, after the commit.

A failing handler is retried with back-off. When it has failed for good, its message is parked with
the reason, later messages of the same subject are parked behind it, and all others proceed.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Event as StopSignal
from typing import Any

import psycopg

from shared import context, telemetry
from shared.bus import parked
from shared.bus.messages import (
    MalformedMessageError,
    Message,
    Reaction,
    Services,
    UnknownVersionError,
    position_of,
    read_message,
)
from shared.bus.topology import connect, declare_listening, reaction_queue
from shared.errors import Unavailable
from shared.eventstore.postgres import PostgresSession, PostgresStore
from shared.eventstore.recorder import Cause
from shared.ids import NAMESPACE, derived_id, new_id
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


@dataclass(frozen=True)
class Delivery:
    """A message as received: from the queue with a tag, or from the upstream log without."""

    headers: Mapping[str, Any]
    body: bytes
    tag: int | None = None

    def age(self) -> float:
        """Return the seconds since its event was recorded; 0 for a malformed message."""
        try:
            recorded_at = datetime.fromisoformat(str(self.headers.get("cloudEvents_time")))
            return max(0.0, (datetime.now(UTC) - recorded_at).total_seconds())
        except (TypeError, ValueError):
            return 0.0


class GapError(Exception):
    """The upstream has published events that have not arrived here."""


class Reactions:
    """Applies deliveries of one upstream to one service's tables; independent of RabbitMQ."""

    def __init__(
        self,
        services: Services,
        store: PostgresStore,
        upstream: str,
        handlers: Mapping[str, Reaction],
    ) -> None:
        self._services = services
        self._store = store
        self._upstream = upstream
        self._handlers = handlers
        self._types = {key.partition(".")[0] for key in handlers}
        self._events = telemetry.REACTION_EVENTS.labels(store.service, upstream)
        self._delay = telemetry.REACTION_DELAY.labels(store.service, upstream)
        self._parked = telemetry.REACTION_PARKED.labels(store.service, upstream)

    def position(self) -> int:
        """Return the position of the last upstream event that has taken effect here."""
        with self._store.session() as session:
            return self._position(session, lock=False)

    def apply(self, deliveries: Sequence[Delivery]) -> None:
        """Apply a batch in one transaction.

        Raises GapError when a message before one of them is missing.
        """
        applied = []
        with self._store.session(self._cause("batch")) as session:
            before = position = self._position(session, lock=True)
            for delivery in deliveries:
                reached = self._apply_one(session, delivery, position)
                if reached > position:
                    applied.append(delivery)
                position = reached
            if position > before:
                self._advance(session, position)
        self._events.inc(len(applied))
        for delivery in applied:
            self._delay.observe(delivery.age())

    def park(self, delivery: Delivery, error: BaseException, attempts: int) -> None:
        """Park a message and advance past it, in one transaction."""
        error_id = str(new_id())
        log.error(
            "message_parked",
            upstream=self._upstream,
            error_id=error_id,
            error=type(error).__name__,
            attempts=attempts,
            trace="".join(traceback.format_tb(error.__traceback__))[-4000:],
        )
        with self._store.session(self._cause("park")) as session:
            position = self._position(session, lock=True)
            parked.put(
                session.cursor,
                self._upstream,
                delivery.headers,
                delivery.body,
                reason=type(error).__name__,
                error_id=error_id,
                attempts=attempts,
            )
            reached = position_of(delivery.headers)
            if reached is not None and reached > position:
                self._advance(session, reached)
        self._parked.inc()

    def handle(self, session: PostgresSession, message: Message) -> None:
        """Run the service's reaction to one message in a session.

        A type without a reaction is none of its business. Raises UnknownVersionError for one that
        has a reaction to other versions only.
        """
        handler = self._handlers.get(message.key)
        if handler is None:
            if message.type in self._types:
                raise UnknownVersionError(f"{message.key} is newer than this program")
            return
        cause = self._cause(message.id, message.correlation_id)
        with (
            context.bind(
                actor=cause.actor,
                correlation_id=cause.correlation_id,
                command_id=cause.command_id,
            ),
            session.caused_by(cause),
        ):
            handler(session, message, self._services)

    def _apply_one(self, session: PostgresSession, delivery: Delivery, position: int) -> int:
        reached = position_of(delivery.headers)
        if reached is not None and reached <= position:
            return position
        message = read_message(delivery.headers, delivery.body)
        if message.predecessor > position:
            raise GapError(
                f"{self._upstream}: position {message.position} arrived after {position}"
            )
        if parked.blocks(session.cursor, self._upstream, message.subject):
            # Order within a subject is kept: later messages are parked behind the first.
            parked.put(
                session.cursor,
                self._upstream,
                delivery.headers,
                delivery.body,
                reason="BehindParked",
                error_id="",
                attempts=0,
            )
        else:
            self.handle(session, message)
        return message.position

    def _position(self, session: PostgresSession, *, lock: bool) -> int:
        row = session.cursor.execute(
            "SELECT position FROM positions WHERE upstream = %s" + (" FOR UPDATE" if lock else ""),
            (self._upstream,),
        ).fetchone()
        if row is not None:
            return int(row["position"])
        if lock:
            # The first message ever: a concurrent process waits for this row.
            session.cursor.execute(
                "INSERT INTO positions (upstream, position) VALUES (%s, 0) ON CONFLICT DO NOTHING",
                (self._upstream,),
            )
            return self._position_locked(session)
        return 0

    def _position_locked(self, session: PostgresSession) -> int:
        row = session.cursor.execute(
            "SELECT position FROM positions WHERE upstream = %s FOR UPDATE", (self._upstream,)
        ).fetchone()
        return int(row["position"])

    def _advance(self, session: PostgresSession, position: int) -> None:
        session.flush()
        session.cursor.execute(
            "UPDATE positions SET position = %s, updated_at = clock_timestamp() "
            "WHERE upstream = %s",
            (position, self._upstream),
        )

    def _cause(self, message_id: str, correlation_id: str = "") -> Cause:
        service = self._store.service
        return Cause(
            derived_id(NAMESPACE, service, "reaction", message_id),
            f"service:{service}",
            correlation_id or str(new_id()),
        )


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
        with connect(self._services.settings.amqp_url, name=name) as broker:
            channel = broker.channel()
            declare_listening(channel, self._consumer, self._upstream)
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
                if not self.fetch_missing() or attempts > 1:
                    pause(BACK_OFF_S[min(attempts, len(BACK_OFF_S)) - 1])
            except MalformedMessageError as error:
                self._reactions.park(delivery, error, attempts)
                return
            except TRANSIENT as error:
                # A node or a service is unavailable: that is no fault of the message.
                log.warning("reaction_waits", upstream=self._upstream, error=type(error).__name__)
                self._retries.inc()
                pause(BACK_OFF_S[min(attempts, len(BACK_OFF_S)) - 1])
            except Exception as error:  # noqa: BLE001 - parked with its trace
                failures += 1
                if failures >= MAX_ATTEMPTS:
                    self._reactions.park(delivery, error, failures)
                    return
                self._retries.inc()
                pause(BACK_OFF_S[min(failures, len(BACK_OFF_S)) - 1])
            else:
                return
        raise StoppedError

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

    def _on_message(self, message: Any) -> None:
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
