"""Until when a question is answered: working days, asking back, what is asked again."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.helpdesk.answers import Summaries
from services.helpdesk.due_days import DueDays
from shared.errors import Conflict, ValidationFailed

ANNA = uuid4()


def seen(helpdesk: Any, question_id: UUID) -> dict[str, Any]:
    """Return the question as staff see it today."""
    days = DueDays(helpdesk.directory, helpdesk.calendar)
    summaries = Summaries(helpdesk.directory, days, helpdesk.clock.today())
    return summaries.for_staff(helpdesk.view(question_id), ())


def wait(helpdesk: Any, days: int) -> None:
    helpdesk.clock.advance(timedelta(days=days))


def test_an_answer_is_due_after_ten_working_days(helpdesk: Any) -> None:
    question_id = helpdesk.ask(ANNA)  # on Tuesday, 10 November
    assert helpdesk.view(question_id).due_on == date(2026, 11, 24)
    assert helpdesk.asked(ANNA, "?")["due_on"] == "2026-11-24"


def test_a_topic_may_be_answered_sooner(helpdesk: Any) -> None:
    assert helpdesk.directory.answer_within("quality", "service") == 3
    wait(helpdesk, 3)  # Friday, 13 November
    question_id = helpdesk.ask(ANNA, topic="quality")
    assert helpdesk.view(question_id).due_on == date(2026, 11, 18)


def test_a_question_is_due_soon_on_the_day_before_and_overdue_on_the_day_after(
    helpdesk: Any,
) -> None:
    question_id = helpdesk.ask(ANNA)
    marks = {}
    for _ in range(17):
        found = seen(helpdesk, question_id)
        marks[f"{helpdesk.clock.today():%d}"] = (found["due_soon"], found["overdue"])
        wait(helpdesk, 1)
    assert {day for day, (soon, _) in marks.items() if soon} == {"23", "24"}
    assert {day for day, (_, overdue) in marks.items() if overdue} == {"25", "26"}


def test_friday_says_that_monday_is_near(helpdesk: Any) -> None:
    helpdesk.clock.advance(timedelta(days=-1))  # due on Monday, 23 November
    question_id = helpdesk.ask(ANNA)
    wait(helpdesk, 11)
    assert helpdesk.clock.today() == date(2026, 11, 20)
    assert seen(helpdesk, question_id)["due_soon"]


def test_asking_back_stops_the_clock(helpdesk: Any) -> None:
    question_id = helpdesk.ask(ANNA)
    wait(helpdesk, 2)  # Thursday: 8 working days are left
    assert helpdesk.answer(question_id, "Какой счётчик?", wait=True)["state"] == "waiting"
    wait(helpdesk, 40)
    found = seen(helpdesk, question_id)
    assert (found["due_on"], found["overdue"], found["due_soon"]) == (None, False, False)
    assert helpdesk.add_message(ANNA, question_id, "Горячей воды")["state"] == "open"
    assert helpdesk.clock.today() == date(2026, 12, 22)
    assert helpdesk.view(question_id).due_on == helpdesk.calendar.after(date(2026, 12, 22), 8)


def test_asking_back_again_leaves_the_clock_where_it_stopped(helpdesk: Any) -> None:
    question_id = helpdesk.ask(ANNA)
    wait(helpdesk, 2)  # Thursday: 8 working days are left
    helpdesk.answer(question_id, "Какой счётчик?", wait=True)
    wait(helpdesk, 38)
    helpdesk.answer(question_id, "Напоминаем: какой?", wait=True)
    wait(helpdesk, 2)
    helpdesk.add_message(ANNA, question_id, "Горячей воды")
    assert helpdesk.view(question_id).due_on == helpdesk.calendar.after(date(2026, 12, 22), 8)


def test_after_asking_back_on_the_due_day_one_working_day_is_left(helpdesk: Any) -> None:
    question_id = helpdesk.ask(ANNA)
    wait(helpdesk, 14)  # Tuesday, 24 November, the due day
    helpdesk.answer(question_id, "Какой счётчик?", wait=True)
    wait(helpdesk, 17)  # Friday, 11 December
    helpdesk.add_message(ANNA, question_id, "Горячей воды")
    assert helpdesk.view(question_id).due_on == date(2026, 12, 14)


def test_a_due_day_that_has_passed_stays_so_whatever_staff_ask_back(helpdesk: Any) -> None:
    question_id = helpdesk.ask(ANNA)
    wait(helpdesk, 15)
    helpdesk.answer(question_id, "Какой счётчик?", wait=True)
    wait(helpdesk, 16)
    helpdesk.add_message(ANNA, question_id, "Горячей воды")
    found = seen(helpdesk, question_id)
    assert (found["due_on"], found["overdue"]) == ("2026-11-24", True)


@pytest.mark.parametrize("end", ["answer", "close"])
def test_a_reply_to_what_was_asked_back_after_the_end_has_a_due_day_of_its_own(
    helpdesk: Any, end: str
) -> None:
    question_id = helpdesk.ask(ANNA)  # due on 24 November
    if end == "answer":
        helpdesk.answer(question_id, "Начался отопительный сезон.")
    else:
        helpdesk.close(question_id)
    wait(helpdesk, 20)
    helpdesk.answer(question_id, "Помогло ли это?", wait=True)
    wait(helpdesk, 8)  # Tuesday, 8 December
    helpdesk.add_message(ANNA, question_id, "Нет")
    found = seen(helpdesk, question_id)
    assert (found["due_on"], found["overdue"]) == ("2026-12-22", False)


@pytest.mark.parametrize(
    ("before", "due_on", "waited"),
    [(2, date(2026, 12, 15), 15), (15, date(2026, 11, 24), 6)],
    ids=["asked back in time", "asked back too late"],
)
def test_an_answer_without_the_reply_counts_what_staff_waited_for_it(
    helpdesk: Any, before: int, due_on: date, waited: int
) -> None:
    question_id = helpdesk.ask(ANNA)
    wait(helpdesk, before)
    helpdesk.answer(question_id, "Какой счётчик?", wait=True)
    wait(helpdesk, 23 - before)  # Thursday, 3 December
    helpdesk.answer(question_id, "Горячей воды, судя по акту.")
    event = helpdesk.store.log[-1].event
    assert event.waited == waited
    assert helpdesk.view(question_id).due_on == due_on


def test_what_is_asked_after_an_answer_has_a_due_day_of_its_own(helpdesk: Any) -> None:
    question_id = helpdesk.ask(ANNA)
    helpdesk.answer(question_id, "Начался отопительный сезон.")
    assert seen(helpdesk, question_id)["due_on"] is None
    wait(helpdesk, 20)  # Monday, 30 November
    helpdesk.add_message(ANNA, question_id, "А пени?")
    assert seen(helpdesk, question_id)["due_on"] == "2026-12-14"


def test_another_message_leaves_the_due_day(helpdesk: Any) -> None:
    question_id = helpdesk.ask(ANNA)
    wait(helpdesk, 5)
    helpdesk.add_message(ANNA, question_id, "Ещё раз")
    assert helpdesk.view(question_id).due_on == date(2026, 11, 24)


def test_routing_keeps_the_due_day_and_ends_the_assignment(helpdesk: Any) -> None:
    question_id = helpdesk.ask(ANNA)
    helpdesk.assign(question_id, "olga")
    helpdesk.route(question_id, "service")
    view = helpdesk.view(question_id)
    assert (view.due_on, view.assigned_to, view.state) == (date(2026, 11, 24), None, "open")


def test_a_question_is_assigned_to_whoever_may_answer(helpdesk: Any) -> None:
    question_id = helpdesk.ask(ANNA)
    assert helpdesk.assign(question_id, "olga")["state"] == "in_progress"
    with pytest.raises(Conflict) as again:
        helpdesk.assign(question_id, "olga")
    assert again.value.code == "already_assigned"
    with pytest.raises(ValidationFailed) as refusal:
        helpdesk.assign(question_id, "stranger")
    assert refusal.value.code == "assignee_may_not_answer"
    assert helpdesk.assign(question_id, None)["state"] == "open"


def test_an_assigned_question_goes_on_with_its_assignee(helpdesk: Any) -> None:
    question_id = helpdesk.ask(ANNA)
    helpdesk.assign(question_id, "olga")
    helpdesk.answer(question_id, "Какой?", wait=True)
    assert helpdesk.add_message(ANNA, question_id, "Такой")["state"] == "in_progress"
    helpdesk.answer(question_id, "Вот.")
    assert helpdesk.add_message(ANNA, question_id, "А?")["state"] == "reopened"
    assert helpdesk.view(question_id).assigned_to == "olga"


def test_a_closed_question_is_not_assigned(helpdesk: Any) -> None:
    question_id = helpdesk.ask(ANNA)
    helpdesk.close(question_id)
    with pytest.raises(Conflict) as refusal:
        helpdesk.assign(question_id, "olga")
    assert refusal.value.code == "already_closed"


def test_unread_are_the_answers_that_came_after_the_last_look(helpdesk: Any) -> None:
    question_id = helpdesk.ask(ANNA)

    def look(messages: int) -> int:
        def note(session: Any, count: int) -> int:
            session.read.note_read(question_id, count)
            return int(session.read.unread_of(ANNA))

        return int(helpdesk.store.transact(note, messages))

    helpdesk.answer(question_id, "Раз")
    helpdesk.answer(question_id, "Два")
    assert helpdesk.view(question_id).unread == 2
    assert look(2) == 1, "what came while the page was on its way stays unread"
    assert look(3) == 0
    helpdesk.answer(question_id, "Три")
    assert helpdesk.view(question_id).unread == 1


def test_unseen_are_the_messages_that_no_staff_has_answered_or_opened(helpdesk: Any) -> None:
    question_id = helpdesk.ask(ANNA)
    helpdesk.add_message(ANNA, question_id, "И ещё")
    assert helpdesk.view(question_id).unseen == 2
    helpdesk.answer(question_id, "Да")
    assert helpdesk.view(question_id).unseen == 0
