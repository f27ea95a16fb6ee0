"""Until when the help desk answers a question, by working days."""

from __future__ import annotations

from datetime import date

from services.helpdesk.departments import Directory
from services.helpdesk.domain import OWED, Question, State
from shared.working_days import WorkingDays


class DueDays:
    """The due days of questions by the operator's promises and the production calendar."""

    def __init__(self, directory: Directory, calendar: WorkingDays) -> None:
        self._directory = directory
        self._calendar = calendar

    def due(self, topic: str, department: str, asked_on: date) -> date:
        """Return the last day to answer in time a question that was asked on a day."""
        return self._calendar.after(asked_on, self._directory.answer_within(topic, department))

    def after_message(self, question: Question, today: date) -> tuple[date | None, int]:
        """Return the due day after a message of the person, and the working days waited for it.

        None: it stays, as one does that had passed before staff asked back. The clock starts again
        after an answer, also where staff asked back after it; while the department waited for the
        person it stood still, and at least one working day is left.
        """
        if question.state in OWED:
            return None, 0
        promised = self.due(question.subject, question.department, today)
        if question.state != "waiting" or question.waiting_since is None:
            return promised, 0
        waited = self._calendar.between(question.waiting_since, today)
        if question.due_on is None:
            return promised, waited
        if question.due_on < question.waiting_since:
            return None, waited
        left = self._calendar.between(question.waiting_since, question.due_on)
        return self._calendar.after(today, max(1, left)), waited

    def is_overdue(self, state: State, due_on: date, today: date) -> bool:
        """Return whether the department owes an answer that should have come before today."""
        return state in OWED and due_on < today

    def next_working_day(self, today: date) -> date:
        """Return the next working day: what is due until then is due soon."""
        return self._calendar.after(today, 1)
