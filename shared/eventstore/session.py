"""The unit of work of one command or one batch of reactions.

A use case is a plain function ``handler(session, command)``. It loads aggregates, calls their
decisions, queries the read model and returns. The store appends the events, projects the read model
and stores the command id in one transaction.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Protocol, TypeVar
from uuid import UUID

import msgspec

from shared.clock import Clock
from shared.cooperation import cooperatively
from shared.errors import Conflict, ServiceError
from shared.eventstore.aggregate import Aggregate
from shared.eventstore.events import Event, Recorded
from shared.eventstore.security_log import SecurityLog

A = TypeVar("A", bound=Aggregate)
C = TypeVar("C")
R = TypeVar("R")

PendingEvent = tuple[Aggregate, int, Event]
"""(aggregate, version in its stream, event)."""


def kept_result(kept_fingerprint: bytes, result: bytes, fingerprint: bytes) -> Any:
    """Return the stored result of a command; raises Conflict if the id belongs to another one."""
    if kept_fingerprint != fingerprint:
        raise Conflict(
            "command_reused",
            "This command id was used for another command; choose a new id for a new command.",
        )
    return msgspec.json.decode(result)


def command_content(handler: Callable[..., Any], command: Any) -> bytes:
    """Return what makes a command the same one when its id is repeated.

    A command's Struct may name fields in ``not_compared`` that say from where it came, not what
    was asked: the repetition of a request that was cut off may come from another network.
    """
    left_out: Iterable[str] = getattr(command, "not_compared", ())
    compared = command
    if left_out:
        fields = msgspec.structs.asdict(command)
        compared = {name: value for name, value in fields.items() if name not in left_out}
    return handler.__qualname__.encode() + b" " + msgspec.json.encode(compared)


class ReadModel(Protocol):
    """A service's tables: written from events, read by queries.

    One whose ``project`` neither copies nor counts rows says so by ``writes_only = True``: its
    statements are then sent together with the events.
    """

    def project(self, recorded: Sequence[Recorded], aggregates: Mapping[UUID, Aggregate]) -> None:
        """Update the tables from events, in the transaction that appends them."""
        ...


class Vault(Protocol):
    """Encrypts personal data under a key of its subject; destroying the key erases the subject."""

    def seal(self, subject: UUID, text: str, field: str) -> str:
        """Return the encrypted form of a field's text, which an event may hold.

        It is bound to the subject and to the name of the field: it opens as nothing else.
        """
        ...

    def reveal(self, subject: UUID, sealed: str, field: str) -> str | None:
        """Return the text, or None when the subject's key has been destroyed."""
        ...

    def fetch_keys(self, subjects: Sequence[UUID]) -> None:
        """Have the keys of several subjects ready, so that revealing their texts asks no more."""
        ...

    def new_keys(self, subjects: Sequence[UUID]) -> None:
        """Make keys for those subjects that have none yet, and have all of them ready.

        They are committed at once, by few round trips, however many they are. Raises
        shared.privacy.KeyDestroyedError for a subject whose key has been destroyed.
        """
        ...

    def destroy(self, subject: UUID) -> None:
        """Destroy the subject's key for good, once this unit of work is committed.

        From the commit on nobody reads it; a job deletes it, after a crash as well.
        """
        ...


class Session(ABC):
    """One unit of work; see the module docstring."""

    cursor: Any = None
    """The cursor of the transaction; None where there is no database."""
    from_log = False
    """Whether to read aggregates from the log alone: a row has proved to be ahead of its stream."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._aggregates: dict[UUID, Aggregate] = {}
        self._journal: list[PendingEvent] = []

    @property
    def now(self) -> datetime:
        return self.clock.now()

    @property
    def today(self) -> date:
        return self.clock.today()

    def load(self, cls: type[A], id: UUID) -> A:
        """Return an aggregate with its whole history applied (version 0: there is none).

        Within a session the same id gives the same object, so that a later message of a batch sees
        the effect of an earlier one. New events are appended when the session ends.
        """
        known = self._aggregates.get(id)
        if known is None:
            known = cls(id)
            for event in cooperatively(self._stream(id)):
                known.replay(event)
            known._journal = self._journal
            self._aggregates[id] = known
        if not isinstance(known, cls):
            raise TypeError(f"stream {id} belongs to a {type(known).__name__}")
        return known

    # An aggregate can also be read from its row (peek) and adopted, unless it takes part already
    # (has) or rows are not to be trusted (from_log). What its row cannot decide takes a reload.

    def has(self, id: UUID) -> bool:
        """Return whether an aggregate takes part in this unit of work."""
        return id in self._aggregates

    def adopt(self, aggregate: Aggregate) -> None:
        """Let an aggregate that was read from its row take part in this unit of work."""
        aggregate._journal = self._journal
        self._aggregates[aggregate.id] = aggregate

    def reload(self, cls: type[A], id: UUID) -> A:
        """Return an aggregate with its whole history, in the place of one that was adopted."""
        self.flush()
        self._aggregates.pop(id, None)
        return self.load(cls, id)

    @property
    def peek(self) -> Any:
        """The service's read model, without the pending events."""
        return self._read_model()

    @property
    def read(self) -> Any:
        """The service's read model, with all pending events written."""
        self.flush()
        return self._read_model()

    @property
    @abstractmethod
    def vault(self) -> Vault:
        """The vault for personal data of this service."""

    @property
    @abstractmethod
    def security(self) -> SecurityLog:
        """The security log of this service."""

    def flush(self) -> Sequence[Recorded]:
        """Append and project the pending events; does nothing when there are none."""
        if not self._journal:
            return ()
        pending = list(self._journal)
        self._journal.clear()
        recorded = self._append(pending)
        self._read_model().project(recorded, self._aggregates)
        return recorded

    @abstractmethod
    def history(self, id: UUID) -> Sequence[Recorded]:
        """Return the event history of an aggregate: times, causes and events, in order."""

    @abstractmethod
    def histories(self, ids: Sequence[UUID]) -> Mapping[UUID, Sequence[Recorded]]:
        """Return the event histories of several aggregates by one query, without empty ones."""

    @abstractmethod
    def _stream(self, id: UUID) -> Iterable[Event]:
        """Return the events of a stream, in order."""

    @abstractmethod
    def _append(self, pending: Sequence[PendingEvent]) -> Sequence[Recorded]:
        """Append events to the log; raises on a version conflict."""

    @abstractmethod
    def _read_model(self) -> ReadModel:
        """Return the read model bound to this transaction."""


class Store(Protocol):
    """Runs use cases."""

    service: str
    clock: Clock

    def execute(self, handler: Callable[[Any, C], R], command: C, *, final: bool = True) -> R:
        """Execute a command exactly once, and return its result.

        The command id of the request context is stored with the result (JSON without secrets and
        personal data). Repeating the id returns the same result; with other content it raises
        Conflict ``command_reused``. After a version conflict the handler runs again on fresh
        state, so it must have no effect outside the session. Raises Unavailable when the database
        does not respond; the same command may then be sent again.

        What the handler refuses with is raised, and holds for each execution of the same command
        that was asked for before (see shared.eventstore.refusals), unless it is not `final`: for
        callers that go on after it, and tell what they are left with by `refuse`.
        """
        ...

    def refuse(self, handler: Callable[[Any, C], R], command: C, refusal: ServiceError) -> R:
        """Raise what a command is refused with in the end, as `execute` does for a refusal.

        Returns the result if the same command, sent twice at once, has been executed meanwhile.
        """
        ...

    def transact(self, handler: Callable[[Any, C], R], command: C) -> R:
        """Run a command in one transaction without storing its result.

        For results that must not be stored (a session token, a code) or need not be.
        """
        ...

    def query(self, handler: Callable[[Any], R]) -> R:
        """Run a function that only reads; appending raises."""
        ...

    def look(self, handler: Callable[[Any], R]) -> R:
        """Run a function that reads by one statement, or by some that need no common snapshot."""
        ...

    def hash_key(self, purpose: str) -> bytes:
        """Return the service's key of keyed hashes for one purpose, the same for ever."""
        ...
