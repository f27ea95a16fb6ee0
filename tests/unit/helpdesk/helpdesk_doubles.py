"""The read model of the help desk as dictionaries, for the in-memory store."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import cast
from uuid import UUID

import msgspec
from attachment_doubles import FakeAttachments
from dispute_doubles import FakeDisputes

from services.helpdesk.dispute import AdjustmentProposed, DisputeDecided
from services.helpdesk.domain import (
    MessageAdded,
    Question,
    QuestionAnswered,
    QuestionAsked,
)
from services.helpdesk.views import MessageView, QuestionFilter, QuestionView
from shared.eventstore import Aggregate, Recorded


class FakeReadModel:
    def __init__(self) -> None:
        self._last = 0
        self._questions: dict[UUID, QuestionView] = {}
        self._messages: dict[UUID, list[MessageView]] = {}
        self._closed: set[str] = set()
        self.attachments = FakeAttachments()
        self.disputes = FakeDisputes(self._questions)

    def project(self, recorded: Sequence[Recorded], aggregates: Mapping[UUID, Aggregate]) -> None:
        for record in recorded:
            key = record.originator_id
            match record.event:
                case QuestionAsked() as asked:
                    self._questions[key] = _view(record, asked)
                    self._add(record, "person", asked.text)
                case MessageAdded(text=text):
                    self._add(record, "person", text)
                case QuestionAnswered(text=text):
                    self._add(record, "staff", text)
                case AdjustmentProposed(proposal_id=proposal_id):
                    self.disputes.add_proposal(key, proposal_id)
                case DisputeDecided(decision=decision):
                    self._add(record, "system", decision)
            taken = getattr(record.event, "attachments", ())
            self.attachments.take(taken, key, record.position)
            question = cast(Question, aggregates[key])
            self._change(
                key,
                state=question.state,
                department=question.department,
                assigned_to=question.assigned_to,
                due_on=question.due_on,
            )
            self.disputes.project(record, question)

    def next_number(self) -> int:
        self._last += 1
        return self._last

    def question(self, question_id: UUID) -> QuestionView | None:
        return self._questions.get(question_id)

    def question_ids_of(self, person_id: UUID) -> list[UUID]:
        return [key for key, view in self._questions.items() if view.person_id == person_id]

    def all_questions_of(self, person_id: UUID) -> list[QuestionView]:
        return [self._questions[key] for key in self.question_ids_of(person_id)]

    def questions_of(self, person_id: UUID, limit: int) -> list[QuestionView]:
        return self.all_questions_of(person_id)[:limit]

    def questions_in(self, wanted: QuestionFilter) -> list[QuestionView]:
        found = [
            view
            for view in self._questions.values()
            if wanted.states is None or view.state in wanted.states
        ]
        return found[: wanted.limit]

    def unread_of(self, person_id: UUID) -> int:
        return sum(view.unread for view in self.all_questions_of(person_id))

    def note_read(self, question_id: UUID, messages: int) -> None:
        later = self.messages(question_id)[messages:]
        self._change(question_id, unread=sum(each.author != "person" for each in later))

    def note_seen(self, question_id: UUID, messages: int) -> None:
        later = self.messages(question_id)[messages:]
        if question_id in self._questions:
            self._change(question_id, unseen=sum(each.author == "person" for each in later))

    def may_answer(self, login: str) -> bool:
        return login in ("olga", "petrov")

    def note_closed(self, account: str) -> None:
        self._closed.add(account)

    def closed_accounts(self, accounts: Collection[str]) -> set[str]:
        return self._closed.intersection(accounts)

    def id_of_number(self, number: int) -> UUID | None:
        found = [key for key, view in self._questions.items() if view.number == number]
        return found[0] if found else None

    def messages(self, question_id: UUID) -> list[MessageView]:
        return self._messages.get(question_id, [])

    def messages_of(self, question_ids: Sequence[UUID]) -> dict[UUID, list[MessageView]]:
        return {key: self.messages(key) for key in question_ids}

    def written_by_person(self, question_id: UUID) -> int:
        return sum(each.author == "person" for each in self.messages(question_id))

    def written_since_staff(self, question_id: UUID) -> int:
        authors = [each.author for each in self.messages(question_id)]
        last = max((place for place, each in enumerate(authors) if each == "staff"), default=-1)
        return authors[last + 1 :].count("person")

    def question_asked(self, person_id: UUID, since: datetime, nth: int) -> datetime | None:
        asked = [view.asked_at for view in self._questions.values() if view.person_id == person_id]
        return _nth(asked, since, nth)

    def message_written(self, person_id: UUID, since: datetime, nth: int) -> datetime | None:
        written = [
            message.at
            for key, messages in self._messages.items()
            for message in messages
            if self._questions[key].person_id == person_id and message.author == "person"
        ]
        return _nth(written, since, nth)

    def _add(self, record: Recorded, author: str, text: str) -> None:
        at = record.recorded_at.isoformat()
        message = MessageView(
            position=record.position, author=author, actor=record.actor, text=text, at=at
        )
        self._messages.setdefault(record.originator_id, []).append(message)
        view = self._questions[record.originator_id]
        counted = {
            "person": {"unseen": view.unseen + 1},
            "staff": {"unread": view.unread + 1, "unseen": 0},
        }.get(author, {"unread": view.unread + 1})
        self._change(record.originator_id, last_message_at=at, **counted)

    def _change(self, key: UUID, **changes: object) -> None:
        self._questions[key] = msgspec.structs.replace(self._questions[key], **changes)


def _nth(moments: list[str], since: datetime, nth: int) -> datetime | None:
    after = sorted(at for text in moments if (at := datetime.fromisoformat(text)) > since)
    return after[-nth] if len(after) >= nth else None


def _view(record: Recorded, asked: QuestionAsked) -> QuestionView:
    at = record.recorded_at.isoformat()
    return QuestionView(
        question_id=record.originator_id,
        number=asked.number,
        person_id=asked.person_id,
        topic=asked.subject,
        department=asked.department,
        account=asked.account,
        state="open",
        asked_at=at,
        last_message_at=at,
        due_on=asked.due_on,
    )
