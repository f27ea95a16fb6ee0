"""The JSON results of the help desk, with titles from the directory."""

from __future__ import annotations

from typing import Any

from services.helpdesk.departments import Directory
from services.helpdesk.views import QuestionView
from shared.account_key import number_of


def question_summary(view: QuestionView, directory: Directory) -> dict[str, Any]:
    """Return a question for a list, with the titles of its topic and department."""
    topic = directory.topic_title(view.topic)
    department = directory.department_title(view.department)
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
    }


def letter_facts(
    view: QuestionView, messages: list[dict[str, Any]], directory: Directory
) -> dict[str, Any]:
    """Return the facts of letters: ``text`` is the question, ``answer`` the last answer or None.

    An erased text is None, and so is the mailbox of a department that is no longer listed.
    """
    answers = [message["text"] for message in messages if message["author"] == "staff"]
    return {
        "person_id": str(view.person_id),
        "number": view.number,
        "department_email": directory.department_email(view.department),
        "department_title": directory.department_title(view.department).ru,
        "topic_title": directory.topic_title(view.topic).ru,
        "account": view.account and number_of(view.account),
        "text": messages[0]["text"],
        "answer": answers[-1] if answers else None,
    }
