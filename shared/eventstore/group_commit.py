"""Group commit: commands that arrive together in one process are committed together.

Two stages work at the same time, each led by one of the callers for as long as its turn lasts:

- *Deciding* takes the commands that have queued up, reads what they need by one query, and lets
  each decide in memory, upon what those before it have decided already, written or not.
- *Writing* takes all that has been decided, and writes it in one transaction: the turn to append,
  the events, the read model and the command ids, in two round trips and one wait for the disk.
  Whatever is decided meanwhile goes into the next transaction.

A command that comes alone goes through both at once in its own thread: nobody waits for company.

Deciding ahead is safe because it is checked by the database: a version that somebody else has
taken, a command id or a payment that has been posted before, break the uniqueness of a row, and
with it the whole transaction. Then nothing of it is left, what was decided upon it is forgotten,
and the commands are decided anew under the turn to append, one transaction for all of them. So is
each command that was refused or had nothing to do, because it may have been decided on something
old. When the outcome is unknown, each is carried out alone by the store, which looks its
command id up first. In the end each is done once, or not at all, and keeps its own answer.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar, cast
from uuid import UUID

import msgspec
import psycopg

from shared import context
from shared.eventstore.aggregate import Aggregate
from shared.eventstore.batch_decision import (
    Batch,
    Desk,
    InMemorySession,
    Stage,
    Waiting,
    decide_surely,
    events_of,
    rows_to_keep,
)
from shared.eventstore.pinned import HeldConnections
from shared.eventstore.postgres import PostgresStore
from shared.eventstore.recorder import Cause
from shared.ids import new_id
from shared.logs import get_logger

C = TypeVar("C")
R = TypeVar("R")

log = get_logger(__name__)

MAX_GROUP = 200
"""How many commands are read for at once."""
PATIENCE_S = 0.0005
MIN_AHEAD = 64
"""How many aggregates must have queued up to be decided upon while others are being written."""


class GroupCommit:
    """Carries out commands for one store; safe for many threads or greenlets."""

    def __init__(self, store: PostgresStore, desk: Desk) -> None:
        self._store = store
        self._desk = desk
        # Two locks, taken in this order: who waits to be decided and whether somebody decides;
        # what has been decided and whether somebody writes.
        self._entry = threading.Lock()
        self._queue: list[Waiting] = []
        self._queued = 0
        self._expected = 1
        self._company = threading.Event()
        self._deciding = False
        self._state = threading.Lock()
        self._open = Batch()
        self._in_flight = Batch()
        self._writing = False
        self._decider: Waiting | None = None
        self._generation = 0
        self._connections = HeldConnections(store.pool)

    def execute(self, handler: Callable[[Any, C], R], command: C) -> R:
        """Run a command once, whatever happens; the same promises as Store.execute.

        The handler decides upon the aggregates that the desk names for the command, and upon
        nothing else: it must not ask the read model, which does not yet show what others before
        it have decided. A command that the desk does not know is carried out by the store.
        """
        needs = self._desk.needs(command)
        if needs is None:
            return self._store.execute(handler, command)
        request = context.current()
        cause = Cause(request.command_id or new_id(), request.actor, request.correlation_id)
        mine = Waiting(handler, command, needs, cause, self._store.fingerprint(handler, command))
        stage = self._enter(mine)
        while stage is not Stage.DONE:
            match stage:
                case Stage.DECIDE:
                    stage = self._lead_deciding(mine)
                case Stage.WRITE:
                    self._lead_writing()
                    stage = None
                case None:
                    stage = self._wait(mine)
        if mine.alone:
            with context.bind(command_id=cause.command_id):
                return self._store.execute(handler, command)
        if mine.error is not None:
            raise mine.error
        return cast(R, msgspec.json.decode(mine.answer))

    # --- who leads -----------------------------------------------------------------------------

    def _enter(self, mine: Waiting) -> Stage | None:
        with self._entry:
            self._queue.append(mine)
            self._queued += len(mine.needs)
            if len(self._queue) >= self._expected:
                self._company.set()
            if self._deciding or not self._worth_deciding():
                return None
            self._deciding = True
        return Stage.DECIDE

    def _worth_deciding(self) -> bool:
        # While others are being written there is no hurry: who decides later decides for more.
        return not self._writing or self._queued >= MIN_AHEAD

    def _wait(self, mine: Waiting) -> Stage | None:
        """Wait for the outcome, or for the turn to lead a stage."""
        try:
            mine.turn.acquire()
        except BaseException:
            # Killed while waiting: a turn that was given to it meanwhile goes on to the next.
            with self._entry, self._state:
                mine.gone = True
            if mine.stage is Stage.DECIDE:
                self._end_deciding()
            elif mine.stage is Stage.WRITE:
                self._end_writing()
            raise
        return mine.stage

    def _end_deciding(self, *, writes_next: bool = False) -> None:
        with self._entry:
            self._deciding = self._worth_deciding() and _appoint(self._queue, Stage.DECIDE)
            idle = not self._deciding
            if idle and writes_next:
                # A command that came alone is read and written by one connection.
                self._connections.pass_on(Stage.DECIDE, Stage.WRITE)
        if idle:
            self._connections.give_back(Stage.DECIDE)

    def _end_writing(self) -> None:
        with self._state:
            self._in_flight = Batch()
            # The one who decides right now has no time; when it ends, it looks whether to write.
            others = [found for found in self._open.members if found is not self._decider]
            self._writing = _appoint(others, Stage.WRITE)
            idle = not self._writing
        if idle:
            self._connections.give_back(Stage.WRITE)
            with self._entry:
                if not self._deciding:
                    self._deciding = _appoint(self._queue, Stage.DECIDE)

    def _await_company(self) -> None:
        """Where the last group was of several, give them a moment to come back."""
        with self._entry:
            if len(self._queue) >= self._expected:
                return
            self._company.clear()
        self._company.wait(PATIENCE_S)

    # --- deciding ------------------------------------------------------------------------------

    def _lead_deciding(self, mine: Waiting) -> Stage | None:
        """Let those who have queued up decide; return whether to write them, too."""
        self._await_company()
        with self._entry:
            group, self._queue = self._queue[:MAX_GROUP], self._queue[MAX_GROUP:]
            self._queued = sum(len(waiting.needs) for waiting in self._queue)
            self._expected = len(group)
        self._decider = mine
        left = list(group)
        try:
            self._decide(left)
        except BaseException:
            mine.gone = True
            for waiting in left:
                waiting.alone = True
                waiting.finish()
            raise
        finally:
            stage = self._next_stage(mine)
            self._end_deciding(writes_next=stage is Stage.WRITE)
        return stage

    def _next_stage(self, mine: Waiting) -> Stage | None:
        """Return whether who has just led the deciding is to write what was decided."""
        with self._state:
            self._decider = None
            if self._writing or not self._open.members:
                return None
            if mine.gone or mine.stage is Stage.DONE:
                self._writing = _appoint(self._open.members, Stage.WRITE)
                return None
            self._writing = True
            return Stage.WRITE

    def _decide(self, left: list[Waiting]) -> None:
        """Decide the commands in turn; each leaves the list when it stands in the open batch."""
        with self._state:
            generation = self._generation
            at_hand: dict[UUID, Aggregate] = {**self._in_flight.aggregates, **self._open.aggregates}
        missing = {id_: None for waiting in left for id_ in waiting.needs if id_ not in at_hand}
        fresh = self._read(list(missing))
        while left:
            with self._state:
                waiting = left[0]
                if fresh is not None and generation == self._generation:
                    self._decide_one(waiting, at_hand, fresh)
                self._open.members.append(waiting)
                del left[0]

    def _read(self, ids: Sequence[UUID]) -> dict[UUID, Aggregate] | None:
        """Return aggregates as they stand in the database; None when it does not answer."""
        if not ids:
            return {}
        try:
            with self._connections.of(Stage.DECIDE) as connection, connection.cursor() as cursor:
                return dict(self._desk.read(cursor, ids))
        except psycopg.Error as error:
            log.warning("group_read_failed", error=type(error).__name__)
            return None

    def _decide_one(
        self,
        waiting: Waiting,
        at_hand: dict[UUID, Aggregate],
        fresh: dict[UUID, Aggregate],
    ) -> None:
        """Let a command decide, upon what was decided last on each aggregate that it needs."""
        batch, id_ = self._open, waiting.cause.command_id
        if id_ in batch.commands or id_ in self._in_flight.commands:
            return
        for needed in waiting.needs:
            if needed not in batch.aggregates:
                aggregate = fresh.pop(needed, None)
                if aggregate is None:
                    # It belongs to a batch that is being written, or has been: that one must
                    # stay as it is.
                    aggregate = self._desk.copy(at_hand[needed])
                batch.aggregates[needed] = at_hand[needed] = aggregate
        session = InMemorySession(self._store.clock, batch.aggregates)
        answer = session.decide(waiting)
        if answer is not None and session.pending:
            waiting.answer, waiting.events, waiting.decided = answer, session.pending, True
            batch.commands.add(id_)
        elif session.pending:
            self._spoil_open()  # it was refused after it had changed what others decide upon

    def _spoil_open(self) -> None:
        """Forget what has been decided and not written; it will be decided anew."""
        self._generation += 1
        self._open.forget_decisions()

    # --- writing -------------------------------------------------------------------------------

    def _lead_writing(self) -> None:
        """Write what has been decided, tell the callers, and let the next one write."""
        with self._state:
            batch, self._open = self._open, Batch()
            self._in_flight = batch
        unfinished = batch.members
        try:
            again = unfinished
            if self._write(batch):
                again = [waiting for waiting in unfinished if not waiting.decided]
                if again:
                    done, unfinished = [w for w in unfinished if w.decided], again
                    _finish(done)
            if again:
                self._write_surely(again)
        except psycopg.Error as error:
            log.warning("group_commit_failed", size=len(unfinished), error=type(error).__name__)
            self._give_up(unfinished)
        except BaseException:
            self._give_up(unfinished)
            raise
        finally:
            self._end_writing()
            _finish(unfinished)

    def _write(self, batch: Batch) -> bool:
        """Write the decided commands of a batch; return False when they are to be decided anew."""
        decided = [waiting for waiting in batch.members if waiting.decided]
        if not decided:
            return True
        store = self._store
        pending, causes = events_of(decided)
        rows = store.rows(pending)
        try:
            with self._connections.of(Stage.WRITE) as connection, connection.cursor() as cursor:
                tail = store.recorder.turn(cursor, begin=True)
                with connection.pipeline():
                    positions = store.recorder.write(cursor, tail, rows, causes)
                    recorded = store.placed(pending, causes, positions, tail.recorded_at)
                    store.new_read_model(cursor).project(recorded, batch.aggregates)
                    store.keep_commands(cursor, rows_to_keep(decided, positions))
                    cursor.execute("COMMIT")
        except psycopg.errors.UniqueViolation:
            log.info("group_decided_anew", size=len(decided))
            self._give_up([])
            return False
        return True

    def _give_up(self, left: Sequence[Waiting]) -> None:
        """Forget what was decided upon a batch that could not be written."""
        with self._state:
            self._in_flight = Batch()
            self._spoil_open()
        for waiting in left:
            waiting.alone = True

    def _write_surely(self, group: Sequence[Waiting]) -> None:
        """Decide and write under the turn to append, upon what is read under it."""
        store = self._store
        with (
            self._connections.of(Stage.WRITE) as connection,
            connection.cursor() as cursor,
            connection.transaction(),
        ):
            store.recorder.lock(cursor)
            kept = store.kept_commands(cursor, [waiting.cause.command_id for waiting in group])
            decided, aggregates = decide_surely(
                self._desk,
                cursor,
                store.clock,
                [waiting for waiting in group if waiting.cause.command_id not in kept],
            )
            pending, causes = events_of(decided)
            positions: list[int] = []
            if pending:
                positions, recorded_at = store.recorder.append(cursor, store.rows(pending), causes)
                recorded = store.placed(pending, causes, positions, recorded_at)
                store.new_read_model(cursor).project(recorded, aggregates)
            store.keep_commands(cursor, rows_to_keep(decided, positions))
        kept |= {w.cause.command_id: (w.fingerprint, w.answer) for w in decided}
        for waiting in group:
            waiting.answer_as(kept.get(waiting.cause.command_id))


def _appoint(candidates: Sequence[Waiting], stage: Stage) -> bool:
    """Give the turn to lead a stage to the first who is there; return whether there was one."""
    for waiting in candidates:
        if not waiting.gone:
            waiting.stage = stage
            waiting.turn.release()
            return True
    return False


def _finish(members: Iterable[Waiting]) -> None:
    for waiting in members:
        waiting.finish()
