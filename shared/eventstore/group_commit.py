"""Group commit: commands that arrive together in one process are committed together.

Two stages run at the same time, each led by one of the callers:

- *Deciding* takes the commands that have queued up, reads what they need by one query, and lets
  each decide in memory on top of the earlier decisions, written or not.
- *Writing* writes all decisions in one transaction: the append lock, the events, the read model and
  the command ids, in one round trip and one wait for the disk. Decisions made in the meantime go
  into the next transaction.

A command that arrives alone goes through both stages in its own thread and waits for nobody.

Deciding ahead is safe because the database checks it: a version taken by somebody else, or a
command id or payment that is recorded already, violates a unique constraint and rolls the whole
transaction back. The decisions are then dropped and made again under the append lock, in one
transaction for all. So is each command that was refused or changed nothing, because it may have
been decided on stale state. When the outcome of a commit is unknown, or something else fails for
all of them, the store executes each command on its own, and looks its command id up first. In the
end each command has taken effect once or not at all, and has its own result.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar, cast
from uuid import UUID

import msgspec
import psycopg
from psycopg_pool import PoolTimeout

from shared import context, telemetry, tracing
from shared.database_errors import unavailable
from shared.eventstore.aggregate import Aggregate
from shared.eventstore.batch_decision import (
    Batch,
    GroupCommitPolicy,
    InMemorySession,
    PendingCommand,
    Stage,
    command_rows,
    decide_under_lock,
    events_of,
)
from shared.eventstore.pinned import PinnedConnections
from shared.eventstore.postgres import PostgresStore
from shared.eventstore.recorder import Cause
from shared.ids import new_id
from shared.logs import get_logger

C = TypeVar("C")
R = TypeVar("R")

log = get_logger(__name__)

MAX_GROUP = 200
"""The largest number of commands decided at once."""
BATCH_WINDOW_S = 0.0005
"""How long the caller that decides waits at most for the callers of the last batch to return."""
MIN_AHEAD = 64
"""The number of queued aggregates that starts a decision while a batch is being written."""


class GroupCommit:
    """Executes commands on one store; safe for many threads or greenlets."""

    def __init__(self, store: PostgresStore, policy: GroupCommitPolicy) -> None:
        self._store = store
        self._policy = policy
        # Two locks, taken in this order: the queue and whether somebody decides; the decisions
        # and whether somebody is writing.
        self._entry = threading.Lock()
        self._queue: list[PendingCommand] = []
        self._queued = 0
        self._expected = 1
        self._batch_full = threading.Event()
        self._deciding = False
        self._state = threading.Lock()
        self._open = Batch()
        self._in_flight = Batch()
        self._writing = False
        self._decider: PendingCommand | None = None
        self._generation = 0
        self._connections = PinnedConnections(store.pool)

    def execute(self, handler: Callable[[Any, C], R], command: C) -> R:
        """Execute a command exactly once; the guarantees are those of Store.execute.

        The handler decides on the aggregates that the policy names for the command and on nothing
        else: it must not query the read model, which does not show earlier decisions of the batch
        yet. A command for which the policy names none is executed by the store.
        """
        needs = self._policy.needs(command)
        if needs is None:
            return self._store.execute(handler, command)
        request = context.current()
        cause = Cause(request.command_id or new_id(), request.actor, request.correlation_id)
        with tracing.command(self._store.service, handler.__name__, cause.command_id):
            return self._execute(handler, command, needs, cause)

    def _execute(
        self, handler: Callable[[Any, C], R], command: C, needs: Sequence[UUID], cause: Cause
    ) -> R:
        mine = PendingCommand(
            handler, command, needs, cause, self._store.fingerprint(handler, command)
        )
        stage = self._enter(mine)
        while stage is not Stage.DONE:
            match stage:
                case Stage.DECIDE:
                    stage = self._lead_decide(mine)
                case Stage.WRITE:
                    self._lead_write()
                    stage = None
                case None:
                    stage = self._wait(mine)
        if mine.alone:
            with context.bind(command_id=cause.command_id):
                return self._store.execute(handler, command)
        if mine.error is not None:
            raise mine.error
        return cast(R, msgspec.json.decode(mine.result))

    # --- leadership ----------------------------------------------------------------------------

    def _enter(self, mine: PendingCommand) -> Stage | None:
        with self._entry:
            self._queue.append(mine)
            self._queued += len(mine.needs)
            if len(self._queue) >= self._expected:
                self._batch_full.set()
            if self._deciding or not self._worth_deciding():
                return None
            self._deciding = True
        return Stage.DECIDE

    def _worth_deciding(self) -> bool:
        # While a batch is being written there is no hurry: a later decision covers more commands.
        return not self._writing or self._queued >= MIN_AHEAD

    def _wait(self, mine: PendingCommand) -> Stage | None:
        """Wait for the outcome, or to be appointed leader of a stage."""
        try:
            mine.wakeup.acquire()
        except BaseException:
            # Killed while blocked: a leadership assigned in the meantime passes to the next caller.
            with self._entry, self._state:
                mine.abandoned = True
            if mine.stage is Stage.DECIDE:
                self._end_decide()
            elif mine.stage is Stage.WRITE:
                self._end_write()
            raise
        return mine.stage

    def _end_decide(self, *, writes_next: bool = False) -> None:
        with self._entry:
            self._deciding = self._worth_deciding() and _appoint(self._queue, Stage.DECIDE)
            idle = not self._deciding
            if idle and writes_next:
                # A command that arrived alone is read and written by one connection.
                self._connections.hand_over(Stage.DECIDE, Stage.WRITE)
        if idle:
            self._connections.release(Stage.DECIDE)

    def _end_write(self) -> None:
        with self._state:
            self._in_flight = Batch()
            # The current decider is busy; when it is done, it checks whether to write.
            others = [found for found in self._open.members if found is not self._decider]
            self._writing = _appoint(others, Stage.WRITE)
            idle = not self._writing
        if idle:
            self._connections.release(Stage.WRITE)
            with self._entry:
                if not self._deciding:
                    self._deciding = _appoint(self._queue, Stage.DECIDE)

    def _await_batch(self) -> None:
        """After a batch of several, give its callers a moment to return."""
        with self._entry:
            if len(self._queue) >= self._expected:
                return
            self._batch_full.clear()
        self._batch_full.wait(BATCH_WINDOW_S)

    # --- decisions ------------------------------------------------------------------------------

    def _lead_decide(self, mine: PendingCommand) -> Stage | None:
        """Decide the queued commands; return the stage that the caller leads next, if any."""
        self._await_batch()
        with self._entry:
            group, self._queue = self._queue[:MAX_GROUP], self._queue[MAX_GROUP:]
            self._queued = sum(len(entry.needs) for entry in self._queue)
            self._expected = len(group)
        self._decider = mine
        left = list(group)
        try:
            self._decide(left)
        except Exception as fault:  # noqa: BLE001 - raised again in the thread of its caller
            log.warning("group_decision_failed", error=type(fault).__name__)
            _leave_alone(left)
        except BaseException:
            mine.abandoned = True
            _leave_alone(left)
            raise
        finally:
            stage = self._next_stage(mine)
            self._end_decide(writes_next=stage is Stage.WRITE)
        return stage

    def _next_stage(self, mine: PendingCommand) -> Stage | None:
        """Return WRITE if the caller who has just decided is to write too."""
        with self._state:
            self._decider = None
            if self._writing or not self._open.members:
                return None
            if mine.abandoned or mine.stage is Stage.DONE:
                self._writing = _appoint(self._open.members, Stage.WRITE)
                return None
            self._writing = True
            return Stage.WRITE

    def _decide(self, left: list[PendingCommand]) -> None:
        """Decide the commands in order; each leaves the list once it is in the open batch."""
        with self._state:
            generation = self._generation
            known: dict[UUID, Aggregate] = {**self._in_flight.aggregates, **self._open.aggregates}
        missing = {id_: None for entry in left for id_ in entry.needs if id_ not in known}
        try:
            fresh = self._read(list(missing))
        except PoolTimeout as error:
            _refuse(left, error)
            left.clear()
        session = InMemorySession(self._store.clock)
        while left:
            with self._state:
                entry = left[0]
                if fresh is not None and generation == self._generation:
                    self._decide_one(session, entry, known, fresh)
                self._open.members.append(entry)
                del left[0]

    def _read(self, ids: Sequence[UUID]) -> dict[UUID, Aggregate] | None:
        """Read aggregates; None if the database does not respond. Raises PoolTimeout."""
        if not ids:
            return {}
        try:
            with self._connections.of(Stage.DECIDE) as connection, connection.cursor() as cursor:
                return dict(self._policy.read(cursor, ids))
        except PoolTimeout:
            raise
        except psycopg.Error as error:
            log.warning("group_read_failed", error=type(error).__name__)
            return None

    def _decide_one(
        self,
        session: InMemorySession,
        entry: PendingCommand,
        known: dict[UUID, Aggregate],
        fresh: dict[UUID, Aggregate],
    ) -> None:
        """Decide a command on the latest decided state of each aggregate that it needs."""
        batch, id_ = self._open, entry.cause.command_id
        if id_ in batch.commands or id_ in self._in_flight.commands:
            return
        for needed in entry.needs:
            if needed not in batch.aggregates:
                aggregate = fresh.pop(needed, None)
                if aggregate is None:
                    # It belongs to a batch in flight or written, which must not change.
                    aggregate = self._policy.copy(known[needed])
                batch.aggregates[needed] = known[needed] = aggregate
        result = session.decide(entry, batch.aggregates)
        if result is not None and session.pending:
            entry.result, entry.events, entry.decided = result, session.pending, True
            batch.commands.add(id_)
        elif session.pending:
            self._drop_open_decisions()  # refused after changing state that others decide on

    def _drop_open_decisions(self) -> None:
        """Drop the decisions that are not written yet; they are made again."""
        self._generation += 1
        self._open.reset_decisions()

    # --- writing -------------------------------------------------------------------------------

    def _lead_write(self) -> None:
        """Write the open batch, wake its callers, and appoint the next writer."""
        with self._state:
            batch, self._open = self._open, Batch()
            self._in_flight = batch
        unfinished = batch.members
        try:
            again = unfinished
            if self._write(batch):
                again = [entry for entry in unfinished if not entry.decided]
                if again:
                    done, unfinished = [w for w in unfinished if w.decided], again
                    _finish(done)
            if again:
                self._write_under_lock(again)
        except PoolTimeout as error:
            # Nothing was sent; each command on its own would wait for a connection again.
            self._discard([])
            _refuse(unfinished, error)
            unfinished = []
        except Exception as fault:  # noqa: BLE001 - raised again in the threads of its callers
            log.warning("group_commit_failed", size=len(unfinished), error=type(fault).__name__)
            self._discard(unfinished)
        except BaseException:
            self._discard(unfinished)
            raise
        finally:
            self._end_write()
            _finish(unfinished)

    def _write(self, batch: Batch) -> bool:
        """Write the decided commands of a batch; return False if they must be decided again."""
        decided = [entry for entry in batch.members if entry.decided]
        if not decided:
            return True
        pending = [event for entry in decided for event in entry.events]
        try:
            with self._connections.of(Stage.WRITE) as connection:
                arms = self._policy.arms(pending, batch.aggregates)
                written = self._store.append_group(connection, decided, arms)
        except psycopg.errors.UniqueViolation:
            written = False
        if not written:
            telemetry.LOG_CONFLICTS.labels(self._store.service).inc()
            log.info("group_decided_again", size=len(decided))
            self._discard([])
        return written

    def _discard(self, left: Sequence[PendingCommand]) -> None:
        """Drop the decisions based on a batch that could not be written."""
        with self._state:
            self._in_flight = Batch()
            self._drop_open_decisions()
        for entry in left:
            entry.alone = True

    def _write_under_lock(self, group: Sequence[PendingCommand]) -> None:
        """Decide and write in one transaction that holds the append lock throughout."""
        store = self._store
        with (
            self._connections.of(Stage.WRITE) as connection,
            connection.cursor() as cursor,
            connection.transaction(),
        ):
            store.recorder.lock(cursor)
            kept = store.kept_commands(cursor, [entry.cause.command_id for entry in group])
            decided, aggregates = decide_under_lock(
                self._policy,
                cursor,
                store.clock,
                [entry for entry in group if entry.cause.command_id not in kept],
            )
            pending, causes = events_of(decided)
            positions: list[int] = []
            if pending:
                positions, recorded_at = store.recorder.append(cursor, store.rows(pending), causes)
                recorded = store.recorded_events(pending, causes, positions, recorded_at)
                store.new_read_model(cursor).project(recorded, aggregates)
            store.keep_commands(cursor, command_rows(decided, positions))
        telemetry.events_committed(store.service, len(positions))
        kept |= {w.cause.command_id: (w.fingerprint, w.result) for w in decided}
        for entry in group:
            entry.adopt_result(kept.get(entry.cause.command_id))


def _appoint(candidates: Sequence[PendingCommand], stage: Stage) -> bool:
    """Wake the first caller that is still there to lead a stage; return whether there was one."""
    for entry in candidates:
        if not entry.abandoned:
            entry.stage = stage
            entry.wakeup.release()
            return True
    return False


def _refuse(members: Iterable[PendingCommand], error: PoolTimeout) -> None:
    for entry in members:
        entry.error = unavailable(error)
        entry.finish()


def _leave_alone(members: Iterable[PendingCommand]) -> None:
    for entry in members:
        entry.alone = True
        entry.finish()


def _finish(members: Iterable[PendingCommand]) -> None:
    for entry in members:
        entry.finish()
