"""What the commands of a group decide upon: aggregates in memory, and nothing else.

See :mod:`shared.eventstore.group_commit`, which decides ahead and writes together.
"""

from __future__ import annotations

import enum
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn, Protocol
from uuid import UUID

import msgspec

from shared.clock import Clock
from shared.errors import ServiceError
from shared.eventstore.aggregate import Aggregate
from shared.eventstore.events import Event
from shared.eventstore.recorder import Cause
from shared.eventstore.session import PendingEvent, Session
from shared.logs import get_logger

log = get_logger(__name__)


class Desk(Protocol):
    """What a service says about the commands that may be committed together."""

    def needs(self, command: Any) -> Sequence[UUID] | None:
        """Return the ids of the aggregates that a command decides upon; each of them it changes,
        or finds changed by itself already. None: it must be carried out alone."""
        ...

    def read(self, cursor: Any, ids: Sequence[UUID]) -> Mapping[UUID, Aggregate]:
        """Return all these aggregates (version 0: there is none) by one query, with as much
        of their state as the commands of groups decide upon."""
        ...

    def recall(
        self, cursor: Any, commands: Sequence[Any], aggregates: Mapping[UUID, Aggregate]
    ) -> None:
        """Let the aggregates know what of these commands was done under another command id."""
        ...

    def copy(self, aggregate: Any) -> Aggregate:
        """Return an aggregate of the same state, independent of the first."""
        ...


class Stage(enum.Enum):
    """What a caller is woken for: to lead one of the two stages, or because it is done."""

    DECIDE = "decide"
    WRITE = "write"
    DONE = "done"


class Waiting:
    """A command between its arrival and its outcome."""

    __slots__ = (
        "alone",
        "answer",
        "cause",
        "command",
        "decided",
        "error",
        "events",
        "fingerprint",
        "gone",
        "handler",
        "needs",
        "stage",
        "turn",
    )

    def __init__(
        self,
        handler: Any,
        command: Any,
        needs: Sequence[UUID],
        cause: Cause,
        fingerprint: bytes,
    ) -> None:
        self.handler = handler
        self.command = command
        self.needs = needs
        self.cause = cause
        self.fingerprint = fingerprint
        # A lock that the caller waits to get: lighter than an Event, and there are many of them.
        self.turn = threading.Lock()
        self.turn.acquire()
        self.stage: Stage | None = None
        self.gone = False
        self.forget()

    def forget(self) -> None:
        """Be undecided (again)."""
        self.decided = False
        self.alone = False
        self.events: list[PendingEvent] = []
        self.answer = b"null"
        self.error: ServiceError | None = None

    def finish(self) -> None:
        """Let the caller go on with the outcome."""
        # The aggregates know this list and it knows them: a cycle, which would wait for the
        # collector.
        self.events.clear()
        self.stage = Stage.DONE
        self.turn.release()

    def answer_as(self, first: tuple[bytes, bytes] | None) -> None:
        """Return what the first command of this id answered: its (fingerprint, answer)."""
        if self.error is not None or self.alone:
            return
        if first is None or first[0] != self.fingerprint:
            self.alone = True  # the store refuses it as it should be
        else:
            self.answer = first[1]


class Batch:
    """Commands that will be written together, and the state they have decided upon."""

    def __init__(self) -> None:
        self.members: list[Waiting] = []
        self.aggregates: dict[UUID, Aggregate] = {}
        self.commands: set[UUID] = set()

    def forget_decisions(self) -> None:
        """Make all members undecided."""
        for waiting in self.members:
            waiting.forget()
        self.aggregates.clear()
        self.commands.clear()


class InMemorySession(Session):
    """The session of one command: it finds the aggregates of its group and nothing else."""

    def __init__(self, clock: Clock, aggregates: dict[UUID, Aggregate]) -> None:
        super().__init__(clock)
        self._aggregates = aggregates

    @property
    def pending(self) -> list[PendingEvent]:
        """Return the events that the command has let happen."""
        return self._journal

    def decide(self, waiting: Waiting) -> bytes | None:
        """Let a command decide; return its answer, or None when it was refused.

        The reason stands in ``waiting.error``; a fault of the program is left to the caller's own
        thread (``waiting.alone``), where it fails again without harm to others.
        """
        for id_ in waiting.needs:
            self._aggregates[id_]._journal = self._journal
        try:
            return msgspec.json.encode(waiting.handler(self, waiting.command))
        except ServiceError as refusal:
            waiting.error = refusal
        except Exception as fault:  # noqa: BLE001 - raised again in the thread of its caller
            log.warning("group_command_failed", error=type(fault).__name__)
            waiting.alone = True
        return None

    @property
    def read(self) -> NoReturn:
        raise RuntimeError("a command of a group must not ask the read model")

    @property
    def vault(self) -> NoReturn:
        raise RuntimeError("a command of a group must not ask for personal data")

    def story(self, id: UUID) -> NoReturn:  # noqa: A002
        raise RuntimeError("a command of a group must not ask for a whole stream")

    def _history(self, id: UUID) -> Iterable[Event]:  # noqa: A002
        raise RuntimeError(f"the desk did not say that this command needs aggregate {id}")

    def _append(self, pending: Sequence[PendingEvent]) -> NoReturn:
        raise RuntimeError("what a group has decided is written by the group")

    def _read_model(self) -> NoReturn:
        raise RuntimeError("a command of a group must not ask the read model")


def decide_surely(
    desk: Desk, cursor: Any, clock: Clock, group: Sequence[Waiting]
) -> tuple[list[Waiting], dict[UUID, Aggregate]]:
    """Let commands decide upon what is read now, for who holds the turn to append.

    Answers those that were not refused, each command id once, and the aggregates after them.
    A refused command leaves nothing behind.
    """
    commands = [waiting.command for waiting in group]
    ids = list({id_: None for waiting in group for id_ in waiting.needs})

    def read(wanted: Sequence[UUID]) -> dict[UUID, Aggregate]:
        found = dict(desk.read(cursor, wanted))
        desk.recall(cursor, commands, found)
        return found

    aggregates = read(ids) if ids else {}
    decided: list[Waiting] = []
    seen: set[UUID] = set()
    for waiting in group:
        waiting.forget()
        if waiting.cause.command_id in seen:
            continue
        session = InMemorySession(clock, aggregates)
        answer = session.decide(waiting)
        if answer is not None:
            waiting.answer, waiting.events = answer, session.pending
            seen.add(waiting.cause.command_id)
            decided.append(waiting)
        elif session.pending:
            touched = {aggregate.id: None for aggregate, _, _ in session.pending}
            aggregates.update(read(list(touched)))
            for earlier in decided:
                for aggregate, _, event in earlier.events:
                    if aggregate.id in touched:
                        aggregates[aggregate.id].replay(event)
    return decided, aggregates


def events_of(decided: Sequence[Waiting]) -> tuple[list[PendingEvent], list[Cause]]:
    """Return all that was decided, in order, and for each event its cause."""
    pending = [entry for waiting in decided for entry in waiting.events]
    return pending, [waiting.cause for waiting in decided for _ in waiting.events]


def rows_to_keep(
    decided: Sequence[Waiting], positions: Sequence[int]
) -> list[tuple[UUID, bytes, bytes, int | None, int | None]]:
    """Return the rows that remember the commands, with their places in the log."""
    rows, place = [], 0
    for waiting in decided:
        mine = positions[place : place + len(waiting.events)]
        place += len(waiting.events)
        first, last = (mine[0], mine[-1]) if mine else (None, None)
        rows.append((waiting.cause.command_id, waiting.fingerprint, waiting.answer, first, last))
    return rows
