"""The tables of the help desk, derived from events, its own and of accounts, and their queries."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg

from services.helpdesk.attachment_tables import Attachments
from services.helpdesk.domain import (
    Author,
    MessageAdded,
    QuestionAnswered,
    QuestionAsked,
    QuestionClosed,
    QuestionErased,
    QuestionRouted,
)
from services.helpdesk.views import MessageView, QuestionView
from shared.eventstore import Aggregate, Recorded

_QUESTION = (
    "question_id, number, person_id, topic, department, account, state, asked_at, last_message_at"
)


class ReadModel:
    """The tables of the help desk within one transaction."""

    def __init__(self, cursor: psycopg.Cursor[dict[str, Any]]) -> None:
        self._cursor = cursor
        self.attachments = Attachments(cursor)

    def project(self, recorded: Sequence[Recorded], aggregates: Mapping[UUID, Aggregate]) -> None:
        for record in recorded:
            match record.event:
                case QuestionAsked() as asked:
                    self._add_question(record, asked)
                    self._add_message(record, "person", asked.text)
                case MessageAdded(text=text):
                    self._add_message(record, "person", text)
                    self._set_state(record, "open")
                case QuestionAnswered(text=text):
                    self._add_message(record, "staff", text)
                    self._set_state(record, "answered")
                case QuestionClosed() | QuestionErased():
                    self._set_state(record, "closed")
                case QuestionRouted(department=department):
                    self._cursor.execute(
                        "UPDATE questions SET department = %s WHERE question_id = %s",
                        (department, record.originator_id),
                    )

    def next_number(self) -> int:
        """Return the next short number; the counter stays locked until the transaction ends."""
        self._cursor.execute("UPDATE question_counter SET last = last + 1 RETURNING last")
        row = self._cursor.fetchone()
        if row is None:
            raise RuntimeError("the table question_counter is empty")
        return int(row["last"])

    def question(self, question_id: UUID) -> QuestionView | None:
        """Return one question."""
        self._cursor.execute(
            f"SELECT {_QUESTION} FROM questions WHERE question_id = %s", (question_id,)
        )
        row = self._cursor.fetchone()
        return None if row is None else _view(row)

    def id_of_number(self, number: int) -> UUID | None:
        """Return the id of the question with a short number."""
        self._cursor.execute("SELECT question_id FROM questions WHERE number = %s", (number,))
        row = self._cursor.fetchone()
        return None if row is None else row["question_id"]

    def question_ids_of(self, person_id: UUID) -> list[UUID]:
        """Return the ids of all questions of a person, the oldest first."""
        self._cursor.execute(
            "SELECT question_id FROM questions WHERE person_id = %s ORDER BY number", (person_id,)
        )
        return [row["question_id"] for row in self._cursor]

    def all_questions_of(self, person_id: UUID) -> list[QuestionView]:
        """Return all questions of a person, the oldest first."""
        self._cursor.execute(
            f"SELECT {_QUESTION} FROM questions WHERE person_id = %s ORDER BY number", (person_id,)
        )
        return [_view(row) for row in self._cursor]

    def questions_of(self, person_id: UUID, limit: int) -> list[QuestionView]:
        """Return a person's questions, those with the latest message first."""
        self._cursor.execute(
            f"SELECT {_QUESTION} FROM questions WHERE person_id = %s"
            " ORDER BY last_message_at DESC, number DESC LIMIT %s",
            (person_id, limit),
        )
        return [_view(row) for row in self._cursor]

    def questions_in(
        self, state: str | None, department: str | None, limit: int
    ) -> list[QuestionView]:
        """Return questions for staff, the longest waiting first."""
        self._cursor.execute(
            f"SELECT {_QUESTION} FROM questions"
            " WHERE (%(state)s::text IS NULL OR state = %(state)s)"
            " AND (%(department)s::text IS NULL OR department = %(department)s)"
            " ORDER BY last_message_at, number LIMIT %(limit)s",
            {"state": state, "department": department, "limit": limit},
        )
        return [_view(row) for row in self._cursor]

    def note_closed(self, account: str) -> None:
        """Note that the holder's time with an account, named by its key, has ended; once."""
        self._cursor.execute(
            "INSERT INTO closed_accounts (account) VALUES (%s) ON CONFLICT DO NOTHING", (account,)
        )

    def closed_accounts(self, accounts: Collection[str]) -> set[str]:
        """Return which of these accounts are closed."""
        self._cursor.execute(
            "SELECT account FROM closed_accounts WHERE account = ANY(%s)", (list(accounts),)
        )
        return {row["account"] for row in self._cursor}

    def messages(self, question_id: UUID) -> list[MessageView]:
        """Return the messages of a question in order."""
        return self.messages_of([question_id]).get(question_id, [])

    def messages_of(self, question_ids: Sequence[UUID]) -> dict[UUID, list[MessageView]]:
        """Return the messages of several questions, each one's in order."""
        self._cursor.execute(
            "SELECT question_id, author, actor, text, at FROM messages"
            " WHERE question_id = ANY(%s) ORDER BY question_id, position",
            (list(question_ids),),
        )
        found: dict[UUID, list[MessageView]] = {}
        for row in self._cursor:
            message = MessageView(
                author=row["author"], actor=row["actor"], text=row["text"], at=row["at"].isoformat()
            )
            found.setdefault(row["question_id"], []).append(message)
        return found

    def question_asked(self, person_id: UUID, since: datetime, nth: int) -> datetime | None:
        """Return when the nth newest question after an instant was asked; None: they are fewer."""
        return self._nth(
            "SELECT asked_at AS at FROM questions WHERE person_id = %s AND asked_at > %s",
            (person_id, since, nth - 1),
        )

    def message_written(self, person_id: UUID, since: datetime, nth: int) -> datetime | None:
        """Return when the nth newest message of a person, in all questions, was written."""
        return self._nth(
            "SELECT at FROM messages JOIN questions USING (question_id)"
            " WHERE person_id = %s AND author = 'person' AND at > %s",
            (person_id, since, nth - 1),
        )

    def _nth(self, query: str, parameters: tuple[Any, ...]) -> datetime | None:
        self._cursor.execute(f"{query} ORDER BY at DESC OFFSET %s LIMIT 1", parameters)
        row = self._cursor.fetchone()
        return None if row is None else row["at"]

    def _add_question(self, record: Recorded, asked: QuestionAsked) -> None:
        self._cursor.execute(
            f"INSERT INTO questions ({_QUESTION}) VALUES (%s, %s, %s, %s, %s, %s, 'open', %s, %s)",
            (
                record.originator_id,
                asked.number,
                asked.person_id,
                asked.subject,
                asked.department,
                asked.account,
                record.recorded_at,
                record.recorded_at,
            ),
        )

    def _add_message(self, record: Recorded, author: Author, text: str) -> None:
        self._cursor.execute(
            "INSERT INTO messages (question_id, position, author, actor, text, at)"
            " VALUES (%s, %s, %s, %s, %s, %s)",
            (
                record.originator_id,
                record.position,
                author,
                record.actor,
                text,
                record.recorded_at,
            ),
        )
        self._cursor.execute(
            "UPDATE questions SET last_message_at = %s WHERE question_id = %s",
            (record.recorded_at, record.originator_id),
        )

    def _set_state(self, record: Recorded, state: str) -> None:
        self._cursor.execute(
            "UPDATE questions SET state = %s WHERE question_id = %s",
            (state, record.originator_id),
        )


def _view(row: Mapping[str, Any]) -> QuestionView:
    return QuestionView(
        question_id=row["question_id"],
        number=row["number"],
        person_id=row["person_id"],
        topic=row["topic"],
        department=row["department"],
        account=row["account"],
        state=row["state"],
        asked_at=row["asked_at"].isoformat(),
        last_message_at=row["last_message_at"].isoformat(),
    )
