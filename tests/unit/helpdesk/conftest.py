"""A help desk on the in-memory store."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from helpdesk_doubles import FakeReadModel

from services.helpdesk.application import (
    AddMessage,
    AskQuestion,
    QuestionUseCases,
    messages_of,
    question_of,
)
from services.helpdesk.departments import Directory, load_directory
from services.helpdesk.domain import EVENTS
from services.helpdesk.handling import (
    AnswerQuestion,
    AssignQuestion,
    CloseQuestion,
    RouteQuestion,
    StaffUseCases,
    close_question,
)
from services.helpdesk.views import QuestionView
from shared.context import bind
from shared.eventstore import MemoryStore
from shared.working_days import load_working_days
from tests.fixed_clock import FixedClock


class HelpdeskHarness:
    """The help desk on the in-memory store, with shortcuts for its use cases."""

    def __init__(self) -> None:
        self.clock = FixedClock(datetime(2026, 11, 10, 9, tzinfo=UTC))
        self.store = MemoryStore(EVENTS, FakeReadModel(), self.clock)
        self.directory: Directory = load_directory({})
        self.calendar = load_working_days({})
        self.use_cases = QuestionUseCases(self.directory, self.calendar)
        self.staff_use_cases = StaffUseCases(self.directory, self.calendar)

    def ask(self, person_id: UUID, text: str = "Почему выросла сумма?", **changes: Any) -> UUID:
        return UUID(self.asked(person_id, text, **changes)["question_id"])

    def asked(self, person_id: UUID, text: str, **changes: Any) -> dict[str, Any]:
        fields = {"topic": "charges", "account": None} | changes
        command = AskQuestion(person_id=person_id, text=text, **fields)
        return self.store.execute(self.use_cases.ask, command)

    def add_message(
        self, person_id: UUID, question_id: UUID, text: str, *, disputes: bool = False
    ) -> dict[str, Any]:
        command = AddMessage(
            person_id=person_id, question_id=question_id, text=text, disputes=disputes
        )
        return self.store.execute(self.use_cases.add_message, command)

    def show(self, question_id: UUID) -> None:
        """Show staff all messages."""
        shown = len(self.messages(question_id))
        self.store.query(lambda session: session.read.note_seen(question_id, shown))

    def answer(
        self,
        question_id: UUID,
        text: str,
        reason: str = "",
        *,
        wait: bool = False,
        shown: bool = True,
    ) -> dict[str, Any]:
        """Answer as staff do, who have been shown the question."""
        if shown:
            self.show(question_id)
        with bind(actor="staff:olga"):
            command = AnswerQuestion(question_id=question_id, text=text, reason=reason, wait=wait)
            return self.store.execute(self.staff_use_cases.answer, command)

    def route(self, question_id: UUID, department: str) -> dict[str, Any]:
        command = RouteQuestion(question_id=question_id, department=department, reason="r")
        return self.store.execute(self.staff_use_cases.route, command)

    def assign(self, question_id: UUID, to: str | None) -> dict[str, Any]:
        command = AssignQuestion(question_id=question_id, to=to)
        return self.store.execute(self.staff_use_cases.assign, command)

    def close(self, question_id: UUID, *, shown: bool = True) -> dict[str, Any]:
        if shown:
            self.show(question_id)
        command = CloseQuestion(question_id=question_id, reason="r")
        return self.store.execute(close_question, command)

    def view(self, question_id: UUID) -> QuestionView:
        return self.store.query(lambda session: question_of(session, question_id))

    def messages(self, question_id: UUID) -> list[dict[str, Any]]:
        return self.store.query(lambda session: messages_of(session, question_id))


@pytest.fixture
def helpdesk() -> HelpdeskHarness:
    return HelpdeskHarness()
