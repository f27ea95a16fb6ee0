"""The base class of aggregates: state that only events change."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any
from uuid import UUID

from shared.eventstore.events import Event


class NeedsHistoryError(Exception):
    """A decision takes the whole history of an aggregate, and this one was read from a row."""


class Aggregate(ABC):
    """One consistency boundary: it checks a rule against its state, then triggers an event.

    ``version`` is the number of its events; 0 means that it does not exist yet. A subclass sets
    its initial state in ``__init__`` (after ``super().__init__``) and changes it in ``apply``
    alone.
    """

    def __init__(self, id: UUID) -> None:
        self.id = id
        self.version = 0
        self._journal: list[tuple[Any, int, Event]] = []

    @abstractmethod
    def apply(self, event: Any) -> None:
        """Change the state by one event; never refuses, because the event has happened."""

    def trigger(self, event: Event) -> None:
        """Apply a new event and queue it to be appended."""
        self.apply(event)
        self.version += 1
        self._journal.append((self, self.version, event))

    def replay(self, event: Event) -> None:
        """Apply an event of the log."""
        self.apply(event)
        self.version += 1

    @property
    def pending(self) -> list[Event]:
        """The events triggered and not appended yet."""
        return [event for owner, _, event in self._journal if owner is self]

    def take_pending(self) -> list[Event]:
        """Remove and return the pending events: the caller appends them in bulk."""
        journal = self._journal
        taken = [event for owner, _, event in journal if owner is self]
        if len(taken) == len(journal):
            journal.clear()
        else:
            journal[:] = [entry for entry in journal if entry[0] is not self]
        return taken
