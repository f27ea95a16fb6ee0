"""The service of the help desk, with the RPCs for persons, for identity and for letters."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from services.helpdesk import application, disputes, schemas
from services.helpdesk.answers import letter_facts
from services.helpdesk.dispute import DisputedLine
from services.helpdesk.domain import Question
from services.helpdesk.rpcs.attachments import AttachmentRpcs
from services.helpdesk.rpcs.base import closed_of
from services.helpdesk.rpcs.disputes import DisputeRpcs
from services.helpdesk.rpcs.staff import StaffRpcs
from shared.config import GATEWAY
from shared.errors import Forbidden, Unavailable, ValidationFailed
from shared.eventstore import Session
from shared.rpc.server import rpc

MAX_LISTED = 200
"""The maximal number of listed questions of one person."""


class HelpdeskService(StaffRpcs, AttachmentRpcs, DisputeRpcs):
    """Questions and their answers."""

    name = "helpdesk"

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
        self,
        person_id: UUID,
        topic: str,
        account: str | None,
        text: str,
        line: dict[str, str] | None,
        attachments: list[UUID],
    ) -> dict[str, Any]:
        """Return ``{question_id, number, department, department_title, due_on}``.

        Raises Forbidden ``account_not_linked`` for an account that is not the person's,
        ValidationFailed ``unknown_line`` for a line that is not in a bill of it, and as
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
            line=self._disputed(key, line),
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
            dispute = disputes.dispute_for_person(session, question_id)
            summary = self._summaries().for_person(view)
            return {**summary, "dispute": dispute, "messages": messages}

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
        self,
        person_id: UUID,
        question_id: UUID,
        text: str,
        attachments: list[UUID],
        disputes: bool,
    ) -> dict[str, Any]:
        """Return ``{question_id, state}``; raises as `application.QuestionUseCases.add_message`."""
        command = application.AddMessage(
            person_id=person_id,
            question_id=question_id,
            text=text,
            attachments=tuple(attachments),
            contents=self.contents_of(attachments),
            disputes=disputes,
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
            facts = letter_facts(view, self.directory, closed_of(session, view))
            return {**facts, "dispute": disputes.dispute_for_person(session, question_id)}

        result: dict[str, Any] = self.store.query(read)
        return result

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

    def _disputed(self, account: str | None, line: dict[str, str] | None) -> DisputedLine | None:
        """Return a line of an account, by its key; raises ValidationFailed ``unknown_line``."""
        if line is None:
            return None
        if account is None or not self._is_billed(account, **line):
            raise ValidationFailed(
                "unknown_line", "There is no such line in the bill of this month."
            )
        return DisputedLine(account=account, **line)

    def _is_billed(self, account: str, period: str, service: str) -> bool:
        found = self.services.call(
            "ledger", "is_billed", account=account, period=period, code=service
        )
        return bool(found["billed"])
