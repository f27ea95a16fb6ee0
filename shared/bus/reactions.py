"""Reactions: messages of one upstream take effect in one service's tables, each exactly once.

The position of the last message is written in the transaction of its effect. A message at or below
it is a duplicate and is skipped; one whose predecessor lies above it reveals a gap. A message that
has failed for good is parked with the reason, and later ones of the same subject behind it.

Independent of RabbitMQ: :mod:`shared.bus.listen` reads the queue.
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from shared import context, telemetry, tracing
from shared.bus import parked
from shared.bus.messages import (
    Message,
    Reaction,
    Services,
    UnknownVersionError,
    position_of,
    read_message,
)
from shared.eventstore.postgres import PostgresStore
from shared.eventstore.postgres_session import PostgresSession
from shared.eventstore.recorder import Cause
from shared.ids import NAMESPACE, derived_id, new_id
from shared.logs import get_logger

log = get_logger(__name__)


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
            tracing.reaction(self._store.service, message, cause.command_id),
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
