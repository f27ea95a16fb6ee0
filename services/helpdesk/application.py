"""The use cases of persons: ask, add a message, read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, ClassVar
from uuid import UUID

import msgspec

from services.helpdesk.attachment import Attachment, owned_by_person
from services.helpdesk.attachments import by_message, erase_attachments, numbered, usable
from services.helpdesk.departments import Directory
from services.helpdesk.dispute import DisputedLine
from services.helpdesk.domain import MAX_TEXT, Question
from services.helpdesk.due_days import DueDays
from services.helpdesk.limits import DAY, exceeded
from services.helpdesk.views import DisputeView, MessageView, QuestionView
from shared import context
from shared.account_key import number_of
from shared.errors import Forbidden, NotFound, ValidationFailed
from shared.eventstore import Session
from shared.ids import new_id
from shared.visible_text import has_signs, without_shapeless
from shared.working_days import WorkingDays

READING = timedelta(minutes=10)
"""How long the parts of a file that staff read are one reading of it."""


class AskQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """``account`` is the key of a linked account of the person, or None.

    ``house`` is where that is, without the flat; it is not kept. ``attachments`` are files that the
    person has sent, ``contents`` their digests: a form that is sent twice brings them twice, under
    other ids.
    """

    not_compared: ClassVar = ("house", "attachments")

    person_id: UUID
    topic: str
    account: str | None
    text: str
    house: str | None = None
    attachments: tuple[UUID, ...] = ()
    contents: tuple[str, ...] = ()
    line: DisputedLine | None = None


class AddMessage(msgspec.Struct, frozen=True, kw_only=True):
    """``attachments`` and ``contents`` as of `AskQuestion`.

    ``disputes``: the person does not agree with the disputed line as it was corrected.
    """

    not_compared: ClassVar = ("attachments",)

    person_id: UUID
    question_id: UUID
    text: str
    attachments: tuple[UUID, ...] = ()
    contents: tuple[str, ...] = ()
    disputes: bool = False


class QuestionUseCases:
    """The use cases that depend on the directory of departments and on the working days."""

    def __init__(self, directory: Directory, calendar: WorkingDays) -> None:
        self._directory = directory
        self._days = DueDays(directory, calendar)

    def ask(self, session: Session, command: AskQuestion) -> dict[str, Any]:
        """Ask a question, which is handed to the department of its topic and house.

        Raises ValidationFailed ``unknown_topic`` or ``invalid_text``, Forbidden
        ``too_many_questions`` or ``too_many_messages``, and as `attachments.usable`.
        """
        text = clean_text(command.text)
        department = self._directory.department_of(command.topic, command.house)
        # The row of the counter stays locked until the commit, so that concurrent questions are
        # all counted.
        number = session.read.next_number()
        self._check_limits(session, command.person_id, asking=True)
        due_on = self._days.due(command.topic, department, session.today)
        question = session.load(Question, new_id())
        question.ask(
            number=number,
            person_id=command.person_id,
            subject=command.topic,
            department=department,
            account=command.account,
            text=session.vault.seal(question.id, text, "text"),
            due_on=due_on,
            attachments=usable(session, owned_by_person(command.person_id), command.attachments),
            line=command.line,
        )
        return {
            "question_id": str(question.id),
            "number": number,
            "department": department,
            "department_title": self._directory.department_title(department).ru,
            "due_on": due_on.isoformat(),
        }

    def add_message(self, session: Session, command: AddMessage) -> dict[str, Any]:
        """Add a message to the person's own question.

        Raises NotFound ``question_not_found`` (also for somebody else's), ValidationFailed
        ``invalid_text``, Forbidden ``too_many_messages``, and as `attachments.usable`.
        """
        text = clean_text(command.text)
        question = session.load(Question, command.question_id)
        if question.person_id != command.person_id or question.erased:
            raise not_found()
        self._check_limits(session, command.person_id, asking=False)
        due_on, waited = self._days.after_message(question, session.today)
        question.add_message(
            session.vault.seal(question.id, text, "text"),
            due_on=due_on,
            waited=waited,
            attachments=usable(session, owned_by_person(command.person_id), command.attachments),
            disputes=command.disputes,
        )
        return {"question_id": str(question.id), "state": question.state}

    def _check_limits(self, session: Session, person_id: UUID, *, asking: bool) -> None:
        limits, now = self._directory.limits, session.now
        most = limits.questions_per_day
        reached = session.read.question_asked(person_id, now - DAY, most) if asking else None
        if reached is not None:
            raise Forbidden(
                "too_many_questions",
                "Too many questions within a day; add to a question that you have asked.",
                **exceeded("questions_per_day", most, reached, now),
            )
        most = limits.messages_per_day
        reached = session.read.message_written(person_id, now - DAY, most)
        if reached is not None:
            raise Forbidden(
                "too_many_messages",
                "Too many messages within a day; write again tomorrow.",
                **exceeded("messages_per_day", most, reached, now),
            )


def erase_questions(session: Session, person_id: UUID) -> int:
    """Erase every question of a person with its files; return how many there were."""
    ids: list[UUID] = session.read.question_ids_of(person_id)
    for question_id in ids:
        session.load(Question, question_id).erase()
        session.vault.destroy(question_id)
    # Looked for when no message can take one any more: a message that comes earlier has taken the
    # version of its question, and all this is done again.
    erase_attachments(session, person_id, ids)
    return len(ids)


def held_about(session: Session, person_id: UUID) -> dict[str, Any]:
    """Return {questions: [...]} of a person, each with its due day, its line and its messages.

    ``dispute`` is the line of a bill that the question disputes, and what became of it. Messages
    are as of `messages_of`; a file can be read by the ids of question and attachment.
    """
    views: list[QuestionView] = session.read.all_questions_of(person_id)
    ids = [view.question_id for view in views]
    session.vault.fetch_keys(ids)
    messages, files = session.read.messages_of(ids), by_message(session, ids)
    disputes = {view.question_id: view for view in session.read.disputes.of_questions(ids)}
    return {
        "questions": [
            {
                "question_id": str(view.question_id),
                "number": view.number,
                "topic": view.topic,
                "account": view.account and number_of(view.account),
                "state": view.state,
                "asked_at": view.asked_at,
                "due_on": view.due_on.isoformat(),
                "dispute": line_for_person(disputes.get(view.question_id)),
                "messages": _revealed(
                    session, view.question_id, messages.get(view.question_id, []), files
                ),
            }
            for view in views
        ]
    }


def line_for_person(view: DisputeView | None) -> dict[str, Any] | None:
    """Return a disputed line for whoever disputes it; None where a question has none."""
    if view is None:
        return None
    return {
        "account": number_of(view.account),
        "period": view.period,
        "service": view.service,
        "state": view.state,
        "since": view.since,
    }


def question_of(session: Session, question_id: UUID, person_id: UUID | None = None) -> QuestionView:
    """Return a question. Raises NotFound; given a person, also for somebody else's question."""
    view: QuestionView | None = session.read.question(question_id)
    if view is None or person_id not in (None, view.person_id):
        raise not_found()
    return view


def question_id_of(session: Session, question: str) -> UUID:
    """Return the id of a question by its number or its id; raises NotFound."""
    if re.fullmatch(r"[0-9]{1,18}", question):
        found: UUID | None = session.read.id_of_number(int(question))
        if found is None:
            raise not_found()
        return found
    try:
        return UUID(question)
    except ValueError:
        raise not_found() from None


def shown_to_staff(session: Session, question: str, action: str) -> QuestionView:
    """Return a question of anybody, and note in the security log who saw it."""
    view = question_of(session, question_id_of(session, question))
    session.security.note(action, person_id=view.person_id, about=f"question:{view.question_id}")
    return view


def file_shown_to_staff(session: Session, question: str, number: int) -> Attachment:
    """Return a file of anybody's question, and note in the security log who saw it.

    A file is read part by part: one entry in `READING` is enough.
    """
    view = question_of(session, question_id_of(session, question))
    found = numbered(session, view.question_id, number)
    log, about = session.security, f"question:{view.question_id} file:{found.attachment_id}"
    actor, since = context.current().actor, session.now - READING
    before = log.entries(limit=1_000, person_id=view.person_id, by=actor, since=since)
    if ("attachment_shown", about) not in {(entry.action, entry.about) for entry in before}:
        log.note("attachment_shown", person_id=view.person_id, about=about)
    return found


def turn_of(session: Session, question: str) -> tuple[UUID, int]:
    """Return the id of a question, and how many messages of the person it has."""
    question_id = question_id_of(session, question)
    return question_id, session.read.written_by_person(question_id)


def messages_of(session: Session, question_id: UUID) -> list[dict[str, Any]]:
    """Return ``[{author, text, at, attachments}]`` in order; an erased text is None.

    Attachments are as `attachments.described` returns them.
    """
    files = by_message(session, [question_id])
    return _revealed(session, question_id, session.read.messages(question_id), files)


def _revealed(
    session: Session,
    question_id: UUID,
    messages: Iterable[MessageView],
    files: Mapping[tuple[UUID, int], list[dict[str, Any]]],
) -> list[dict[str, Any]]:
    return [
        {
            "author": message.author,
            # What the system says is a word for each reader's language, and nobody's secret.
            "text": message.text
            if message.author == "system"
            else session.vault.reveal(question_id, message.text, "text"),
            "at": message.at,
            "attachments": files.get((question_id, message.position), []),
        }
        for message in messages
    ]


def clean_text(text: str) -> str:
    """Return a message stripped, with line feeds alone, and without what nobody sees.

    Raises ValidationFailed ``invalid_text`` if nothing is seen of it, and if it is too long or has
    control characters.
    """
    clean = (without_shapeless(text) or "").strip()
    if not has_signs(clean) or len(clean) > MAX_TEXT:
        raise ValidationFailed(
            "invalid_text",
            f"Write a message of 1 to {MAX_TEXT} characters.",
            max_length=MAX_TEXT,
        )
    return clean


def not_found() -> NotFound:
    """Return the error for a question that does not exist, or is somebody else's."""
    return NotFound("question_not_found", "There is no such question; choose one of the list.")
