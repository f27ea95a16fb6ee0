"""A question: asked by a person, handed to a department, answered, closed, reopened."""

from __future__ import annotations

from datetime import date
from typing import Any, ClassVar, Literal
from uuid import UUID

from services.helpdesk.dispute import (
    AdjustmentProposed,
    AdjustmentWithdrawn,
    Dispute,
    DisputeDecided,
    DisputedLine,
    Outcome,
)
from shared.errors import Conflict
from shared.eventstore import Aggregate, Event, EventTypes

MAX_TEXT = 4000
"""Characters of a message, without the spaces around it."""

State = Literal["open", "in_progress", "waiting", "answered", "reopened", "closed"]
"""``open``: nobody works on it yet; ``in_progress``: assigned; ``waiting``: for the person, who was
asked back; ``answered``; ``reopened`` by a message after the answer; ``closed`` by staff."""

OWED: tuple[State, ...] = ("open", "in_progress", "reopened")
"""The states in which the department owes an answer by the due day."""

ENDED: tuple[State, ...] = ("answered", "closed")
"""The states in which the department owes nothing, and waits for nothing."""

Author = Literal["person", "staff", "system"]


class QuestionAsked(Event, frozen=True, kw_only=True):
    """A person asked a question; ``text`` is sealed under the question's id.

    ``due_on`` is the last day to answer in time; questions of older versions have none.
    """

    topic: ClassVar[str] = "helpdesk.question_asked.v1"
    number: int
    person_id: UUID
    subject: str
    department: str
    account: str | None
    text: str
    due_on: date | None = None
    attachments: tuple[UUID, ...] = ()
    line: DisputedLine | None = None


class QuestionRouted(Event, frozen=True, kw_only=True):
    """Staff handed the question to another department; ``reason`` is sealed.

    The due day stays, which the person has been told; the assignment ends.
    """

    topic: ClassVar[str] = "helpdesk.question_routed.v1"
    department: str
    reason: str


class QuestionAssigned(Event, frozen=True, kw_only=True):
    """Staff assigned the question to a login of staff, or to nobody; ``reason`` is sealed."""

    topic: ClassVar[str] = "helpdesk.question_assigned.v1"
    to: str | None
    reason: str


class MessageAdded(Event, frozen=True, kw_only=True):
    """The person added a message, which opens the question; ``text`` is sealed.

    ``due_on`` is the due day from now on, None where it stays; ``waited`` counts the working days
    for which the department has waited for this message. ``disputes``: the person does not agree
    with the line that was corrected either.
    """

    topic: ClassVar[str] = "helpdesk.message_added.v1"
    text: str
    due_on: date | None = None
    waited: int = 0
    attachments: tuple[UUID, ...] = ()
    disputes: bool = False


class QuestionAnswered(Event, frozen=True, kw_only=True):
    """Staff answered, by the actor of the record.

    ``text`` is sealed, and so is ``reason``, a note for staff that the person does not see.
    ``waiting_since`` is the day on which staff asked back instead; it stops the clock. An answer
    for which nobody waits any more has ``due_on`` and ``waited``, as `MessageAdded`.
    """

    topic: ClassVar[str] = "helpdesk.question_answered.v1"
    person_id: UUID
    text: str
    reason: str | None = None
    waiting_since: date | None = None
    attachments: tuple[UUID, ...] = ()
    due_on: date | None = None
    waited: int = 0


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
    QuestionAssigned,
    MessageAdded,
    QuestionAnswered,
    QuestionClosed,
    QuestionErased,
    AdjustmentProposed,
    AdjustmentWithdrawn,
    DisputeDecided,
)


class Question(Aggregate):
    """One question; its texts stay sealed here."""

    def __init__(self, id: UUID) -> None:
        super().__init__(id)
        self.person_id: UUID | None = None
        self.department = ""
        self.subject = ""
        self.state: State = "open"
        self.assigned_to: str | None = None
        self.due_on: date | None = None
        self.waiting_since: date | None = None
        self.dispute: Dispute | None = None
        self.erased = False

    def apply(self, event: Any) -> None:
        match event:
            case QuestionAsked():
                self.person_id = event.person_id
                self.department = event.department
                self.subject = event.subject
                self.due_on = event.due_on
                self.dispute = Dispute(event.line) if event.line else None
            case QuestionRouted():
                self.department = event.department
                self._assign(None)
            case QuestionAssigned():
                self._assign(event.to)
            case MessageAdded():
                self.state = state_after_message(self.state, self.assigned_to)
                self.due_on = event.due_on or self.due_on
                self.waiting_since = None
            case QuestionAnswered():
                asked_before = self.waiting_since if self.state == "waiting" else None
                if event.waiting_since and self.state in ENDED:
                    self.due_on = None  # it was kept, or missed: what comes now is owed anew
                self.state = "waiting" if event.waiting_since else "answered"
                # Asked back twice, the clock stands still from the first time on.
                self.waiting_since = event.waiting_since and (asked_before or event.waiting_since)
                self.due_on = event.due_on or self.due_on
            case QuestionClosed():
                self.state = "closed"
            case QuestionErased():
                self.state = "closed"
                self.erased = True
                self.dispute = None
        if self.dispute:
            _follow(self.dispute, event)

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
        due_on: date,
        attachments: tuple[UUID, ...] = (),
        line: DisputedLine | None = None,
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
                due_on=due_on,
                attachments=attachments,
                line=line,
            )
        )

    def route(self, department: str, reason: str) -> None:
        """Hand the question to another department. Raises Conflict ``already_routed``."""
        if department == self.department:
            raise Conflict(
                "already_routed", "The question is with this department already; choose another."
            )
        self.trigger(QuestionRouted(department=department, reason=reason))

    def assign(self, to: str | None, reason: str) -> None:
        """Assign the question to a login, or to nobody.

        Raises Conflict ``already_assigned``, or ``already_closed``.
        """
        if self.state == "closed":
            raise _closed()
        if to == self.assigned_to:
            raise Conflict("already_assigned", "The question is assigned so already.")
        self.trigger(QuestionAssigned(to=to, reason=reason))

    def add_message(
        self,
        text: str,
        *,
        due_on: date | None,
        waited: int = 0,
        attachments: tuple[UUID, ...] = (),
        disputes: bool = False,
    ) -> None:
        """Add a message of the person, which opens the question.

        ``disputes``: he does not agree with the corrected line; without one it says nothing.
        """
        self.trigger(
            MessageAdded(
                text=text,
                due_on=due_on,
                waited=waited,
                attachments=attachments,
                disputes=disputes and self.dispute is not None,
            )
        )

    def answer(
        self,
        text: str,
        reason: str | None,
        *,
        waiting_since: date | None = None,
        attachments: tuple[UUID, ...] = (),
        due_on: date | None = None,
        waited: int = 0,
    ) -> None:
        """Answer the question, or ask back; further answers are added to the first."""
        if self.person_id is None:
            raise RuntimeError("a question must be asked before it is answered")
        self.trigger(
            QuestionAnswered(
                person_id=self.person_id,
                text=text,
                reason=reason,
                waiting_since=waiting_since,
                attachments=attachments,
                due_on=due_on,
                waited=waited,
            )
        )

    def close(self, reason: str) -> None:
        """Close the question. Raises Conflict ``already_closed``."""
        if self.state == "closed":
            raise _closed()
        self.trigger(QuestionClosed(reason=reason))

    def propose(self, proposal_id: UUID) -> None:
        """Note a proposed adjustment of the disputed line; one that is noted stays so.

        Raises Conflict ``not_disputed``.
        """
        if self.dispute is None:
            raise Conflict("not_disputed", "The question is not about a line of a bill.")
        if proposal_id not in self.dispute.proposals:
            self.trigger(AdjustmentProposed(proposal_id=proposal_id))

    def decide(self, proposal_id: UUID, outcome: Outcome) -> None:
        """Note what became of a proposal; a second time, or of another question: nothing."""
        if self.dispute is None or self.person_id is None:
            return
        if self.dispute.proposals.get(proposal_id, outcome) is not None:
            return
        if outcome == "withdrawn":
            self.trigger(AdjustmentWithdrawn(proposal_id=proposal_id))
            return
        self.trigger(
            DisputeDecided(person_id=self.person_id, proposal_id=proposal_id, decision=outcome)
        )

    def _assign(self, to: str | None) -> None:
        self.assigned_to = to
        self.state = state_after_assignment(self.state, to)


def state_after_assignment(state: State, to: str | None) -> State:
    """Return the state of a question that is assigned to somebody, or to nobody."""
    if to is not None:
        return "in_progress" if state in OWED else state
    return "open" if state == "in_progress" else state


def state_after_message(state: State, assigned_to: str | None) -> State:
    """Return the state of a question after a message of the person."""
    if state in ENDED:
        return "reopened"
    if state == "waiting":
        return "in_progress" if assigned_to else "open"
    return state


def _follow(dispute: Dispute, event: Any) -> None:
    match event:
        case AdjustmentProposed():
            dispute.propose(event.proposal_id)
        case AdjustmentWithdrawn():
            dispute.withdraw(event.proposal_id)
        case DisputeDecided():
            dispute.decide(event.proposal_id, event.decision)
        case MessageAdded():
            dispute.go_on(again=event.disputes)
        case QuestionAnswered(waiting_since=None) | QuestionClosed():
            dispute.answer()


def _closed() -> Conflict:
    return Conflict("already_closed", "The question is closed already.")
