"""The reader: what becomes of the messages of one upstream, whatever they are.

What arrives by the queue is believed as far as the upstream's log bears it out. A message that
cannot be read, reveals a gap, or fails is therefore looked up: the log is read, in order, from the
last event that took effect. Only what the log itself has is parked, or put aside, and the point
moves just over that. A message that the log does not have is a ghost, and is quarantined.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Event as StopSignal
from typing import TypeAlias

import psycopg

from shared import telemetry
from shared.bus import parked, quarantine
from shared.bus.epochs import LogHistory, from_wire
from shared.bus.failures import is_conflict, is_outage, noted
from shared.bus.holding import BACK_OFF_S, Holding
from shared.bus.leadership import Lead, LeadLostError
from shared.bus.messages import MalformedMessageError, Services, UnknownVersionError
from shared.bus.proof import is_borne_out
from shared.bus.reactions import Delivery, Reactions
from shared.bus.reading import (
    DisputedError,
    DoubtError,
    GapError,
    GhostError,
    Known,
    StoppedReaderError,
)
from shared.bus.remembering import mark_of
from shared.bus.waiting import NotYet
from shared.errors import Conflict, Unavailable
from shared.eventstore.events import UnknownTopicError
from shared.logs import get_logger

log = get_logger(__name__)

FETCH = 500
MOST_CONFLICTS = 10
"""Conflicts in a row, nobody else appending, after which one is taken for a failure."""
OUTAGE_S = 1.0
"""The longest pause before an outage is looked at again: a call of a service that is away waits by
itself, and who waits for one that is back is late."""
DEADLINE_S = 5.0
FRESH_S = 1.0
"""How long an answer about the upstream's history is taken for that of now. So a reader with a
backlog asks that often."""

Pause: TypeAlias = Callable[[float], None]


class StoppedError(Exception):
    """The process is stopping: unapplied messages are delivered again after the restart."""


class Reader:
    """Lets the messages of one upstream take effect, and deals with those that do not."""

    def __init__(
        self,
        services: Services,
        reactions: Reactions,
        consumer: str,
        upstream: str,
        stop: StopSignal,
        batch: int,
    ) -> None:
        self._services = services
        self._reactions = reactions
        self._upstream = upstream
        self._stop = stop
        self._batch = batch
        self._holding = Holding()
        self._history: tuple[float, LogHistory] | None = None
        self._begun: tuple[str, int] | None = None
        """The event that this process has counted an attempt of."""
        labels = consumer, upstream
        self._retries = telemetry.REACTION_RETRIES.labels(*labels)
        self._gaps = telemetry.REACTION_GAPS.labels(*labels)
        self._gap_open = telemetry.REACTION_GAP_OPEN.labels(*labels)
        self._held = telemetry.REACTION_HELD.labels(*labels)

    def led_by(self, lead: Lead) -> None:
        """Write in the name of this lead from now on."""
        self._reactions.leader = lead

    def clear_state(self) -> None:
        """Forget what was so when the lead was lost: somebody else may have it now."""
        self._history = None
        self._gap_open.set(0)
        self._held.set(0)

    def look(self, deadline: float = DEADLINE_S) -> str:
        """Ask the upstream whether its log has our point; return why not, or "".

        Raises Unavailable when it does not answer within the deadline, in seconds.
        """
        return self._reactions.look(self._ask(deadline))

    def verify(self, pause: Pause) -> None:
        """Go back where the upstream's log does not bear out what was applied by our point.

        What this process has applied it remembers; this is about the processes before. Raises
        Unavailable.
        """
        point = self._reactions.point()
        proof, history = point.proof, self._history
        if proof is None or history is None or proof.after >= point.position:
            return
        if is_borne_out(self._services, self._upstream, point.position, proof, mark_of, pause):
            self._reactions.confirm(point)
        else:
            self._reactions.go_back_to_proof(point, history[1].epoch_at(proof.after).name)

    def process(self, batch: Sequence[Delivery], pause: Pause) -> None:
        """Deal with each message of a batch; raises StoppedError on stop."""
        try:
            self._apply(batch)
        except (StoppedReaderError, LeadLostError):
            raise
        except Exception as error:  # noqa: BLE001 - each message is dealt with alone, and logged
            log.info("batch_split", upstream=self._upstream, error=type(error).__name__)
            for delivery in batch:
                self._process_one(delivery, pause)

    def read_log(self, pause: Pause, *, until: int | None = None, careful: int = 0) -> bool:
        """Process the upstream's log after our point, to its head or up to a position.

        The first ``careful`` events are handled alone, and their attempts counted: one of them may
        have ended the process before. Returns False when the upstream is unavailable. Raises
        StoppedReaderError when its log does not have our point.
        """
        point = self._reactions.point()
        after, epoch = point.position, point.epoch
        while until is None or self._reactions.position() < until:
            pause(0.0)  # a long history takes minutes: the broker must hear from us
            self._raise_on_stop()
            try:
                page = self._services.call(
                    self._upstream,
                    "events_after",
                    after=after,
                    predecessor=self._reactions.position(),
                    epoch=epoch,
                    limit=FETCH,
                )
            except Unavailable as error:
                log.warning("upstream_log_unavailable", upstream=self._upstream, code=error.code)
                return False
            except Conflict as error:
                if error.code != "position_not_in_log":
                    raise
                raise StoppedReaderError(self._upstream) from error
            if page["next"] is None:
                return True
            found = [Delivery(event["headers"], event["body"].encode()) for event in page["events"]]
            log.info("log_read", upstream=self._upstream, after=after, got=len(found))
            alone, found = found[:careful], found[careful:]
            careful -= len(alone)
            for delivery in alone:
                self._process_carefully(delivery, pause)
            for start in range(0, len(found), self._batch):
                self.process(found[start : start + self._batch], pause)
            after, epoch = page["next"], page["epoch"]
        return True

    def _apply(self, batch: Sequence[Delivery], *, again: bool = False) -> None:
        known = Known(self._history[1], fresh=self._is_fresh()) if self._history else None
        try:
            handled = self._reactions.apply(batch, known, again=again)
        except DoubtError:
            handled = self._reactions.apply(batch, self._known_afresh(), again=again)
        self._holding.handled(delivery.type for delivery in handled)
        self._held.set(0)

    def _known_afresh(self) -> Known:
        """Return the history of the upstream's log; raises StoppedReaderError if we do not fit."""
        if self._history is not None and self._is_fresh():
            return Known(self._history[1], fresh=True)
        history = self._ask()
        if self._reactions.look(history):
            raise StoppedReaderError(self._upstream)
        return Known(history, fresh=True)

    def _is_fresh(self) -> bool:
        return self._history is not None and time.monotonic() - self._history[0] < FRESH_S

    def _ask(self, deadline: float = DEADLINE_S) -> LogHistory:
        asked_at = time.monotonic()
        asked = self._services.call(self._upstream, "log_history", deadline=deadline)
        history = from_wire(asked)
        self._history = asked_at, history
        return history

    def _process_one(self, delivery: Delivery, pause: Pause) -> None:
        if delivery.tag is None:
            self._process_of_log(delivery, pause)
        else:
            self._process_of_queue(delivery, pause)
        self._gap_open.set(0)

    def _process_of_queue(self, delivery: Delivery, pause: Pause) -> None:
        """Deal with a message of the queue, which the log has to bear out unless all is well."""
        attempts = conflicts = 0
        while True:
            self._raise_on_stop()
            attempts += 1
            try:
                self._apply([delivery], again=conflicts > 0)
            except (StoppedReaderError, LeadLostError, UnknownTopicError):
                raise  # the last one: a newer version can read what this one cannot
            except GhostError as ghost:
                # The head that was told may be older than the message.
                if ghost.reason != quarantine.BEYOND_HEAD:
                    self._reactions.quarantine(delivery, ghost.reason)
                    return
                if self._looked_up(delivery, ghost, attempts, pause):
                    return
            except DisputedError:
                if self._is_settled(delivery, pause):
                    return
                pause(_back_off(attempts))
            except Exception as error:  # noqa: BLE001 - the event in the log decides
                if is_outage(error) or (is_conflict(error) and conflicts < MOST_CONFLICTS):
                    conflicts += is_conflict(error)
                    self._wait(error, attempts, pause)
                elif self._looked_up(delivery, error, attempts, pause):
                    return
            else:
                return

    def _is_settled(self, delivery: Delivery, pause: Pause) -> bool:
        """Let the log decide about a message that is none of those applied up to our point.

        If the log has it, something made us jump over it: we go back, and read the log. Otherwise
        it is a ghost. Returns False when the log cannot be read now.
        """
        place = delivery.place
        if place is None:
            self._reactions.quarantine(delivery, quarantine.DAMAGED)
            return True
        position = place[1]
        try:
            page = self._services.call(
                self._upstream,
                "events_after",
                after=position - 1,
                predecessor=position - 1,
                epoch="",
                limit=1,
            )
        except Unavailable as error:
            log.warning("upstream_log_unavailable", upstream=self._upstream, code=error.code)
            return False
        mark = mark_of(delivery.headers)
        if mark not in [mark_of(event["headers"]) for event in page["events"]]:
            self._reactions.quarantine(delivery, quarantine.NOT_IN_LOG)
            return True
        self._reactions.go_back(position)
        return self.read_log(pause)

    def _looked_up(self, delivery: Delivery, error: Exception, attempts: int, pause: Pause) -> bool:
        """Process the log instead of a message; return False when it cannot be read now."""
        if isinstance(error, GapError):
            if attempts == 1:
                self._gaps.inc()
            self._gap_open.set(1)
        damaged = isinstance(error, MalformedMessageError) and not isinstance(
            error, UnknownVersionError
        )
        place = None if damaged else delivery.place
        if not self.read_log(pause, until=place[1] if place else None):
            pause(_back_off(attempts))
            return False
        if place is None:
            self._reactions.quarantine(delivery, quarantine.DAMAGED)
        elif place[1] > self._reactions.position():
            self._reactions.quarantine(delivery, _reason_of(error))
        return True

    def _process_of_log(self, delivery: Delivery, pause: Pause) -> None:
        """Let what the log has next take effect, wait for what it needs, or be parked."""
        attempts = failures = conflicts = 0
        while True:
            self._raise_on_stop()
            attempts += 1
            try:
                self._apply([delivery], again=conflicts > 0)
            except (StoppedReaderError, LeadLostError, GapError, GhostError, DoubtError):
                raise  # our point has moved: reading begins anew from where it is
            except UnknownTopicError:
                raise  # a newer version can read what this one cannot
            except NotYet as error:
                self._reactions.put_aside(delivery, error)
                return
            except MalformedMessageError as error:
                self._park(delivery, error, attempts)
                return
            except Exception as error:  # noqa: BLE001 - parked with its trace
                if is_outage(error) or (is_conflict(error) and conflicts < MOST_CONFLICTS):
                    conflicts += is_conflict(error)
                    self._wait(error, attempts, pause)
                    continue
                failures += 1
                if self._gives_up(delivery, error, failures, pause):
                    return
            else:
                return

    def _gives_up(self, delivery: Delivery, error: Exception, failures: int, pause: Pause) -> bool:
        """Pause after a failure; return whether the message was parked instead."""
        type_, subject = delivery.type, delivery.subject
        if failures < self._holding.attempts(type_, error):
            self._retries.inc()
            pause(_back_off(failures))
            return False
        seconds = self._holding.pause(type_, subject, error)
        if not seconds:
            self._park(delivery, error, failures)
            self._holding.parked(type_, subject, error)
            return True
        self._held.set(1)
        log.error(
            "reactions_held",
            upstream=self._upstream,
            type=type_,
            error=type(error).__name__,
            seconds=seconds,
        )
        pause(seconds)
        return False

    def _park(self, delivery: Delivery, error: BaseException, attempts: int) -> None:
        if delivery.place is None:
            self._reactions.quarantine(delivery, quarantine.DAMAGED)
            return
        error_id = noted("message_parked", error, upstream=self._upstream, attempts=attempts)
        self._reactions.park(delivery, type(error).__name__, error_id, attempts)
        self._held.set(0)

    def _process_carefully(self, delivery: Delivery, pause: Pause) -> None:
        """Process an event of the log alone, unless processes have ended while they did that."""
        place = delivery.place
        if place is None:
            self._process_one(delivery, pause)
            return
        if self._begun != place:
            begun = self._reactions.begin_attempt(place)
            self._begun = place
            if begun > parked.MOST_KILLED:
                error = KilledItsReaderError(f"{begun - 1} processes ended")
                self._park(delivery, error, begun - 1)
                return
        try:
            self._process_one(delivery, pause)
        except BaseException:
            # Whatever it is, this process has outlived it. Where that cannot be noted, it is not
            # counted again by this process.
            with suppress(psycopg.OperationalError):
                self._reactions.end_attempt()
                self._begun = None
            raise

    def _wait(self, error: Exception, attempts: int, pause: Pause) -> None:
        """Wait for a node, a service or a turn: the message is not to blame."""
        log.warning("reaction_waits", upstream=self._upstream, error=type(error).__name__)
        self._retries.inc()
        pause(min(_back_off(attempts), OUTAGE_S) if is_outage(error) else _back_off(attempts))

    def _raise_on_stop(self) -> None:
        if self._stop.is_set():
            raise StoppedError


class KilledItsReaderError(Exception):
    """Several processes have ended while they handled the message."""


def _reason_of(error: Exception) -> str:
    """Return why a message is a ghost whose position the log has not come to."""
    if isinstance(error, GhostError):
        return error.reason
    return quarantine.NO_PREDECESSOR if isinstance(error, GapError) else quarantine.NOT_IN_LOG


def _back_off(attempts: int) -> float:
    return BACK_OFF_S[min(attempts, len(BACK_OFF_S)) - 1]
