"""A question: asked by a person, handed to a department, answered, closed, reopened."""

from __future__ import annotations

from typing import Any, ClassVar, Literal
from uuid import UUID

from shared.errors import Conflict
from shared.eventstore import Aggregate, Event, EventTypes

MAX_TEXT = 4000
"""Characters of a message, without the spaces around it."""

State = Literal["open", "answered", "closed"]
"""``open``: the department must answer; ``answered``: it has answered; ``closed``: staff have
finished with it. A message of the person reopens it."""

Author = Literal["person", "staff"]


class QuestionAsked(Event, frozen=True, kw_only=True):
    """A person asked a question; ``text`` is sealed under the question's id."""

    topic: ClassVar[str] = "helpdesk.question_asked.v1"
    number: int
    person_id: UUID
    subject: str
    department: str
    account: str | None
    text: str


class QuestionRouted(Event, frozen=True, kw_only=True):
    """Staff handed the question to another department; ``reason`` is sealed."""

    topic: ClassVar[str] = "helpdesk.question_routed.v1"
    department: str
    reason: str


class MessageAdded(Event, frozen=True, kw_only=True):
    """The person added a message, which opens the question; ``text`` is sealed."""

    topic: ClassVar[str] = "helpdesk.message_added.v1"
    text: str


class QuestionAnswered(Event, frozen=True, kw_only=True):
    """Staff answered, by the actor of the record.

    ``text`` is sealed, and so is ``reason``, a note for staff that the person does not see.
    """

    topic: ClassVar[str] = "helpdesk.question_answered.v1"
    person_id: UUID
    text: str
    reason: str | None = None


class QuestionClosed(Event, frozen=True, kw_only=True):
    """Staff closed the question; ``reason`` is sealed."""

    topic: ClassVar[str] = "helpdesk.question_closed.v1"
    reason: str


class QuestionErased(Event, frozen=True, kw_only=True):
    """The person was erased: the question's key is destroyed, and with it every text."""

    topic: ClassVar[str] = "helpdesk.question_erased.v1"


EVENTS = EventTypes(
    QuestionAsked,
    QuestionRouted,
    MessageAdded,
    QuestionAnswered,
    QuestionClosed,
    QuestionErased,
)


class Question(Aggregate):
    """One question; its texts stay sealed here."""

    def __init__(self, id: UUID) -> None:
        super().__init__(id)
        self.person_id: UUID | None = None
        self.department = ""
        self.state: State = "open"
        self.erased = False

    def apply(self, event: Any) -> None:
        match event:
            case QuestionAsked():
                self.person_id = event.person_id
                self.department = event.department
            case QuestionRouted():
                self.department = event.department
            case MessageAdded():
                self.state = "open"
            case QuestionAnswered():
                self.state = "answered"
            case QuestionClosed():
                self.state = "closed"
            case QuestionErased():
                self.state = "closed"
                self.erased = True

    def erase(self) -> None:
        """Erase the question; one that is erased stays so. The caller destroys the key."""
        if not self.erased:
            self.trigger(QuestionErased())

    def ask(
        self,
        *,
        number: int,
        person_id: UUID,
        subject: str,
        department: str,
        account: str | None,
        text: str,
    ) -> None:
        """Ask the question; ``number`` is the short one for people, ``subject`` the topic's id."""
        if self.person_id is not None:
            raise Conflict("question_exists", "This question has been asked; add a message to it.")
        self.trigger(
            QuestionAsked(
                number=number,
                person_id=person_id,
                subject=subject,
                department=department,
                account=account,
                text=text,
            )
        )

    def route(self, department: str, reason: str) -> None:
        """Hand the question to another department. Raises Conflict ``already_routed``."""
        if department == self.department:
            raise Conflict(
                "already_routed", "The question is with this department already; choose another."
            )
        self.trigger(QuestionRouted(department=department, reason=reason))

    def add_message(self, text: str) -> None:
        """Add a message of the person, which opens the question."""
        self.trigger(MessageAdded(text=text))

    def answer(self, text: str, reason: str | None) -> None:
        """Answer the question; further answers are added to the first."""
        if self.person_id is None:
            raise RuntimeError("a question must be asked before it is answered")
        self.trigger(QuestionAnswered(person_id=self.person_id, text=text, reason=reason))

    def close(self, reason: str) -> None:
        """Close the question. Raises Conflict ``already_closed``."""
        if self.state == "closed":
            raise Conflict("already_closed", "The question is closed already.")
        self.trigger(QuestionClosed(reason=reason))
