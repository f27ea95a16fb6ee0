"""Questions that were asked before there were due days survive the upgrade."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import psycopg
import pytest

from services.discovery import migrations_of
from shared.working_days import load_working_days

pytestmark = pytest.mark.nodes

ASKED = {
    # number -> its state, and (author, day) of its messages
    1: ("open", [("person", date(2026, 4, 28))]),
    2: ("answered", [("person", date(2026, 6, 10)), ("staff", date(2026, 6, 15))]),
    3: (
        "open",
        [
            ("person", date(2026, 10, 1)),
            ("person", date(2026, 10, 2)),
            ("staff", date(2026, 10, 5)),
            ("staff", date(2026, 10, 6)),
            ("person", date(2026, 11, 27)),
        ],
    ),
    4: ("closed", [("person", date(2026, 11, 3))]),
    5: ("open", [("person", date(2025, 12, 30))]),
}


@pytest.fixture
def owner(database: Any) -> Any:
    """The owner in a schema as it was before, with questions; nothing of it is kept."""
    with database.owner("helpdesk") as connection:
        connection.autocommit = False
        connection.execute("CREATE SCHEMA before; SET LOCAL search_path = before, pg_temp")
        apply(connection, "0001_questions.sql")
        for number, (state, messages) in ASKED.items():
            add(connection, number, state, messages)
        yield connection
        connection.rollback()


def apply(owner: psycopg.Connection[Any], name: str) -> None:
    owner.execute((migrations_of("helpdesk") / name).read_text("utf-8"))


def at(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 21, 30, tzinfo=UTC)  # the next day in Moscow


def add(owner: Any, number: int, state: str, messages: list[tuple[str, date]]) -> None:
    question, days = UUID(int=number), [at(day) for _, day in messages]
    owner.execute(
        "INSERT INTO questions VALUES (%s, %s, %s, 'charges', 'billing', NULL, %s, %s, %s)",
        (question, number, UUID(int=9), state, days[0], days[-1]),
    )
    for position, (author, day) in enumerate(messages):
        owner.execute(
            "INSERT INTO messages VALUES (%s, %s, %s, 'x', 'sealed', %s)",
            (question, position, author, at(day)),
        )


def test_a_question_gets_its_due_day_from_the_day_it_was_asked(owner: Any) -> None:
    apply(owner, "0003_due_days.sql")
    found = owner.execute(
        "SELECT number, state, due_on, unread, unseen FROM questions ORDER BY number"
    ).fetchall()
    ten = {
        number: load_working_days({}).after(asked, 10)
        for number, asked in {
            1: date(2026, 4, 29),
            2: date(2026, 6, 11),
            3: date(2026, 11, 28),  # asked again
            4: date(2026, 11, 4),
            5: date(2025, 12, 31),
        }.items()
    }
    assert found == [
        (1, "open", ten[1], 0, 1),
        (2, "answered", ten[2], 0, 0),
        (3, "reopened", ten[3], 0, 1),
        (4, "closed", ten[4], 0, 0),
        (5, "open", ten[5], 0, 1),
    ]


def test_what_was_asked_again_after_an_answer_is_a_turn_of_its_own(owner: Any) -> None:
    apply(owner, "0003_due_days.sql")
    found = owner.execute(
        "SELECT turn, started_at, answered_at, closed_at FROM turns WHERE question_id = %s"
        " ORDER BY turn",
        (UUID(int=3),),
    ).fetchall()
    assert found == [
        (1, at(date(2026, 10, 1)), at(date(2026, 10, 5)), None),
        (2, at(date(2026, 11, 27)), None, None),
    ]
