"""Reactions: messages of one upstream take effect in one service's tables, each exactly once.

The point of the last message (its epoch and position) is written in the transaction of its effect.
A message at or below it is a duplicate and is skipped; one whose predecessor lies above it reveals
a gap. A message that has failed for good is parked with the reason, and later ones of the same
subject behind it.

Independent of RabbitMQ: :mod:`shared.bus.listen` reads the queue, and :mod:`shared.bus.reader`
decides what becomes of a message that does not take effect.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from shared import context, telemetry, tracing
from shared.bus import attempts, parked, quarantine, reading
from shared.bus.epochs import LogHistory
from shared.bus.failures import failure_of
from shared.bus.leadership import Lead
from shared.bus.messages import (
    SUBJECT_HEADER,
    TIME_HEADER,
    TYPE_HEADER,
    Message,
    Reaction,
    Services,
    UnknownVersionError,
    epoch_of,
    position_of,
    read_message,
)
from shared.bus.proof import Proof
from shared.bus.reading import DisputedError, Known, ReadPoint
from shared.bus.remembering import Mark, Memory, mark_of
from shared.bus.setting_back import Moved, set_back_before, set_back_into_log
from shared.bus.waiting import PATIENCE, NotYet
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

    def age(self, now: datetime) -> float:
        """Return the seconds since its event was recorded; 0 for a malformed message."""
        try:
            recorded_at = datetime.fromisoformat(str(self.headers.get(TIME_HEADER)))
            return max(0.0, (now - recorded_at).total_seconds())
        except (TypeError, ValueError):
            return 0.0

    @property
    def type(self) -> str:
        """The type that its headers name."""
        return str(self.headers.get(TYPE_HEADER, ""))

    @property
    def subject(self) -> str:
        """The subject that its headers name."""
        return str(self.headers.get(SUBJECT_HEADER, ""))

    @property
    def place(self) -> tuple[str, int] | None:
        """The epoch and position that its headers name; None for a malformed message."""
        position = position_of(self.headers)
        return None if position is None else (epoch_of(self.headers), position)


class Reactions:
    """Applies deliveries of one upstream to one service's tables; independent of RabbitMQ.

    While a ``leader`` is set, points are written for its term alone.
    """

    leader: Lead | None = None

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
        labels = store.service, upstream
        self._events = telemetry.REACTION_EVENTS.labels(*labels)
        self._delay = telemetry.REACTION_DELAY.labels(*labels)
        self._parked = telemetry.REACTION_PARKED.labels(*labels)
        self._waiting = telemetry.REACTION_PUT_ASIDE.labels(*labels)
        self._quarantined = telemetry.REACTION_QUARANTINED.labels(*labels)
        self._set_back = telemetry.REACTION_SET_BACK.labels(*labels)
        self._memory = Memory()

    def position(self) -> int:
        """Return the position of the last upstream event that has taken effect here."""
        return self.point().position

    def point(self) -> ReadPoint:
        """Return how far the upstream's events have taken effect here."""
        with self._store.transaction() as cursor:
            return reading.read_point(cursor, self._upstream)

    def apply(
        self,
        deliveries: Sequence[Delivery],
        known: Known | None = None,
        *,
        again: bool = False,
    ) -> list[Delivery]:
        """Apply a batch in one transaction; return those that were handled, not parked behind.

        ``known`` is what the upstream has told of its log. ``again`` after a conflict: nobody else
        appends meanwhile, and aggregates are read from the log.

        Raises DoubtError, GapError, JumpError, DisputedError or GhostError for a message that
        cannot be the next one, and StoppedReaderError.
        """
        applied, handled = [], []
        marks: dict[int, Mark] = {}
        with self._store.session(self._cause("batch")) as session:
            before = point = self._locked_point(session)
            if again:
                self._store.recorder.lock(session.cursor)
                session.from_log = True
            for delivery in deliveries:
                message = read_message(
                    delivery.headers, delivery.body, with_data=delivery.type in self._types
                )
                of_log = delivery.tag is None
                mark = mark_of(delivery.headers)
                if reading.is_duplicate(message, point, known, session.now, of_log=of_log):
                    if not of_log and self._is_disputed(message, mark, marks):
                        raise DisputedError(message.id)
                    continue
                if not self._memory.has(message.position, mark):  # else it was gone back over
                    if self._take(session, delivery, message, point):
                        handled.append(delivery)
                    applied.append(delivery)
                marks[message.position] = mark
                point = point._replace(epoch=message.epoch, position=message.position)
            if point is not before:
                self._advance(session, point, marks)
        self._memory.add(marks, point)
        self._events.inc(len(applied))
        now = self._store.clock.now()
        for delivery in applied:
            self._delay.observe(delivery.age(now))
        return handled

    def park(self, delivery: Delivery, reason: str, error_id: str, tries: int) -> None:
        """Park what the upstream's log has next, and go past it, in one transaction."""
        if self._set_aside(delivery, reason=reason, error_id=error_id, attempts=tries):
            self._parked.inc()

    def put_aside(self, delivery: Delivery, error: NotYet) -> None:
        """Let what the upstream's log has next wait for what it needs, and go past it."""
        log.info("reaction_put_aside", upstream=self._upstream, type=delivery.type)
        if self._set_aside(
            delivery, reason=failure_of(error), error_id="", attempts=1, waits=PATIENCE
        ):
            self._waiting.inc()

    def quarantine(self, delivery: Delivery, reason: str) -> None:
        """Keep a message apart that is not to take effect; the point stays where it is."""
        with self._store.transaction() as cursor:
            is_new = quarantine.put(
                cursor, self._upstream, delivery.headers, delivery.body, reason=reason
            )
        place = delivery.place
        log.error(
            "message_quarantined",
            service=self._store.service,
            upstream=self._upstream,
            reason=reason,
            epoch=place[0] if place else "",
            position=place[1] if place else None,
        )
        if is_new:
            self._quarantined.inc()

    def look(self, history: LogHistory) -> str:
        """Compare the point with the upstream's log; return why nothing more is read, or "".

        A reader that does not fit is stopped, and one that fits again goes on. One that is beyond
        the end of the log in its current epoch goes back (`reading.safe_position`), and never
        goes on because the log grows: what it has jumped over would be missing for good.
        """
        with self._store.transaction() as cursor:
            moved = set_back_into_log(cursor, self._upstream, self._memory, history)
            if moved is not None:
                self._check_lead(cursor)
        if moved is not None:
            self._note_set_back(moved)
            return ""
        with self._store.transaction() as cursor:
            point = reading.read_point(cursor, self._upstream, lock=True)
            reason = reading.unfit(self._upstream, history, point)
            if reason and reason != point.stopped:
                reading.stop(cursor, self._upstream, reason)
            elif not reason and point.stopped:
                reading.resume(cursor, self._upstream)
        found = {"service": self._store.service, "upstream": self._upstream}
        if reason and not point.stopped:
            log.error(
                "reader_stopped",
                **found,
                epoch=point.epoch,
                position=point.position,
                current_epoch=history.current.name,
                head=history.head,
            )
        elif not reason and point.stopped:
            log.warning("reader_goes_on", **found, epoch=point.epoch, position=point.position)
        return reason

    def go_back(self, position: int) -> None:
        """Set the point back before an event of the log that was jumped over.

        What was applied after it comes again, and is recognised (:mod:`shared.bus.remembering`).
        """
        with self._store.transaction() as cursor:
            moved = set_back_before(cursor, self._upstream, self._memory, position)
            self._check_lead(cursor)
        self._note_set_back(moved)

    def confirm(self, point: ReadPoint) -> None:
        """Note that the upstream's log bears out all that was applied up to a point."""
        with self._store.transaction() as cursor:
            if reading.read_point(cursor, self._upstream, lock=True) != point:
                return  # somebody else has moved it
            reading.prove(cursor, self._upstream, Proof(point.position, 0))
            self._check_lead(cursor)
        self._memory.begin_at(point)
        self._memory.verified()

    def go_back_to_proof(self, point: ReadPoint, epoch: str) -> None:
        """Set the point back to where its proof begins: the log does not bear it out.

        Some of what follows there comes again; what it appended is not appended twice.
        """
        if point.proof is None:
            return
        to = point.proof.after
        with self._store.transaction() as cursor:
            locked = reading.read_point(cursor, self._upstream, lock=True)
            if locked != point:
                return  # somebody else has moved it
            reading.rewind(cursor, self._upstream, epoch, to)
            self._check_lead(cursor)
        self._note_set_back(Moved(point.epoch, point.position, to))

    def concerns(self, delivery: Delivery) -> bool:
        """Return whether there is a reaction to the type of a message."""
        return delivery.type in self._types

    def begin_attempt(self, place: tuple[str, int]) -> int:
        """Note that an event is about to be handled alone; return how often that was begun."""
        return attempts.begin(self._store, self._upstream, place)

    def end_attempt(self) -> None:
        """Note that this process has outlived the attempt, whatever became of it."""
        attempts.end(self._store, self._upstream)

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
            try:
                handler(session, message, self._services)
            except SystemExit as error:
                # It would end this thread alone, and nobody would read on.
                raise RuntimeError("a reaction has asked for the end of its process") from error

    def _take(
        self, session: PostgresSession, delivery: Delivery, message: Message, point: ReadPoint
    ) -> bool:
        """Handle the next message, or put it behind an earlier one of its subject."""
        blocking = (
            parked.blocking(session.cursor, self._upstream, message.subject)
            if point.parked
            else None
        )
        if blocking is None:
            self.handle(session, message)
            return True
        # Order within a subject is kept: later messages wait behind the first.
        parked.put(
            session.cursor,
            self._upstream,
            delivery.headers,
            delivery.body,
            reason=parked.BEHIND,
            error_id="",
            attempts=0,
            waits=PATIENCE if blocking.waits else None,
        )
        return False

    def _set_aside(self, delivery: Delivery, **how: Any) -> bool:
        """Park a message and go past it; False if the point has passed it already."""
        place = delivery.place
        if place is None:
            raise ValueError("what names no position cannot be parked")
        mark = mark_of(delivery.headers)
        with self._store.session(self._cause("park")) as session:
            point = self._locked_point(session)
            if place[1] <= point.position:
                return False
            is_new = not self._memory.has(place[1], mark)
            if is_new:
                parked.put(session.cursor, self._upstream, delivery.headers, delivery.body, **how)
            point = point._replace(epoch=place[0], position=place[1])
            self._advance(session, point, {place[1]: mark})
        self._memory.add({place[1]: mark}, point)
        return is_new

    def _is_disputed(self, message: Message, mark: Mark, marks: Mapping[int, Mark]) -> bool:
        """Return whether a message at or below the point was jumped over, or is none of the log."""
        if message.position in marks:
            return marks[message.position] != mark
        return self._memory.disputes(message.position, mark)

    def _check_lead(self, cursor: Any) -> None:
        if self.leader is not None:
            self.leader.check_on(cursor)

    def _note_set_back(self, moved: Moved | None) -> None:
        if moved is not None:
            names = {"service": self._store.service, "upstream": self._upstream}
            log.error("reader_set_back", **names, **moved._asdict())
            self._set_back.inc()

    def _locked_point(self, session: PostgresSession) -> ReadPoint:
        point = reading.read_point(session.cursor, self._upstream, lock=True)
        if point.stopped:
            raise reading.StoppedReaderError(self._upstream)
        self._memory.begin_at(point)
        return point

    def _advance(
        self, session: PostgresSession, point: ReadPoint, marks: Mapping[int, Mark]
    ) -> None:
        proof = self._memory.proof_with(marks)
        with session.cursor.connection.cursor() as moving:
            with ExitStack() as together:
                session.flush_with_next(together)
                reading.advance(moving, self._upstream, point, proof, self.leader)
            if self.leader is not None:
                self.leader.check_written(moving)

    def _cause(self, message_id: str, correlation_id: str = "") -> Cause:
        service = self._store.service
        return Cause(
            command_id_of(service, message_id),
            f"service:{service}",
            correlation_id or str(new_id()),
        )


def command_id_of(service: str, message_id: str) -> UUID:
    """Return the command id of what a service appends because of a message."""
    return derived_id(NAMESPACE, service, "reaction", message_id)
