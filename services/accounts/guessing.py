"""Guessing: somebody tries many proofs of one account, and its owners are told."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from shared.eventstore import Aggregate, Event
from shared.ids import NAMESPACE, derived_id


def guessing_id(number: str) -> UUID:
    """Return the id of the stream about guesses of an account."""
    return derived_id(NAMESPACE, "guessing", number)


class ProofsGuessed(Event, frozen=True, kw_only=True):
    """An account had many wrong proofs within a day; its owners get a letter."""

    topic: ClassVar[str] = "accounts.proofs_guessed.v1"
    number: str
    tenure: int
    attempts: int
    owner_ids: tuple[UUID, ...]


class Guessing(Aggregate):
    """What was noticed of one account."""

    def apply(self, event: Any) -> None:
        """Nothing is decided by what was noticed before."""

    def notice(self, event: ProofsGuessed) -> None:
        """Record the wrong proofs of a day."""
        self.trigger(event)
