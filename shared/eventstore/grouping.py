"""Group commit: commands that arrive together in one process are committed together.

One transaction takes the turn to append once, reads what all the commands need, lets each decide,
inserts all their events as one array, and waits for the disk once. Each command keeps its own
command id, cause, answer and refusal: a refused one leaves nothing, the others go on. A command
that comes alone is carried out at once by its own thread; nobody waits for company.

When the shared transaction fails, whatever the reason, each command is carried out alone by the
store, which looks its command id up first: so each is done once, or not at all.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar, cast
from uuid import UUID

import msgspec
import psycopg

from shared import context
from shared.errors import ServiceError
from shared.eventstore.aggregate import Aggregate
from shared.eventstore.postgres import PostgresSession, PostgresStore
from shared.eventstore.recorder import Cause
from shared.ids import new_id
from shared.logs import get_logger

C = TypeVar("C")
R = TypeVar("R")

log = get_logger(__name__)

MAX_GROUP = 200

Prepare = Callable[[Any, Sequence[Any]], Mapping[UUID, Aggregate]]
"""(cursor, commands) -> the aggregates that they need, by one query rather than one each."""


class _Waiting:
    """A command in the queue, and later its outcome."""

    __slots__ = ("alone", "answer", "cause", "command", "done", "error", "fingerprint", "handler")

    def __init__(self, handler: Any, command: Any, cause: Cause, fingerprint: bytes) -> None:
        self.handler = handler
        self.command = command
        self.cause = cause
        self.fingerprint = fingerprint
        self.done = threading.Event()
        self.answer: bytes | None = None
        self.error: ServiceError | None = None
        self.alone = False


class GroupCommit:
    """Carries out commands for one store; safe for many threads or greenlets."""

    def __init__(self, store: PostgresStore, prepare: Prepare | None = None) -> None:
        self._store = store
        self._prepare = prepare
        self._queue: list[_Waiting] = []
        self._entry = threading.Lock()
        self._leading = False

    def execute(self, handler: Callable[[Any, C], R], command: C) -> R:
        """Run a command once, whatever happens; the same promises as Store.execute.

        The handler loads its aggregates and decides; it must not ask the read model, which does
        not yet show what the others of its group have done.
        """
        request = context.current()
        cause = Cause(request.command_id or new_id(), request.actor, request.correlation_id)
        mine = _Waiting(handler, command, cause, self._store.fingerprint(handler, command))
        with self._entry:
            self._queue.append(mine)
            leading = not self._leading
            self._leading = True
        if leading:
            self._lead(mine)
        else:
            mine.done.wait()
            if not mine.done.is_set():
                raise RuntimeError("a group has left a command without an outcome")
        if mine.alone:
            with context.bind(command_id=cause.command_id):
                return self._store.execute(handler, command)
        if mine.error is not None:
            raise mine.error
        return cast(R, msgspec.json.decode(mine.answer or b"null"))

    def _lead(self, mine: _Waiting) -> None:
        """Carry out groups until mine is done, then let another who waits go on."""
        try:
            while not mine.done.is_set():
                self._run(self._take())
        finally:
            self._hand_over()

    def _hand_over(self) -> None:
        with self._entry:
            if not self._queue:
                self._leading = False
                return
        # Somebody came in meanwhile, and waits already: a thread of its own serves the rest, so
        # that no caller works for others after its own command is done.
        threading.Thread(target=self._serve_rest, name="group-commit", daemon=True).start()

    def _serve_rest(self) -> None:
        while True:
            with self._entry:
                if not self._queue:
                    self._leading = False
                    return
            self._run(self._take())

    def _take(self) -> list[_Waiting]:
        with self._entry:
            group, self._queue = self._queue[:MAX_GROUP], self._queue[MAX_GROUP:]
        return group

    def _run(self, group: list[_Waiting]) -> None:
        try:
            self._commit(group)
        except (psycopg.Error, ServiceError) as error:
            log.warning("group_commit_failed", size=len(group), error=type(error).__name__)
            for waiting in group:
                waiting.alone, waiting.error, waiting.answer = True, None, None
        except BaseException:
            for waiting in group:
                waiting.alone = True
            raise
        finally:
            for waiting in group:
                waiting.done.set()

    def _commit(self, group: list[_Waiting]) -> None:
        store = self._store
        with store.transaction() as cursor:
            store.recorder.lock(cursor)
            kept = store.kept_commands(cursor, [waiting.cause.command_id for waiting in group])
            fresh = [waiting for waiting in group if waiting.cause.command_id not in kept]
            session = _GroupSession(store, cursor)
            if self._prepare is not None and fresh:
                session.know(self._prepare(cursor, [waiting.command for waiting in fresh]))
            decided: dict[UUID, _Waiting] = {}
            for waiting in fresh:
                if waiting.cause.command_id in decided:
                    continue
                if session.decide(waiting):
                    decided[waiting.cause.command_id] = waiting
            positions = session.write()
            store.keep_commands(
                cursor,
                [
                    (w.cause.command_id, w.fingerprint, w.answer, *positions.get(id_, (None, None)))
                    for id_, w in decided.items()
                ],
            )
        self._answer_repeated(group, kept, decided)

    def _answer_repeated(
        self,
        group: list[_Waiting],
        kept: Mapping[UUID, tuple[bytes, bytes]],
        decided: Mapping[UUID, _Waiting],
    ) -> None:
        for waiting in group:
            if waiting.answer is not None or waiting.error is not None:
                continue
            id_ = waiting.cause.command_id
            first = kept.get(id_)
            if first is None and id_ in decided:
                first = (decided[id_].fingerprint, decided[id_].answer or b"null")
            if first is None or first[0] != waiting.fingerprint:
                waiting.alone = True  # the store refuses it as it should be
            else:
                waiting.answer = first[1]


class _GroupSession(PostgresSession):
    """A session in which each command's events have a cause of their own."""

    def __init__(self, store: PostgresStore, cursor: Any) -> None:
        super().__init__(store, cursor, None)
        self._causes: list[Cause] = []

    def know(self, aggregates: Mapping[UUID, Aggregate]) -> None:
        """Take in aggregates that were read together."""
        for id_, aggregate in aggregates.items():
            aggregate._journal = self._journal
            self._aggregates[id_] = aggregate

    def decide(self, waiting: _Waiting) -> bool:
        """Let a command decide; a refused one leaves nothing behind."""
        before = len(self._journal)
        try:
            answer = waiting.handler(self, waiting.command)
        except ServiceError as refusal:
            waiting.error = refusal
            self._forget(before)
            return False
        waiting.answer = msgspec.json.encode(answer)
        self._causes += [waiting.cause] * (len(self._journal) - before)
        return True

    def write(self) -> dict[UUID, tuple[int, int]]:
        """Append all that was decided; answer first and last position by command id."""
        placed: dict[UUID, tuple[int, int]] = {}
        for entry in self._flush_group():
            first, _ = placed.get(entry.command_id, (entry.position, 0))
            placed[entry.command_id] = (first, entry.position)
        return placed

    @property
    def read(self) -> Any:
        raise RuntimeError("a command of a group must not ask the read model")

    def _forget(self, before: int) -> None:
        """Undo the events that a refused command has triggered: read their aggregates anew."""
        touched = {aggregate.id: type(aggregate) for aggregate, _, _ in self._journal[before:]}
        del self._journal[before:]
        for id_, cls in touched.items():
            del self._aggregates[id_]
            again = self.load(cls, id_)
            for index, (aggregate, version, event) in enumerate(self._journal):
                if aggregate.id == id_:
                    again.replay(event)
                    self._journal[index] = (again, version, event)

    def _flush_group(self) -> Iterator[Any]:
        pending, causes = list(self._journal), self._causes
        self._journal.clear()
        if not pending:
            return
        recorded = self._append_caused(pending, causes)
        self._read_model().project(recorded, self._aggregates)
        yield from recorded

    @contextmanager
    def caused_by(self, cause: Cause) -> Iterator[None]:
        raise RuntimeError("a group gives each command its own cause")
        yield
