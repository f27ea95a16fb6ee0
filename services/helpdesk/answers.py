"""The JSON results of the help desk, with titles from the directory."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from services.helpdesk.departments import Directory
from services.helpdesk.views import QuestionView
from shared.account_key import FIRST, number_of, tenure_of


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


def summary_for_staff(
    view: QuestionView, directory: Directory, closed: Collection[str]
) -> dict[str, Any]:
    """Return a question for staff, whose name of the account tells a former holder's."""
    return {**question_summary(view, directory), "account": named_for_staff(view.account, closed)}


def named_for_staff(account: str | None, closed: Collection[str]) -> str | None:
    """Return an account as staff may type it; ``closed`` are keys of closed accounts.

    A number alone is the account of now: the first holder's is ``NUMBER-1`` when it is closed.
    """
    if account and account in closed and tenure_of(account) == FIRST:
        return f"{account}-{FIRST}"
    return account


def letter_facts(
    view: QuestionView,
    messages: list[dict[str, Any]],
    directory: Directory,
    closed: Collection[str],
) -> dict[str, Any]:
    """Return the facts of letters: ``text`` is the question, ``answer`` the last answer or None.

    ``account`` is as staff name it: of these letters the department's alone has it. An erased text
    is None, and so is the mailbox of a department that is no longer listed.
    """
    answers = [message["text"] for message in messages if message["author"] == "staff"]
    return {
        "person_id": str(view.person_id),
        "number": view.number,
        "department_email": directory.department_email(view.department),
        "department_title": directory.department_title(view.department).ru,
        "topic_title": directory.topic_title(view.topic).ru,
        "account": named_for_staff(view.account, closed),
        "text": messages[0]["text"],
        "answer": answers[-1] if answers else None,
    }
