"""Which of the optional letters a person wants: all of them, until he switches one off.

The events have the kind of letter and how it was chosen; whose choice it is, is the aggregate's id.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

from shared.contracts.notifications import LetterKind
from shared.eventstore import Aggregate, Event


class Way(StrEnum):
    """How a choice was made: in the cabinet or the API, or by the link of a letter."""

    CABINET = "cabinet"
    LINK = "link"


class LettersChosen(Event, frozen=True, kw_only=True):
    """A person switched the letters of a kind on or off."""

    topic: ClassVar[str] = "notifications.letters_chosen.v1"
    kind: str
    wanted: bool
    way: Way


class ChoicesErased(Event, frozen=True, kw_only=True):
    """The person was erased; whatever link is followed from now on chooses nothing."""

    topic: ClassVar[str] = "notifications.choices_erased.v1"


class Choices(Aggregate):
    """The choices of one person, by the person's id."""

    def __init__(self, id: UUID) -> None:
        super().__init__(id)
        self.unwanted: set[str] = set()
        self.erased = False

    def choose(self, kind: LetterKind, way: Way, *, wanted: bool) -> None:
        """Switch the letters of an optional kind on or off; what is so already makes no event."""
        if not self.erased and wanted is (kind in self.unwanted):
            self.trigger(LettersChosen(kind=kind.value, wanted=wanted, way=way))

    def erase(self) -> None:
        """Forget the choices, and take no further one."""
        if not self.erased:
            self.trigger(ChoicesErased())

    def apply(self, event: Any) -> None:
        match event:
            case LettersChosen(wanted=True):
                self.unwanted.discard(event.kind)
            case LettersChosen():
                self.unwanted.add(event.kind)
            case ChoicesErased():
                self.unwanted.clear()
                self.erased = True
