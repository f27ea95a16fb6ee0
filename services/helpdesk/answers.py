"""The JSON results of the help desk, with titles from the directory."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import Any

from services.helpdesk.departments import Directory
from services.helpdesk.domain import OWED
from services.helpdesk.due_days import DueDays
from services.helpdesk.views import QuestionView
from shared.account_key import FIRST, number_of, tenure_of


class Summaries:
    """Questions for lists, with titles, and with what holds of their due days today."""

    def __init__(self, directory: Directory, days: DueDays, today: date) -> None:
        self._directory = directory
        self._days = days
        self._today = today
        self._soon = days.next_working_day(today)

    def for_person(self, view: QuestionView) -> dict[str, Any]:
        """Return a question for whoever asked it."""
        return {**self._summary(view), "unread": view.unread}

    def for_staff(self, view: QuestionView, closed: Collection[str]) -> dict[str, Any]:
        """Return a question for staff, whose name of the account tells a former holder's."""
        return {
            **self._summary(view),
            "account": named_for_staff(view.account, closed),
            "due_soon": view.state in OWED and self._today <= view.due_on <= self._soon,
            "assigned_to": view.assigned_to,
            "unseen": view.unseen,
        }

    def _summary(self, view: QuestionView) -> dict[str, Any]:
        topic = self._directory.topic_title(view.topic)
        department = self._directory.department_title(view.department)
        return {
            "question_id": str(view.question_id),
            "number": view.number,
            "topic": view.topic,
            "title": topic.ru,
            "title_en": topic.en,
            "department": view.department,
            "department_title": department.ru,
            "department_title_en": department.en,
            "account": view.account and number_of(view.account),
            "state": view.state,
            "asked_at": view.asked_at,
            "last_message_at": view.last_message_at,
            # A department that owes no answer has no due day.
            "due_on": view.due_on.isoformat() if view.state in OWED else None,
            "overdue": self._days.is_overdue(view.state, view.due_on, self._today),
        }


def named_for_staff(account: str | None, closed: Collection[str]) -> str | None:
    """Return an account as staff may type it; ``closed`` are keys of closed accounts.

    A number alone is the account of now: the first holder's is ``NUMBER-1`` when it is closed.
    """
    if account and account in closed and tenure_of(account) == FIRST:
        return f"{account}-{FIRST}"
    return account


def letter_facts(
    view: QuestionView, directory: Directory, closed: Collection[str]
) -> dict[str, Any]:
    """Return the facts of letters, which quote nothing of the question or its answers.

    ``account`` is as staff name it: of these letters the department's alone has it. The mailbox of
    a department that is no longer listed is None.
    """
    topic = directory.topic_title(view.topic)
    department = directory.department_title(view.department)
    return {
        "person_id": str(view.person_id),
        "number": view.number,
        "state": view.state,
        "department_email": directory.department_email(view.department),
        "department": view.department,
        "department_title": department.ru,
        "department_title_en": department.en,
        "topic_title": topic.ru,
        "topic_title_en": topic.en,
        "account": named_for_staff(view.account, closed),
        "due_on": view.due_on.isoformat(),
    }
