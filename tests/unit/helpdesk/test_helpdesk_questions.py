"""A question: asked, handed over, answered, closed, reopened (S25)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import pytest

from services.helpdesk.answers import Summaries, letter_facts
from services.helpdesk.application import question_of
from services.helpdesk.domain import MAX_TEXT, OWED, QuestionAsked
from services.helpdesk.due_days import DueDays
from services.helpdesk.handling import RouteQuestion
from shared.context import bind
from shared.errors import Conflict, Forbidden, NotFound, ValidationFailed

ANNA, BORIS = uuid4(), uuid4()


def test_question_is_handed_to_the_department_of_its_topic(helpdesk: Any) -> None:
    answer = helpdesk.asked(ANNA, "  Почему выросла сумма? \r\n", account="0100000001")
    assert answer["department"] == "billing"
    assert answer["department_title"] == "Отдел расчётов"
    assert answer["number"] == 1
    (record,) = helpdesk.store.log
    view = helpdesk.view(record.originator_id)
    assert (view.state, view.department, view.account) == ("open", "billing", "0100000001")
    assert helpdesk.messages(record.originator_id) == [
        {
            "author": "person",
            "text": "Почему выросла сумма?",
            "at": "2026-11-10T09:00:00+00:00",
            "attachments": [],
        }
    ]


def test_the_same_command_asks_once(helpdesk: Any) -> None:
    with bind(command_id=uuid4()):
        assert helpdesk.asked(ANNA, "Да?") == helpdesk.asked(ANNA, "Да?")
    assert len(helpdesk.store.log) == 1


@pytest.mark.parametrize("text", ["", "  \n ", "я" * (MAX_TEXT + 1), "bell\x07"])
def test_a_text_has_1_to_4000_characters(helpdesk: Any, text: str) -> None:
    with pytest.raises(ValidationFailed) as refusal:
        helpdesk.ask(ANNA, text)
    assert refusal.value.code == "invalid_text"
    helpdesk.ask(ANNA, f" {'я' * MAX_TEXT} ")


def test_an_unknown_topic_is_refused(helpdesk: Any) -> None:
    with pytest.raises(ValidationFailed) as refusal:
        helpdesk.ask(ANNA, topic="weather")
    assert refusal.value.code == "unknown_topic"


def test_person_is_limited_to_ten_questions_a_day(helpdesk: Any) -> None:
    helpdesk.ask(ANNA)
    helpdesk.clock.advance(timedelta(hours=9))
    for _ in range(9):
        helpdesk.ask(ANNA)
    with pytest.raises(Forbidden) as refusal:
        helpdesk.ask(ANNA)
    assert refusal.value.code == "too_many_questions"
    assert refusal.value.params == {
        "policy": "questions_per_day",
        "limit": 10,
        "window_seconds": 86400,
        "retry_after_seconds": 15 * 3600,
    }
    assert helpdesk.asked(BORIS, "Да?")["number"] == 11
    helpdesk.clock.advance(timedelta(hours=15))
    helpdesk.ask(ANNA)
    with pytest.raises(Forbidden):
        helpdesk.ask(ANNA)


def test_person_is_limited_to_fifty_messages_a_day(helpdesk: Any) -> None:
    question_id = helpdesk.ask(ANNA)
    for _ in range(49):
        helpdesk.add_message(ANNA, question_id, "И ещё")
    with pytest.raises(Forbidden) as refusal:
        helpdesk.add_message(ANNA, question_id, "И ещё")
    assert refusal.value.code == "too_many_messages"
    assert refusal.value.params["policy"] == "messages_per_day"
    helpdesk.clock.advance(timedelta(seconds=refusal.value.params["retry_after_seconds"]))
    helpdesk.add_message(ANNA, question_id, "И ещё")


def test_message_after_an_answer_reopens_the_question(helpdesk: Any) -> None:
    question_id = helpdesk.ask(ANNA)
    assert helpdesk.answer(question_id, "Начался отопительный сезон.")["state"] == "answered"
    assert helpdesk.add_message(ANNA, question_id, "Спасибо, а пени?")["state"] == "reopened"
    assert helpdesk.view(question_id).state == "reopened"
    assert [message["author"] for message in helpdesk.messages(question_id)] == [
        "person",
        "staff",
        "person",
    ]
    assert helpdesk.store.log[1].actor == "staff:olga"


def test_message_reopens_a_closed_question(helpdesk: Any) -> None:
    question_id = helpdesk.ask(ANNA)
    assert helpdesk.close(question_id)["state"] == "closed"
    with pytest.raises(Conflict):
        helpdesk.close(question_id)
    helpdesk.add_message(ANNA, question_id, "Нет, не повтор")
    assert helpdesk.view(question_id).state == "reopened"


def test_a_question_is_handed_over_with_a_reason(helpdesk: Any) -> None:
    question_id = helpdesk.ask(ANNA)
    helpdesk.route(question_id, "metering")
    assert helpdesk.view(question_id).department == "metering"
    with pytest.raises(Conflict) as again:
        helpdesk.route(question_id, "metering")
    assert again.value.code == "already_routed"
    with pytest.raises(ValidationFailed) as refusal:
        helpdesk.route(question_id, "moon")
    assert refusal.value.code == "unknown_department"


def test_somebody_elses_question_is_not_found(helpdesk: Any) -> None:
    question_id = helpdesk.ask(ANNA)
    refused = [
        lambda: helpdesk.add_message(BORIS, question_id, "Дайте почитать"),
        lambda: helpdesk.add_message(BORIS, uuid4(), "Дайте почитать"),
        lambda: helpdesk.answer(uuid4(), "Кому?"),
        lambda: helpdesk.store.query(lambda session: question_of(session, question_id, BORIS)),
    ]
    for call in refused:
        with pytest.raises(NotFound) as refusal:
            call()
        assert refusal.value.code == "question_not_found"


def test_letters_quote_nothing_of_a_question(helpdesk: Any) -> None:
    question_id = helpdesk.ask(ANNA, account="0100000001")
    helpdesk.answer(question_id, "Первый ответ")
    assert letter_facts(helpdesk.view(question_id), helpdesk.directory, ()) == {
        "person_id": str(ANNA),
        "number": 1,
        "state": "answered",
        "department_email": "billing@teploset-demo.invalid",
        "department": "billing",
        "department_title": "Отдел расчётов",
        "department_title_en": "Billing",
        "topic_title": "Начисления и перерасчёт",
        "topic_title_en": "Charges and recalculation",
        "account": "0100000001",
        "due_on": "2026-11-24",
    }


@pytest.mark.parametrize("do", ["answer", "ask back", "close"])
@pytest.mark.parametrize("state", ["open", "waiting", "answered"])
def test_staff_say_nothing_to_a_message_that_none_of_them_has_seen(
    helpdesk: Any, state: str, do: str
) -> None:
    question_id = helpdesk.ask(ANNA)
    helpdesk.show(question_id)
    if state != "open":
        helpdesk.answer(question_id, "Какой счётчик?", wait=state == "waiting")
        helpdesk.add_message(ANNA, question_id, "Горячей воды")
        helpdesk.show(question_id)
    helpdesk.add_message(ANNA, question_id, "Течёт труба, срочно!")
    said: dict[str, Callable[..., Any]] = {
        "answer": lambda **how: helpdesk.answer(question_id, "Зима.", **how),
        "ask back": lambda **how: helpdesk.answer(question_id, "Какой?", wait=True, **how),
        "close": lambda **how: helpdesk.close(question_id, **how),
    }
    before = helpdesk.view(question_id)
    with pytest.raises(Conflict) as refusal:
        said[do](shown=False)
    assert (refusal.value.code, refusal.value.params) == ("unseen_messages", {"number": 1})
    assert helpdesk.view(question_id) == before
    assert before.state in OWED
    helpdesk.show(question_id)
    said[do](shown=False)


def test_whoever_has_looked_at_nothing_answers_all_that_was_written(helpdesk: Any) -> None:
    question_id = helpdesk.ask(ANNA)
    assert helpdesk.answer(question_id, "Зима.", shown=False)["state"] == "answered"
    helpdesk.add_message(ANNA, question_id, "А весной?")
    assert helpdesk.answer(question_id, "Тоже.", shown=False)["state"] == "answered"


def test_erased_question_has_no_text(helpdesk: Any) -> None:
    question_id = helpdesk.ask(ANNA)
    helpdesk.answer(question_id, "Ответ")
    helpdesk.store.vault.destroy(question_id)
    assert [message["text"] for message in helpdesk.messages(question_id)] == [None, None]


def test_topic_no_longer_listed_is_shown_by_its_id(helpdesk: Any) -> None:
    view = helpdesk.view(helpdesk.ask(ANNA))
    directory = type(helpdesk.directory)(
        departments={}, topics={}, limits=helpdesk.directory.limits
    )
    summaries = Summaries(directory, DueDays(directory, helpdesk.calendar), date(2026, 11, 10))
    summary = summaries.for_person(view)
    assert (summary["title"], summary["department_title"]) == ("charges", "billing")


def test_no_event_has_a_text_in_clear(helpdesk: Any) -> None:
    question_id = helpdesk.ask(ANNA, "Тайна вопроса")
    helpdesk.add_message(ANNA, question_id, "Тайна сообщения")
    helpdesk.answer(question_id, "Тайна ответа", reason="Тайна причины")
    helpdesk.store.execute(
        helpdesk.staff_use_cases.route,
        RouteQuestion(question_id=question_id, department="metering", reason="Тайна передачи"),
    )
    log = b"".join(
        helpdesk.store.events.encode(record.event) for record in helpdesk.store.log
    ).decode()
    assert "Тайна" not in log
    assert "\\u" not in log
    assert isinstance(helpdesk.store.log[0].event, QuestionAsked)
