"""The unit of work: what one command, or one batch of reactions, reads and writes.

A use case is a plain function ``handler(session, command)``. It loads aggregates, lets them
decide, asks the read model, and returns; the store appends the events, projects the read model
and keeps the command id in one transaction.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Protocol, TypeVar
from uuid import UUID

from shared.clock import Clock
from shared.eventstore.aggregate import Aggregate
from shared.eventstore.events import Event, Recorded

A = TypeVar("A", bound=Aggregate)
C = TypeVar("C")
R = TypeVar("R")

PendingEvent = tuple[Aggregate, int, Event]
"""(its aggregate, its version in the aggregate's stream, the event)."""


class ReadModel(Protocol):
    """A service's tables: written from events, read by queries."""

    def project(self, recorded: Sequence[Recorded], aggregates: Mapping[UUID, Aggregate]) -> None:
        """Write what the events mean to the tables, inside the transaction that appends them."""
        ...


class Vault(Protocol):
    """Personal data, sealed under a key of its subject; destroying the key erases the subject."""

    def seal(self, subject: UUID, text: str) -> str:
        """Return the sealed form of a text, fit to stand in an event."""
        ...

    def reveal(self, subject: UUID, sealed: str) -> str | None:
        """Return the text, or None when the subject's key has been destroyed."""
        ...

    def destroy(self, subject: UUID) -> None:
        """Forget the subject's key for good."""
        ...


class Session(ABC):
    """One unit of work; see the module."""

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

    def load(self, cls: type[A], id: UUID) -> A:  # noqa: A002
        """Return an aggregate with its whole history applied (version 0: there is none).

        Within a session the same id gives the same object, so that a second command in the same
        batch sees what the first one did. Its new events are appended when the session ends.
        """
        known = self._aggregates.get(id)
        if known is None:
            known = cls(id)
            for event in self._history(id):
                known.replay(event)
            known._journal = self._journal
            self._aggregates[id] = known
        if not isinstance(known, cls):
            raise TypeError(f"stream {id} belongs to a {type(known).__name__}")
        return known

    @property
    def read(self) -> Any:
        """The service's read model; pending events are written first, so it is up to date."""
        self.flush()
        return self._read_model()

    @property
    @abstractmethod
    def vault(self) -> Vault:
        """The keys of the people whose data this service holds."""

    def flush(self) -> Sequence[Recorded]:
        """Append the pending events and project them; harmless when there are none."""
        if not self._journal:
            return ()
        pending = list(self._journal)
        self._journal.clear()
        recorded = self._append(pending)
        self._read_model().project(recorded, self._aggregates)
        return recorded

    @abstractmethod
    def story(self, id: UUID) -> Sequence[Recorded]:  # noqa: A002
        """Return the recorded events of one stream, with their times and causes, in order."""

    @abstractmethod
    def _history(self, id: UUID) -> Iterable[Event]:  # noqa: A002
        """Return the events of a stream in the order of their versions."""

    @abstractmethod
    def _append(self, pending: Sequence[PendingEvent]) -> Sequence[Recorded]:
        """Write events to the log; raises on a conflict of versions."""

    @abstractmethod
    def _read_model(self) -> ReadModel:
        """Return the read model bound to this transaction."""


class Store(Protocol):
    """What services run their use cases on."""

    def execute(self, handler: Callable[[Any, C], R], command: C) -> R:
        """Run a command once, whatever happens.

        The command id of the request context is kept with the result (JSON, free of secrets and
        of personal data): the same id answers the same result again, and with other content
        raises Conflict ``command_reused``. On a conflict of versions the handler runs again on
        fresh state, so it must have no effect outside the session. Raises Unavailable when the
        database does not answer; the same command may then be sent again.
        """
        ...

    def transact(self, handler: Callable[[Any, C], R], command: C) -> R:
        """Run a command in one transaction without keeping its result.

        For what must not be remembered (a session token, a code) or needs no memory.
        """
        ...

    def query(self, handler: Callable[[Any], R]) -> R:
        """Run a reading function; whatever it might append is refused."""
        ...
