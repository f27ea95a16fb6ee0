"""Letters about questions: to the person, and to the department. None quotes what was written."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from services.notifications.application import ClaimedLetter
from services.notifications.recipes.frame import RUSSIAN, Asking, Draft, recipe
from shared.contracts.notifications import LetterKind
from shared.logs import get_logger

log = get_logger(__name__)

_OWED = ("open", "in_progress", "reopened")
"""The states in which a department owes an answer."""


@recipe(LetterKind.QUESTION_ACCEPTED)
def question_accepted(asking: Asking, letter: ClaimedLetter) -> Draft | None:
    """Return the acknowledgement of a question."""
    return _to_asker(asking, letter)


@recipe(LetterKind.QUESTION_ANSWERED)
def question_answered(asking: Asking, letter: ClaimedLetter) -> Draft | None:
    """Return the news that there is an answer."""
    return _to_asker(asking, letter)


@recipe(LetterKind.QUESTION_CLOSED)
def question_closed(asking: Asking, letter: ClaimedLetter) -> Draft | None:
    """Return the news that the question is closed."""
    return _to_asker(asking, letter)


@recipe(LetterKind.DISPUTE_DECIDED)
def dispute_decided(asking: Asking, letter: ClaimedLetter) -> Draft | None:
    """Return what became of the line that the person disputes."""
    question = _question(asking, letter)
    if question is None or question["dispute"] is None:
        return None
    person_id = UUID(question["person_id"])
    contact = asking.contact(person_id)
    if contact is None:
        return None
    facts = {
        "question_id": letter.refs["question_id"],
        "number": question["number"],
        "account": question["dispute"]["account"],
        "period": question["dispute"]["period"],
        "approved": letter.refs["approved"],
        "answered": question["state"] == "answered",
        "owed": question["state"] in _OWED,
    }
    return Draft(to=contact.email, language=contact.language, facts=facts, person_id=person_id)


@recipe(LetterKind.QUESTION_TO_DEPARTMENT)
def question_to_department(asking: Asking, letter: ClaimedLetter) -> Draft | None:
    """Return the number of a question, for its department."""
    question = _question(asking, letter)
    if question is None:
        return None
    if question["department_email"] is None:
        log.error("department_without_mailbox", question_id=letter.refs["question_id"])
        return None
    facts = {**_headline(question, RUSSIAN), "account": question["account"]}
    return Draft(to=question["department_email"], language=RUSSIAN, facts=facts)


def _to_asker(asking: Asking, letter: ClaimedLetter) -> Draft | None:
    question = _question(asking, letter)
    if question is None:
        return None
    person_id = UUID(question["person_id"])
    contact = asking.contact(person_id)
    if contact is None:
        return None
    facts = {
        "question_id": letter.refs["question_id"],
        "waits": question["state"] == "waiting",
        **_headline(question, contact.language),
    }
    return Draft(to=contact.email, language=contact.language, facts=facts, person_id=person_id)


def _question(asking: Asking, letter: ClaimedLetter) -> dict[str, Any] | None:
    """Return the facts of a question; None if it has been erased since."""
    return asking.ask("helpdesk", "letter_of", question_id=letter.refs["question_id"])


def _headline(question: dict[str, Any], language: str) -> dict[str, Any]:
    suffix = "" if language == RUSSIAN else f"_{language}"
    return {
        "number": question["number"],
        "topic_title": question[f"topic_title{suffix}"],
        "department_title": question[f"department_title{suffix}"],
        "due_on": question["due_on"],
    }
