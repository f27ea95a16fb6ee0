"""The tables of the help desk, derived from events, its own and of accounts, and their queries."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, cast
from uuid import UUID

import msgspec
import psycopg

from services.helpdesk.attachment_tables import Attachments
from services.helpdesk.dispute import AdjustmentProposed, DisputeDecided
from services.helpdesk.dispute_tables import Disputes
from services.helpdesk.domain import (
    OWED,
    Author,
    MessageAdded,
    Question,
    QuestionAnswered,
    QuestionAsked,
    QuestionClosed,
    QuestionErased,
    QuestionRouted,
)
from services.helpdesk.turns import Turns
from services.helpdesk.views import MessageView, QuestionFilter, QuestionView
from shared.eventstore import Aggregate, Recorded
from shared.staff import granted

_QUESTION = (
    "question_id, number, person_id, topic, department, account, state, asked_at, last_message_at,"
    " due_on, assigned_to, unread, unseen"
)


class ReadModel:
    """The tables of the help desk within one transaction."""

    def __init__(self, cursor: psycopg.Cursor[dict[str, Any]]) -> None:
        self._cursor = cursor
        self.attachments = Attachments(cursor)
        self.disputes = Disputes(cursor)
        self.turns = Turns(cursor)

    def project(self, recorded: Sequence[Recorded], aggregates: Mapping[UUID, Aggregate]) -> None:
        for record in recorded:
            question = cast(Question, aggregates[record.originator_id])
            match record.event:
                case QuestionAsked() as asked:
                    self._add_question(record, asked)
                    self._add_message(record, "person", asked.text)
                    self._take_attachments(record, asked.attachments)
                    self.turns.start(record, question)
                case MessageAdded() as added:
                    self._add_message(record, "person", added.text)
                    self._take_attachments(record, added.attachments)
                    self.turns.go_on(record, question, added.waited)
                case QuestionAnswered() as answered:
                    self._add_message(record, "staff", answered.text)
                    self._take_attachments(record, answered.attachments)
                    if answered.waiting_since is None:
                        self.turns.answer(record, question, answered.waited)
                case QuestionClosed() | QuestionErased():
                    self.turns.close(record)
                case QuestionRouted(department=department):
                    self.turns.route(record, department)
                case AdjustmentProposed(proposal_id=proposal_id):
                    self.disputes.add_proposal(question.id, proposal_id)
                case DisputeDecided(decision=decision):
                    self._add_message(record, "system", decision)
            self._update(question)
            self.disputes.project(record, question)

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

    def questions_in(self, wanted: QuestionFilter) -> list[QuestionView]:
        """Return questions for staff: those that are owed an answer first, by their due day."""
        self._cursor.execute(
            f"SELECT {_QUESTION} FROM questions"
            " WHERE (%(states)s::text[] IS NULL OR state = ANY(%(states)s))"
            " AND (%(department)s::text IS NULL OR department = %(department)s)"
            " AND (%(assigned_to)s::text IS NULL OR assigned_to = %(assigned_to)s)"
            " AND (%(due_before)s::date IS NULL OR due_on < %(due_before)s)"
            " ORDER BY state = ANY(%(owed)s) DESC, due_on, number LIMIT %(limit)s",
            {
                **msgspec.structs.asdict(wanted),
                "states": wanted.states and list(wanted.states),
                "owed": list(OWED),
            },
        )
        return [_view(row) for row in self._cursor]

    def unread_of(self, person_id: UUID) -> int:
        """Return how many messages to a person he has not opened."""
        self._cursor.execute(
            "SELECT coalesce(sum(unread), 0) AS unread FROM questions"
            " WHERE person_id = %s AND unread > 0",
            (person_id,),
        )
        row = self._cursor.fetchone()
        return int(row["unread"]) if row else 0

    def unseen(self) -> dict[tuple[str, str], int]:
        """Return how many messages no staff has opened, by department and topic."""
        self._cursor.execute(
            "SELECT department, topic, sum(unseen) AS unseen FROM questions"
            " WHERE unseen > 0 GROUP BY department, topic"
        )
        return {(row["department"], row["topic"]): int(row["unseen"]) for row in self._cursor}

    def note_read(self, question_id: UUID, messages: int) -> None:
        """Note that the person has read the first messages of a question, as many as given."""
        self._note_opened("unread", "author <> 'person'", question_id, messages)

    def note_seen(self, question_id: UUID, messages: int) -> None:
        """Note that staff have read the first messages of a question, as many as given."""
        self._note_opened("unseen", "author = 'person'", question_id, messages)

    def may_answer(self, login: str) -> bool:
        """Return whether a login of staff may answer questions."""
        return granted(self._cursor, login, "answer") is not None

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
            "SELECT question_id, position, author, actor, text, at FROM messages"
            " WHERE question_id = ANY(%s) ORDER BY question_id, position",
            (list(question_ids),),
        )
        found: dict[UUID, list[MessageView]] = {}
        for row in self._cursor:
            message = MessageView(
                position=row["position"],
                author=row["author"],
                actor=row["actor"],
                text=row["text"],
                at=row["at"].isoformat(),
            )
            found.setdefault(row["question_id"], []).append(message)
        return found

    def written_by_person(self, question_id: UUID) -> int:
        """Return how many messages of a question its person has written."""
        return self._count("author = 'person'", question_id)

    def written_since_staff(self, question_id: UUID) -> int:
        """Return how many messages the person has written since staff wrote last."""
        since = (
            "author = 'person' AND position > coalesce((SELECT max(position) FROM messages AS staff"
            " WHERE staff.question_id = messages.question_id AND author = 'staff'), -1)"
        )
        return self._count(since, question_id)

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

    def _count(self, condition: str, question_id: UUID) -> int:
        self._cursor.execute(
            f"SELECT count(*) AS count FROM messages WHERE question_id = %s AND {condition}",
            (question_id,),
        )
        row = self._cursor.fetchone()
        return int(row["count"]) if row else 0

    def _nth(self, query: str, parameters: tuple[Any, ...]) -> datetime | None:
        self._cursor.execute(f"{query} ORDER BY at DESC OFFSET %s LIMIT 1", parameters)
        row = self._cursor.fetchone()
        return None if row is None else row["at"]

    def _note_opened(self, counter: str, whose: str, question_id: UUID, messages: int) -> None:
        # Counted by the messages shown: one that has come since then stays unread.
        self._cursor.execute(
            f"UPDATE questions SET {counter} = (SELECT count(*) FROM"
            " (SELECT author FROM messages WHERE question_id = %(id)s ORDER BY position"
            f" OFFSET %(messages)s) AS later WHERE {whose})"
            f" WHERE question_id = %(id)s AND {counter} > 0",
            {"id": question_id, "messages": messages},
        )

    def _add_question(self, record: Recorded, asked: QuestionAsked) -> None:
        self._cursor.execute(
            "INSERT INTO questions (question_id, number, person_id, topic, department, account,"
            " state, asked_at, last_message_at, due_on)"
            " VALUES (%s, %s, %s, %s, %s, %s, 'open', %s, %s, %s)",
            (
                record.originator_id,
                asked.number,
                asked.person_id,
                asked.subject,
                asked.department,
                asked.account,
                record.recorded_at,
                record.recorded_at,
                asked.due_on,
            ),
        )

    def _take_attachments(self, record: Recorded, ids: Sequence[UUID]) -> None:
        if ids:
            self.attachments.take(ids, record.originator_id, record.position)

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
        # Staff answer when they have seen everything; older versions did not ask for it.
        self._cursor.execute(
            "UPDATE questions SET last_message_at = %(at)s,"
            " unread = unread + (%(author)s <> 'person')::int,"
            " unseen = CASE %(author)s WHEN 'person' THEN unseen + 1 WHEN 'staff' THEN 0"
            " ELSE unseen END WHERE question_id = %(id)s",
            {"at": record.recorded_at, "author": author, "id": record.originator_id},
        )

    def _update(self, question: Question) -> None:
        # Questions of older versions have a due day in the table alone.
        self._cursor.execute(
            "UPDATE questions SET state = %s, department = %s, assigned_to = %s,"
            " due_on = coalesce(%s, due_on), unseen = CASE WHEN %s THEN 0 ELSE unseen END,"
            " unread = CASE WHEN %s THEN 0 ELSE unread END WHERE question_id = %s",
            (
                question.state,
                question.department,
                question.assigned_to,
                question.due_on,
                question.state == "closed",
                question.erased,
                question.id,
            ),
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
        due_on=row["due_on"],
        assigned_to=row["assigned_to"],
        unread=row["unread"],
        unseen=row["unseen"],
    )
