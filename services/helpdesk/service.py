"""The RPCs of the help desk: decode, one use case, encode."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from services.helpdesk import application, schemas
from services.helpdesk.answers import letter_facts, question_summary
from services.helpdesk.departments import load_directory
from shared.config import GATEWAY
from shared.errors import Forbidden
from shared.eventstore import Session
from shared.rpc.server import RpcClientProvider, StoreProvider, rpc

MAX_LISTED = 200
"""The maximal number of listed questions of one person."""


class HelpdeskService:
    """Questions and their answers, for the gateway and for notifications."""

    name = "helpdesk"

    store = StoreProvider()
    services = RpcClientProvider()
    directory = load_directory()
    use_cases = application.QuestionUseCases(directory)

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
    def ask(self, person_id: UUID, topic: str, account: str | None, text: str) -> dict[str, Any]:
        """Return ``{question_id, number, department, department_title}``.

        Raises Forbidden ``account_not_linked`` for an account that is not the person's, and as
        `application.QuestionUseCases.ask`.
        """
        command = application.AskQuestion(
            person_id=person_id,
            topic=topic,
            account=self._linked(person_id, account) if account else None,
            text=text,
        )
        result: dict[str, Any] = self.store.execute(self.use_cases.ask, command)
        return result

    @rpc(schemas.Questions, callers=(GATEWAY,))
    def questions(self, person_id: UUID) -> dict[str, Any]:
        """Return ``{questions: [...]}`` of a person, those with the latest message first."""
        views = self.store.query(lambda session: session.read.questions_of(person_id, MAX_LISTED))
        return {"questions": [question_summary(view, self.directory) for view in views]}

    @rpc(schemas.Question, callers=(GATEWAY,))
    def question(self, person_id: UUID, question_id: UUID) -> dict[str, Any]:
        """Return a question of the person with ``messages: [{author, text, at}]``."""

        def read(session: Session) -> dict[str, Any]:
            view = application.question_of(session, question_id, person_id)
            messages = application.messages_of(session, question_id)
            return {**question_summary(view, self.directory), "messages": messages}

        result: dict[str, Any] = self.store.query(read)
        return result

    @rpc(schemas.AddMessage, callers=(GATEWAY,))
    def add_message(self, person_id: UUID, question_id: UUID, text: str) -> dict[str, Any]:
        """Return ``{question_id, state}``; raises as `application.QuestionUseCases.add_message`."""
        command = application.AddMessage(person_id=person_id, question_id=question_id, text=text)
        result: dict[str, Any] = self.store.execute(self.use_cases.add_message, command)
        return result

    @rpc(schemas.LetterOf, callers=("notifications",))
    def letter_of(self, question_id: UUID) -> dict[str, Any]:
        """Return the facts of letters about a question; for notifications only."""

        def read(session: Session) -> dict[str, Any]:
            view = application.question_of(session, question_id)
            return letter_facts(view, application.messages_of(session, question_id), self.directory)

        result: dict[str, Any] = self.store.query(read)
        return result

    def _linked(self, person_id: UUID, account: str) -> str:
        # Nobody may ask about somebody else's account.
        number = account.strip()
        ownership = self.services.call(
            "accounts", "owns", person_id=str(person_id), numbers=[number or account]
        )
        if number not in ownership["owned"]:
            raise Forbidden(
                "account_not_linked",
                "This account is not in the cabinet; choose a linked account, or none.",
            )
        return number
