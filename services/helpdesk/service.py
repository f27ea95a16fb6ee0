"""The RPCs of the help desk: decode, one use case, encode."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from services.helpdesk import application, schemas
from services.helpdesk.answers import letter, question_summary
from services.helpdesk.departments import load_directory
from shared.errors import Forbidden
from shared.eventstore import Session
from shared.rpc.server import RpcClientProvider, StoreProvider, rpc

MAX_LISTED = 200
"""Questions of one person in a list, the last written in first."""


class HelpdeskService:
    """Questions and their answers, for the gateway and for notifications."""

    name = "helpdesk"

    store = StoreProvider()
    services = RpcClientProvider()
    directory = load_directory()
    desk = application.Desk(directory)

    @rpc(schemas.Topics)
    def topics(self) -> dict[str, Any]:
        """Return ``{topics: [{topic, title, title_en, department}]}``, titles in Russian too."""
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

    @rpc(schemas.Ask)
    def ask(self, person_id: UUID, topic: str, account: str | None, text: str) -> dict[str, Any]:
        """Return ``{question_id, number, department, department_title}``.

        Raises Forbidden ``account_not_linked`` for an account that is not the person's, and as
        `application.Desk.ask`.
        """
        command = application.AskQuestion(
            person_id=person_id,
            topic=topic,
            account=self._linked(person_id, account) if account else None,
            text=text,
        )
        result: dict[str, Any] = self.store.execute(self.desk.ask, command)
        return result

    @rpc(schemas.Questions)
    def questions(self, person_id: UUID) -> dict[str, Any]:
        """Return ``{questions: [...]}`` of a person, the last written in first."""
        views = self.store.query(lambda session: session.read.questions_of(person_id, MAX_LISTED))
        return {"questions": [question_summary(view, self.directory) for view in views]}

    @rpc(schemas.Question)
    def question(self, person_id: UUID, question_id: UUID) -> dict[str, Any]:
        """Return a question of the person with ``messages: [{author, text, at}]``."""

        def read(session: Session) -> dict[str, Any]:
            view = application.question_of(session, question_id, person_id)
            messages = application.messages_of(session, question_id)
            return {**question_summary(view, self.directory), "messages": messages}

        answer: dict[str, Any] = self.store.query(read)
        return answer

    @rpc(schemas.AddMessage)
    def add_message(self, person_id: UUID, question_id: UUID, text: str) -> dict[str, Any]:
        """Return ``{question_id, state}``; raises as `application.Desk.add_message`."""
        command = application.AddMessage(person_id=person_id, question_id=question_id, text=text)
        result: dict[str, Any] = self.store.execute(self.desk.add_message, command)
        return result

    @rpc(schemas.LetterOf)
    def letter_of(self, question_id: UUID) -> dict[str, Any]:
        """Return what the letters about a question say; for notifications only."""

        def read(session: Session) -> dict[str, Any]:
            view = application.question_of(session, question_id)
            return letter(view, application.messages_of(session, question_id), self.directory)

        answer: dict[str, Any] = self.store.query(read)
        return answer

    def _linked(self, person_id: UUID, account: str) -> str:
        # Whoever names a stranger's account must not be answered about it.
        number = account.strip()
        answer = self.services.call(
            "accounts", "owns", person_id=str(person_id), numbers=[number or account]
        )
        if number not in answer["owned"]:
            raise Forbidden(
                "account_not_linked",
                "This account is not in the cabinet; choose a linked account, or none.",
            )
        return number
