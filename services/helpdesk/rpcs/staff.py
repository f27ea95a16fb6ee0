"""The RPCs for staff: list, show, answer, route, assign, close, and how soon all this is done."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

from services.helpdesk import application, disputes, handling, schemas
from services.helpdesk.report import Reckoning, begun_within, read_from, report
from services.helpdesk.rpcs.base import HelpdeskRpcs, closed_of
from services.helpdesk.views import QuestionFilter
from shared import context
from shared.eventstore import Session
from shared.ids import NAMESPACE, derived_id, new_id
from shared.rpc.callers import staff
from shared.rpc.server import rpc


class StaffRpcs(HelpdeskRpcs):
    """What staff do with the questions of anybody, each method under its permission."""

    @rpc(schemas.QuestionsOfState, callers=(staff("read"),))
    def questions_of_state(
        self,
        state: str | None,
        department: str | None,
        assigned_to: str | None,
        overdue: bool,
        limit: int,
    ) -> dict[str, Any]:
        """Return ``{questions: [...]}`` of all persons, by their due day.

        ``state`` may be ``owed``, for all that are owed an answer; so are those ``overdue``.
        Raises ValidationFailed ``unknown_department`` or ``assignee_may_not_answer`` where there is
        no such thing.
        """
        wanted = QuestionFilter(
            states=schemas.states_of("owed" if overdue else state),
            department=department,
            assigned_to=assigned_to,
            due_before=self.store.clock.today() if overdue else None,
            limit=limit,
        )

        def read(session: Session) -> dict[str, Any]:
            views = session.read.questions_in(wanted)
            # One that has gone since may still have questions; a mistyped one has none.
            if not views:
                self.staff_use_cases.check_named(session, department, assigned_to)
            closed, summaries = closed_of(session, *views), self._summaries()
            return {"questions": [summaries.for_staff(view, closed) for view in views]}

        result: dict[str, Any] = self.store.query(read)
        return result

    @rpc(schemas.AnyQuestion, callers=(staff("read"),))
    def any_question(self, question: str) -> dict[str, Any]:
        """Return a question by its number or id, with its messages; the security log has who."""

        def read(session: Session, question: str) -> dict[str, Any]:
            view = application.shown_to_staff(session, question, "question_shown")
            messages = application.messages_of(session, view.question_id)
            session.read.note_seen(view.question_id, len(messages))
            summary = self._summaries().for_staff(view, closed_of(session, view))
            dispute = disputes.dispute_for_staff(session, view.question_id)
            return {**summary, "dispute": dispute, "messages": messages}

        result: dict[str, Any] = self.store.transact(read, question)
        return result

    @rpc(schemas.AnyQuestion, callers=(staff("find"),))
    def asker(self, question: str) -> dict[str, Any]:
        """Return ``{person_id}`` of whoever asked; the security log has who wanted to know."""

        def read(session: Session, question: str) -> dict[str, Any]:
            view = application.shown_to_staff(session, question, "asker_found")
            return {"person_id": str(view.person_id)}

        result: dict[str, Any] = self.store.transact(read, question)
        return result

    @rpc(schemas.Report, callers=(staff("read"),))
    def report(self, first: date, last: date) -> dict[str, Any]:
        """Return how questions of some days were answered; see `report.report`."""
        clock = self.store.clock
        read, unseen = self.store.query(
            lambda session: (session.read.turns.since(read_from(first)), session.read.unseen())
        )
        turns = begun_within(read, clock, first, last)
        found = report(turns, unseen, Reckoning(self.calendar, clock), self.directory)
        return {"from": first.isoformat(), "to": last.isoformat(), **found}

    @rpc(schemas.Answer, callers=(staff("answer"),))
    def answer(
        self,
        question: str,
        text: str,
        wait: bool,
        reason: str,
        attachments: list[UUID],
        dry_run: bool,
    ) -> dict[str, Any]:
        """Return ``{question_id, state}`` of a question that is answered, or asked back.

        The same text with the same files to the same messages is one answer. Raises as
        `handling.StaffUseCases.answer`.
        """
        question_id, turn = self.store.query(lambda session: application.turn_of(session, question))
        command = handling.AnswerQuestion(
            question_id=question_id,
            text=text,
            reason=reason,
            wait=wait,
            attachments=tuple(attachments),
            contents=self.contents_of(attachments),
            dry_run=dry_run,
        )
        # Keyed: what is kept with the events for ever must not give a short text away.
        digest = self.store.fingerprint(self.staff_use_cases.answer, command)
        actor = context.current().actor
        with context.bind(
            command_id=derived_id(NAMESPACE, "helpdesk", "answer", actor, str(turn), digest.hex())
        ):
            return self._write(self.staff_use_cases.answer, command, dry_run)

    @rpc(schemas.Route, callers=(staff("route"),))
    def route(self, question: str, department: str, reason: str, dry_run: bool) -> dict[str, Any]:
        """Return ``{question_id, department}`` of a question that another department has now.

        Raises as `handling.StaffUseCases.route`.
        """
        command = handling.RouteQuestion(
            question_id=self._id_of(question), department=department, reason=reason
        )
        with context.bind(command_id=new_id()):
            return self._write(self.staff_use_cases.route, command, dry_run)

    @rpc(schemas.Assign, callers=(staff("assign"),))
    def assign(self, question: str, to: str | None, reason: str, dry_run: bool) -> dict[str, Any]:
        """Return ``{question_id, state, assigned_to}`` of a question.

        Raises as `handling.StaffUseCases.assign`.
        """
        command = handling.AssignQuestion(question_id=self._id_of(question), to=to, reason=reason)
        with context.bind(command_id=new_id()):
            return self._write(self.staff_use_cases.assign, command, dry_run)

    @rpc(schemas.Close, callers=(staff("close"),))
    def close(self, question: str, reason: str, dry_run: bool) -> dict[str, Any]:
        """Return ``{question_id, state}`` of a closed question; a message opens it again.

        Raises as `handling.close_question`.
        """
        command = handling.CloseQuestion(question_id=self._id_of(question), reason=reason)
        with context.bind(command_id=new_id()):
            return self._write(handling.close_question, command, dry_run)
