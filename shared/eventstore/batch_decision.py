"""Batch decision: commands of one batch decide in memory, on aggregates and nothing else.

:mod:`shared.eventstore.group_commit` drives it: it decides ahead and writes together.
"""

from __future__ import annotations

import enum
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from functools import cached_property
from typing import Any, NoReturn, Protocol
from uuid import UUID

import msgspec

from shared.clock import Clock
from shared.errors import ServiceError
from shared.eventstore.aggregate import Aggregate, NeedsHistoryError
from shared.eventstore.events import Event
from shared.eventstore.group_append import Arm, commands_arm, events_arm
from shared.eventstore.recorder import Cause
from shared.eventstore.session import PendingEvent, Session
from shared.logs import get_logger

log = get_logger(__name__)


class GroupCommitPolicy(Protocol):
    """What a service defines about the commands that may be committed together."""

    def needs(self, command: Any) -> Sequence[UUID] | None:
        """Return the ids of the aggregates that a command decides on, or None if it must run alone.

        The command changes each of them, or finds that it has changed it already.
        """
        ...

    def read(self, cursor: Any, ids: Sequence[UUID]) -> Mapping[UUID, Aggregate]:
        """Read all these aggregates by one query (version 0: there is none).

        They hold as much of their state as the commands of a batch decide on.
        """
        ...

    def recall(
        self, cursor: Any, commands: Sequence[Any], aggregates: Mapping[UUID, Aggregate]
    ) -> None:
        """Mark in the aggregates which of these commands took effect under another command id."""
        ...

    def copy(self, aggregate: Any) -> Aggregate:
        """Return an independent copy of an aggregate."""
        ...

    def arms(
        self, pending: Sequence[PendingEvent], aggregates: Mapping[UUID, Aggregate]
    ) -> Sequence[Arm]:
        """Return what new events change in the read model: see shared.eventstore.group_append."""
        ...


class Stage(enum.Enum):
    """Why a caller is woken: to lead one of the two stages, or because its command is done."""

    DECIDE = "decide"
    WRITE = "write"
    DONE = "done"


class PendingCommand:
    """A command between its arrival and its outcome."""

    __slots__ = (
        "abandoned",
        "alone",
        "cause",
        "command",
        "decided",
        "error",
        "events",
        "fingerprint",
        "handler",
        "needs",
        "result",
        "stage",
        "wakeup",
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
        # The caller blocks on this lock: it is lighter than an Event, and there are many of them.
        self.wakeup = threading.Lock()
        self.wakeup.acquire()
        self.stage: Stage | None = None
        self.abandoned = False
        self.reset()

    def reset(self) -> None:
        """Return to the undecided state."""
        self.decided = False
        self.alone = False
        self.events: list[PendingEvent] = []
        self.result = b"null"
        self.error: ServiceError | None = None

    def finish(self) -> None:
        """Wake the caller with the outcome."""
        # The aggregates refer to this list and it refers to them: a cycle, which would have to
        # wait for the garbage collector.
        self.events.clear()
        self.stage = Stage.DONE
        self.wakeup.release()

    def adopt_result(self, first: tuple[bytes, bytes] | None) -> None:
        """Take the (fingerprint, result) of the first command with this id."""
        if self.error is not None or self.alone:
            return
        if first is None or first[0] != self.fingerprint:
            self.alone = True  # the store refuses it properly
        else:
            self.result = first[1]


class Batch:
    """Commands that will be written together, and the state they have decided on."""

    def __init__(self) -> None:
        self.members: list[PendingCommand] = []
        self.aggregates: dict[UUID, Aggregate] = {}
        self.commands: set[UUID] = set()

    def reset_decisions(self) -> None:
        """Make all members undecided."""
        for member in self.members:
            member.reset()
        self.aggregates.clear()
        self.commands.clear()


class InMemorySession(Session):
    """The session of the commands of a batch, one after the other: it sees the aggregates of the
    batch and nothing else."""

    @cached_property
    def today(self) -> date:
        """The day of the batch."""
        return self.clock.today()

    @property
    def pending(self) -> list[PendingEvent]:
        """The events that the last command has triggered."""
        return self._journal

    def decide(self, entry: PendingCommand, aggregates: dict[UUID, Aggregate]) -> bytes | None:
        """Run a command's handler on the aggregates of a batch.

        Returns its encoded result, or None if it was refused. The refusal is left in
        ``entry.error``. A defect is left to the caller's own thread (``entry.alone``), where it
        fails again without harm to others.
        """
        self._aggregates, self._journal = aggregates, []
        for id_ in entry.needs:
            aggregates[id_]._journal = self._journal
        try:
            return msgspec.json.encode(entry.handler(self, entry.command))
        except ServiceError as refusal:
            entry.error = refusal
        except NeedsHistoryError:
            entry.alone = True
        except Exception as fault:  # noqa: BLE001 - raised again in the thread of its caller
            log.warning("group_command_failed", error=type(fault).__name__)
            entry.alone = True
        return None

    @property
    def read(self) -> NoReturn:
        raise RuntimeError("a command of a batch must not query the read model")

    @property
    def vault(self) -> NoReturn:
        raise RuntimeError("a command of a batch must not use personal data")

    @property
    def security(self) -> NoReturn:
        raise RuntimeError("a command of a batch must not use personal data")

    def history(self, id: UUID) -> NoReturn:
        raise RuntimeError("a command of a batch must not read a whole stream")

    def histories(self, ids: Sequence[UUID]) -> NoReturn:
        raise RuntimeError("a command of a batch must not read whole streams")

    def _stream(self, id: UUID) -> Iterable[Event]:
        raise RuntimeError(f"the policy did not declare that this command needs aggregate {id}")

    def _append(self, pending: Sequence[PendingEvent]) -> NoReturn:
        raise RuntimeError("the decisions of a batch are written by the group commit")

    def _read_model(self) -> NoReturn:
        raise RuntimeError("a command of a batch must not query the read model")


def decide_under_lock(
    policy: GroupCommitPolicy, cursor: Any, clock: Clock, group: Sequence[PendingCommand]
) -> tuple[list[PendingCommand], dict[UUID, Aggregate]]:
    """Decide commands on freshly read state; the caller must hold the append lock.

    Returns the accepted commands, each command id once, and the aggregates after them. A refused
    command leaves nothing behind.
    """
    commands = [entry.command for entry in group]
    ids = list({id_: None for entry in group for id_ in entry.needs})

    def read(missing: Sequence[UUID]) -> dict[UUID, Aggregate]:
        found = dict(policy.read(cursor, missing))
        policy.recall(cursor, commands, found)
        return found

    aggregates = read(ids) if ids else {}
    session = InMemorySession(clock)
    decided: list[PendingCommand] = []
    seen: set[UUID] = set()
    for entry in group:
        entry.reset()
        if entry.cause.command_id in seen:
            continue
        result = session.decide(entry, aggregates)
        if result is not None:
            entry.result, entry.events = result, session.pending
            seen.add(entry.cause.command_id)
            decided.append(entry)
        elif session.pending:
            touched = {aggregate.id: None for aggregate, _, _ in session.pending}
            aggregates.update(read(list(touched)))
            for earlier in decided:
                for aggregate, _, event in earlier.events:
                    if aggregate.id in touched:
                        aggregates[aggregate.id].replay(event)
    return decided, aggregates


def events_of(decided: Sequence[PendingCommand]) -> tuple[list[PendingEvent], list[Cause]]:
    """Return the events of all decisions in order, and the cause of each."""
    pending = [event for entry in decided for event in entry.events]
    return pending, [entry.cause for entry in decided for _ in entry.events]


def command_rows(
    decided: Sequence[PendingCommand], positions: Sequence[int]
) -> list[tuple[UUID, bytes, bytes, int | None, int | None]]:
    """Return the rows of ``commands``, with the first and last position of each command."""
    rows, place = [], 0
    for entry in decided:
        mine = positions[place : place + len(entry.events)]
        place += len(entry.events)
        first, last = (mine[0], mine[-1]) if mine else (None, None)
        rows.append((entry.cause.command_id, entry.fingerprint, entry.result, first, last))
    return rows


def arms_of(decided: Sequence[PendingCommand], encode: Callable[[Event], bytes]) -> tuple[Arm, Arm]:
    """Return the events and the commands of all decisions, in order, as a group appends them."""
    events, causes, commands = list[Any](), list[Any](), list[Any]()
    for entry in decided:
        cause, first = entry.cause, len(events) + 1
        for aggregate, version, event in entry.events:
            events.append((aggregate.id, version, event.topic, encode(event)))
            causes.append((cause.command_id, cause.actor, cause.correlation_id))
        commands.append((cause.command_id, entry.fingerprint, entry.result, first, len(events)))
    return events_arm(events, causes), commands_arm(commands)
