"""The turns of questions: when the department was asked, and when it had answered."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import msgspec
import psycopg

from services.helpdesk.domain import Question
from shared.cooperation import cooperatively
from shared.eventstore import Recorded


class TurnView(msgspec.Struct, frozen=True, kw_only=True):
    """How a question, or what was asked on after an answer, was dealt with."""

    department: str
    topic: str
    started_at: datetime
    due_on: date
    waited: int
    answered_at: datetime | None
    closed_at: datetime | None
    waiting: bool


class Turns:
    """The table of turns within one transaction."""

    def __init__(self, cursor: psycopg.Cursor[dict[str, Any]]) -> None:
        self._cursor = cursor

    def start(self, record: Recorded, question: Question) -> None:
        """Begin the next turn of a question."""
        self._cursor.execute(
            "INSERT INTO turns (question_id, turn, department, topic, started_at, due_on)"
            " SELECT %(id)s, count(*) + 1, %(department)s, %(topic)s, %(at)s, %(due_on)s"
            " FROM turns WHERE question_id = %(id)s",
            {
                "id": question.id,
                "department": question.department,
                "topic": question.subject,
                "at": record.recorded_at,
                "due_on": question.due_on,
            },
        )

    def go_on(self, record: Recorded, question: Question, waited: int) -> None:
        """Take a message of the person: it begins a turn after an answer, else goes on with one."""
        if self._last_has_ended(question):
            self.start(record, question)
            return
        self._cursor.execute(
            "UPDATE turns SET waited = waited + %s, due_on = coalesce(%s, due_on)"
            f" WHERE question_id = %s AND {_LAST}",
            (waited, question.due_on, question.id),
        )

    def route(self, record: Recorded, department: str) -> None:
        """Count the turn for the department that answers."""
        self._cursor.execute(
            "UPDATE turns SET department = %s WHERE question_id = %s"
            f" AND answered_at IS NULL AND closed_at IS NULL AND {_LAST}",
            (department, record.originator_id),
        )

    def answer(self, record: Recorded, question: Question, waited: int) -> None:
        """Answer the turn; the first answer counts, without the days for which staff waited."""
        self._cursor.execute(
            "UPDATE turns SET answered_at = %s, waited = waited + %s,"
            " due_on = coalesce(%s, due_on) WHERE question_id = %s AND answered_at IS NULL"
            f" AND {_LAST}",
            (record.recorded_at, waited, question.due_on, question.id),
        )

    def close(self, record: Recorded) -> None:
        """End the turn without an answer, where it has none."""
        self._cursor.execute(
            "UPDATE turns SET closed_at = coalesce(closed_at, %s) WHERE question_id = %s"
            f" AND {_LAST}",
            (record.recorded_at, record.originator_id),
        )

    def since(self, first: datetime) -> list[TurnView]:
        """Return the turns that began at an instant or later."""
        self._cursor.execute(
            "SELECT turns.department, turns.topic, started_at, turns.due_on, waited, answered_at,"
            " closed_at, state = 'waiting' AND answered_at IS NULL AND closed_at IS NULL AS waiting"
            " FROM turns JOIN questions USING (question_id) WHERE started_at >= %s",
            (first,),
        )
        return [TurnView(**row) for row in cooperatively(self._cursor)]

    def _last_has_ended(self, question: Question) -> bool:
        self._cursor.execute(
            "SELECT answered_at IS NOT NULL OR closed_at IS NOT NULL AS ended FROM turns"
            f" WHERE question_id = %s AND {_LAST}",
            (question.id,),
        )
        row = self._cursor.fetchone()
        return row is None or bool(row["ended"])


_LAST = (
    "turn = (SELECT max(turn) FROM turns AS others WHERE others.question_id = turns.question_id)"
)
