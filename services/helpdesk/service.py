"""The RPCs of the help desk: decode, one use case, encode."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar
from uuid import UUID

from services.helpdesk import application, handling, schemas
from services.helpdesk.answers import Summaries, letter_facts
from services.helpdesk.departments import load_directory
from services.helpdesk.domain import Question
from services.helpdesk.due_days import DueDays
from services.helpdesk.rpcs.attachments import AttachmentRpcs
from services.helpdesk.views import QuestionView, Wanted
from shared import context
from shared.config import GATEWAY
from shared.errors import Forbidden, Unavailable
from shared.eventstore import Session
from shared.ids import NAMESPACE, derived_id, new_id
from shared.rpc.callers import staff
from shared.rpc.server import RpcClientProvider, StoreProvider, rpc
from shared.working_days import load_working_days

MAX_LISTED = 200
"""The maximal number of listed questions of one person."""

C = TypeVar("C")


class HelpdeskService(AttachmentRpcs):
    """Questions and their answers, for the gateway, notifications and staff."""

    name = "helpdesk"

    store = StoreProvider()
    services = RpcClientProvider()
    directory = load_directory()
    calendar = load_working_days()
    days = DueDays(directory, calendar)
    use_cases = application.QuestionUseCases(directory, calendar)
    staff_use_cases = handling.StaffUseCases(directory)

    @rpc(schemas.Topics, callers=(GATEWAY,))
    def topics(self) -> dict[str, Any]:
        """Return ``{topics: [{topic, title, title_en, department}]}``."""
        return {
            "topics": [
                {
                    "topic": topic_id,
                    "title": topic.title.ru,
                    "title_en": topic.title.en,
                    "department": topic.department,
                }
                for topic_id, topic in self.directory.topics.items()
            ]
        }

    @rpc(schemas.Ask, callers=(GATEWAY,))
    def ask(
        self, person_id: UUID, topic: str, account: str | None, text: str, attachments: list[UUID]
    ) -> dict[str, Any]:
        """Return ``{question_id, number, department, department_title, due_on}``.

        Raises Forbidden ``account_not_linked`` for an account that is not the person's, and as
        `application.QuestionUseCases.ask`.
        """
        key = self._linked(person_id, account) if account else None
        command = application.AskQuestion(
            person_id=person_id,
            topic=topic,
            account=key,
            text=text,
            house=self._house_of(key) if key else None,
            attachments=tuple(attachments),
            contents=self.contents_of(attachments),
        )
        result: dict[str, Any] = self.store.execute(self.use_cases.ask, command)
        return result

    @rpc(schemas.Questions, callers=(GATEWAY,))
    def questions(self, person_id: UUID) -> dict[str, Any]:
        """Return ``{questions: [...]}`` of a person, those with the latest message first."""
        views = self.store.query(lambda session: session.read.questions_of(person_id, MAX_LISTED))
        summaries = self._summaries()
        return {"questions": [summaries.for_person(view) for view in views]}

    @rpc(schemas.Unread, callers=(GATEWAY,))
    def unread(self, person_id: UUID) -> dict[str, Any]:
        """Return ``{unread}``, how many messages to a person he has not opened."""
        return {"unread": self.store.query(lambda session: session.read.unread_of(person_id))}

    @rpc(schemas.NoteRead, callers=(GATEWAY,))
    def note_read(self, person_id: UUID, question_id: UUID, messages: int) -> dict[str, Any]:
        """Note that the person has read the first messages of a question; return ``{unread}``.

        Raises NotFound ``question_not_found``, also for somebody else's.
        """

        def note(session: Session, count: int) -> dict[str, Any]:
            application.question_of(session, question_id, person_id)
            session.read.note_read(question_id, count)
            return {"unread": session.read.unread_of(person_id)}

        result: dict[str, Any] = self.store.transact(note, messages)
        return result

    @rpc(schemas.Question, callers=(GATEWAY,))
    def question(self, person_id: UUID, question_id: UUID) -> dict[str, Any]:
        """Return a question of the person with ``messages: [{author, text, at}]``."""

        def read(session: Session) -> dict[str, Any]:
            view = application.question_of(session, question_id, person_id)
            messages = application.messages_of(session, question_id)
            return {**self._summaries().for_person(view), "messages": messages}

        result: dict[str, Any] = self.store.query(read)
        return result

    @rpc(schemas.Questions, callers=("identity",))
    def held_about(self, person_id: UUID) -> dict[str, Any]:
        """Return all that the help desk holds of a person; see `application.held_about`."""
        result: dict[str, Any] = self.store.query(
            lambda session: application.held_about(session, person_id)
        )
        return result

    @rpc(schemas.AddMessage, callers=(GATEWAY,))
    def add_message(
        self, person_id: UUID, question_id: UUID, text: str, attachments: list[UUID]
    ) -> dict[str, Any]:
        """Return ``{question_id, state}``; raises as `application.QuestionUseCases.add_message`."""
        command = application.AddMessage(
            person_id=person_id,
            question_id=question_id,
            text=text,
            attachments=tuple(attachments),
            contents=self.contents_of(attachments),
        )
        result: dict[str, Any] = self.store.execute(self.use_cases.add_message, command)
        return result

    @rpc(schemas.LetterOf, callers=("notifications",))
    def letter_of(self, question_id: UUID) -> dict[str, Any]:
        """Return the facts of letters about a question; for notifications only.

        Raises NotFound ``question_not_found``, also for a question that has been erased.
        """

        def read(session: Session) -> dict[str, Any]:
            view = application.question_of(session, question_id)
            if session.load(Question, question_id).erased:
                raise application.not_found()
            return letter_facts(view, self.directory, _closed(session, view))

        result: dict[str, Any] = self.store.query(read)
        return result

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
        """
        wanted = Wanted(
            states=schemas.states_of("owed" if overdue else state),
            department=department,
            assigned_to=assigned_to,
            due_before=self.store.clock.today() if overdue else None,
            limit=limit,
        )

        def read(session: Session) -> dict[str, Any]:
            views = session.read.questions_in(wanted)
            closed, summaries = _closed(session, *views), self._summaries()
            return {"questions": [summaries.for_staff(view, closed) for view in views]}

        result: dict[str, Any] = self.store.query(read)
        return result

    @rpc(schemas.AnyQuestion, callers=(staff("read"),))
    def any_question(self, question: str) -> dict[str, Any]:
        """Return a question by its number or id, with its messages; the security log has who."""

        def read(session: Session, which: application.QuestionWanted) -> dict[str, Any]:
            view = application.shown_to_staff(session, which, "question_shown")
            messages = application.messages_of(session, view.question_id)
            session.read.note_seen(view.question_id, len(messages))
            summary = self._summaries().for_staff(view, _closed(session, view))
            return {**summary, "messages": messages}

        wanted = application.QuestionWanted(question=question)
        result: dict[str, Any] = self.store.transact(read, wanted)
        return result

    @rpc(schemas.AnyQuestion, callers=(staff("find"),))
    def asker(self, question: str) -> dict[str, Any]:
        """Return ``{person_id}`` of whoever asked; the security log has who wanted to know."""

        def read(session: Session, which: application.QuestionWanted) -> dict[str, Any]:
            view = application.shown_to_staff(session, which, "asker_found")
            return {"person_id": str(view.person_id)}

        wanted = application.QuestionWanted(question=question)
        result: dict[str, Any] = self.store.transact(read, wanted)
        return result

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
        `handling.answer_question`.
        """
        question_id, turn = self.store.query(lambda session: application.turn_of(session, question))
        command = handling.AnswerQuestion(
            question_id=question_id,
            text=text,
            reason=reason,
            wait=wait,
            attachments=tuple(attachments),
            contents=self.contents_of(attachments),
        )
        # Keyed: what is kept with the events for ever must not give a short text away.
        digest = self.store.fingerprint(handling.answer_question, command)
        actor = context.current().actor
        with context.bind(
            command_id=derived_id(NAMESPACE, "helpdesk", "answer", actor, str(turn), digest.hex())
        ):
            return self._write(handling.answer_question, command, dry_run)

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

    def _id_of(self, question: str) -> UUID:
        found: UUID = self.store.query(
            lambda session: application.question_id_of(session, question)
        )
        return found

    def _write(
        self, handler: Callable[[Session, C], dict[str, Any]], command: C, dry_run: bool
    ) -> dict[str, Any]:
        """Execute a command; a dry run decides on it in a transaction that cannot write."""
        if not dry_run:
            result: dict[str, Any] = self.store.execute(handler, command)
            return result
        return {**self.store.query(lambda session: handler(session, command)), "dry_run": True}

    def _summaries(self) -> Summaries:
        return Summaries(self.directory, self.days, self.store.clock.today())

    def _house_of(self, account: str) -> str | None:
        """Return where an account is, without the flat; None where no house has departments."""
        if not self.directory.houses:
            return None
        try:
            found = self.services.call("accounts", "house_of", account=account)
        except Unavailable:
            # The department of the topic can route the question on.
            return None
        house: str | None = found["house"]
        return house

    def _linked(self, person_id: UUID, account: str) -> str:
        """Return the key of the person's account with a number."""
        # Nobody may ask about somebody else's account.
        number = account.strip()
        ownership = self.services.call(
            "accounts", "owns", person_id=str(person_id), numbers=[number or account]
        )
        access = ownership["access"].get(number)
        if access is None:
            raise Forbidden(
                "account_not_linked",
                "This account is not in the cabinet; choose a linked account, or none.",
            )
        return str(access["account"])


def _closed(session: Session, *views: QuestionView) -> set[str]:
    """Return the keys of those accounts of questions that are closed."""
    closed: set[str] = session.read.closed_accounts(
        {view.account for view in views if view.account}
    )
    return closed
