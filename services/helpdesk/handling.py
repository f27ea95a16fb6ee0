"""The use cases of staff: route, assign, answer, ask back, close."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

import msgspec

from services.helpdesk.application import clean_text, not_found, question_of
from services.helpdesk.attachments import usable
from services.helpdesk.departments import Directory
from services.helpdesk.domain import Question
from services.helpdesk.due_days import DueDays
from shared import context
from shared.errors import Conflict, ValidationFailed
from shared.eventstore import Session
from shared.working_days import WorkingDays


class RouteQuestion(msgspec.Struct, frozen=True, kw_only=True):
    question_id: UUID
    department: str
    reason: str


class AssignQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """``to`` is a login of staff, or None for nobody."""

    question_id: UUID
    to: str | None
    reason: str = ""


class AnswerQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """``reason`` is a note for staff, not shown to the person; it may be empty.

    ``wait`` asks back: the clock stands still until the person writes. ``attachments`` are files
    that the actor has sent, ``contents`` their digests, as of `application.AskQuestion`.
    """

    not_compared: ClassVar = ("attachments", "dry_run")

    question_id: UUID
    text: str
    reason: str = ""
    wait: bool = False
    attachments: tuple[UUID, ...] = ()
    contents: tuple[str, ...] = ()
    dry_run: bool = False


class CloseQuestion(msgspec.Struct, frozen=True, kw_only=True):
    question_id: UUID
    reason: str


class StaffUseCases:
    """The use cases of staff that depend on the directory of departments or on working days."""

    def __init__(self, directory: Directory, calendar: WorkingDays) -> None:
        self._directory = directory
        self._days = DueDays(directory, calendar)

    def answer(self, session: Session, command: AnswerQuestion) -> dict[str, Any]:
        """Answer a question as the actor, or ask back.

        Raises NotFound, ValidationFailed ``invalid_text``, Conflict ``question_erased`` or
        ``unseen_messages``, and as `attachments.usable`.
        """
        text = clean_text(command.text)
        question = existing(session, command.question_id)
        _check_seen(session, question)
        vault, reason = session.vault, command.reason
        # Staff who answer without the reply have still waited for it.
        stood_still = question.state == "waiting" and not command.wait
        due_on, waited = (
            self._days.after_message(question, session.today) if stood_still else (None, 0)
        )
        question.answer(
            vault.seal(question.id, text, "text"),
            vault.seal(question.id, reason, "reason") if reason else None,
            waiting_since=session.today if command.wait else None,
            attachments=usable(
                session,
                context.current().actor,
                command.attachments,
                locking=not command.dry_run,
            ),
            due_on=due_on,
            waited=waited,
        )
        return {"question_id": str(question.id), "state": question.state}

    def route(self, session: Session, command: RouteQuestion) -> dict[str, Any]:
        """Hand a question to another department.

        Raises NotFound, ValidationFailed ``unknown_department``, and Conflict ``already_routed``.
        """
        self._directory.check_department(command.department)
        question = existing(session, command.question_id)
        question.route(
            command.department, session.vault.seal(question.id, command.reason, "reason")
        )
        return {"question_id": str(question.id), "department": question.department}

    def assign(self, session: Session, command: AssignQuestion) -> dict[str, Any]:
        """Assign a question to somebody of staff who may answer, or to nobody.

        Raises NotFound, ValidationFailed ``assignee_of_another_department`` or
        ``assignee_may_not_answer``, and Conflict ``already_assigned`` or ``already_closed``.
        """
        question = existing(session, command.question_id)
        if command.to is not None:
            self._check_assignee(session, command.to, question.department)
        question.assign(command.to, session.vault.seal(question.id, command.reason, "reason"))
        return {
            "question_id": str(question.id),
            "state": question.state,
            "assigned_to": question.assigned_to,
        }

    def check_named(self, session: Session, department: str | None, login: str | None) -> None:
        """Check a department and a login of staff by which questions are listed.

        Raises ValidationFailed ``unknown_department`` or ``assignee_may_not_answer``.
        """
        if department is not None:
            self._directory.check_department(department)
        if login is not None:
            _check_may_answer(session, login)

    def _check_assignee(self, session: Session, login: str, department: str) -> None:
        staff = self._directory.staff_of(department)
        if staff and login not in staff:
            raise ValidationFailed(
                "assignee_of_another_department",
                f"{login} is not of this department; choose one of {', '.join(staff)}.",
                login=login,
                staff=list(staff),
            )
        _check_may_answer(session, login)


def close_question(session: Session, command: CloseQuestion) -> dict[str, Any]:
    """Close a question.

    Raises NotFound, and Conflict ``question_erased``, ``unseen_messages`` or ``already_closed``.
    """
    question = existing(session, command.question_id)
    _check_seen(session, question)
    question.close(session.vault.seal(question.id, command.reason, "reason"))
    return {"question_id": str(question.id), "state": question.state}


def existing(session: Session, question_id: UUID) -> Question:
    """Return a question to change; raises NotFound, and Conflict ``question_erased``."""
    question = session.load(Question, question_id)
    if question.version == 0:
        raise not_found()
    if question.erased:
        raise Conflict(
            "question_erased", "The person who asked was erased, and the question with that."
        )
    return question


def _check_may_answer(session: Session, login: str) -> None:
    if not session.read.may_answer(login):
        raise ValidationFailed(
            "assignee_may_not_answer",
            f"{login} may not answer questions; choose somebody who may.",
            login=login,
        )


def _check_seen(session: Session, question: Question) -> None:
    # A message that comes while somebody writes the answer would else be answered unread, and its
    # due day with it. One that comes from here on takes the version, and this is decided again.
    view = question_of(session, question.id)
    if 0 < view.unseen < session.read.written_since_staff(question.id):
        raise Conflict(
            "unseen_messages",
            "The person has written more than staff have seen: look at it "
            f"(saldo helpdesk show {view.number}), then repeat the command.",
            number=view.number,
        )
