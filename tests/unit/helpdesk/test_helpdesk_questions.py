"""A question's course: asked, handed over, answered, closed, opened again (S25)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from services.helpdesk.answers import letter, question_summary
from services.helpdesk.application import (
    CloseQuestion,
    RouteQuestion,
    close_question,
    question_of,
)
from services.helpdesk.domain import MAX_TEXT, QuestionAsked
from shared.context import bind
from shared.errors import Conflict, Forbidden, NotFound, ValidationFailed

ANNA, BORIS = uuid4(), uuid4()


def test_a_question_reaches_the_department_that_is_competent_for_its_topic(house: Any) -> None:
    answer = house.asked(ANNA, "  Почему выросла сумма? \r\n", account="0100000001")
    assert answer["department"] == "billing"
    assert answer["department_title"] == "Отдел расчётов"
    assert answer["number"] == 1
    (record,) = house.store.log
    view = house.view(record.originator_id)
    assert (view.state, view.department, view.account) == ("open", "billing", "0100000001")
    assert house.messages(record.originator_id) == [
        {"author": "person", "text": "Почему выросла сумма?", "at": "2026-11-10T09:00:00+00:00"}
    ]


def test_the_same_command_asks_once(house: Any) -> None:
    with bind(command_id=uuid4()):
        assert house.asked(ANNA, "Да?") == house.asked(ANNA, "Да?")
    assert len(house.store.log) == 1


@pytest.mark.parametrize("text", ["", "  \n ", "я" * (MAX_TEXT + 1), "bell\x07"])
def test_a_text_has_1_to_4000_characters(house: Any, text: str) -> None:
    with pytest.raises(ValidationFailed) as refusal:
        house.ask(ANNA, text)
    assert refusal.value.code == "invalid_text"
    house.ask(ANNA, f" {'я' * MAX_TEXT} ")


def test_an_unknown_topic_is_refused(house: Any) -> None:
    with pytest.raises(ValidationFailed) as refusal:
        house.ask(ANNA, topic="weather")
    assert refusal.value.code == "unknown_topic"


def test_a_person_asks_ten_questions_a_day(house: Any) -> None:
    for _ in range(10):
        house.ask(ANNA)
    with pytest.raises(Forbidden) as refusal:
        house.ask(ANNA)
    assert refusal.value.code == "too_many_questions"
    assert house.asked(BORIS, "Да?")["number"] == 11
    house.clock.advance(timedelta(hours=24))
    house.ask(ANNA)


def test_a_person_writes_fifty_messages_a_day(house: Any) -> None:
    question_id = house.ask(ANNA)
    for _ in range(49):
        house.write_again(ANNA, question_id, "И ещё")
    with pytest.raises(Forbidden) as refusal:
        house.write_again(ANNA, question_id, "И ещё")
    assert refusal.value.code == "too_many_messages"


def test_an_answer_is_staffs_and_a_new_message_opens_the_question_again(house: Any) -> None:
    question_id = house.ask(ANNA)
    assert house.answer(question_id, "Начался отопительный сезон.")["state"] == "answered"
    assert house.write_again(ANNA, question_id, "Спасибо, а пени?")["state"] == "open"
    assert house.view(question_id).state == "open"
    assert [message["author"] for message in house.messages(question_id)] == [
        "person",
        "staff",
        "person",
    ]
    assert house.store.log[1].actor == "staff:olga"


def test_a_closed_question_is_opened_by_a_message(house: Any) -> None:
    question_id = house.ask(ANNA)
    command = CloseQuestion(question_id=question_id, reason="повтор")
    assert house.store.execute(close_question, command)["state"] == "closed"
    with pytest.raises(Conflict):
        house.store.execute(close_question, command)
    house.write_again(ANNA, question_id, "Нет, не повтор")
    assert house.view(question_id).state == "open"


def test_a_question_is_handed_over_with_a_reason(house: Any) -> None:
    question_id = house.ask(ANNA)
    route = RouteQuestion(question_id=question_id, department="metering", reason="о счётчике")
    house.store.execute(house.desk.route, route)
    assert house.view(question_id).department == "metering"
    with pytest.raises(Conflict) as again:
        house.store.execute(house.desk.route, route)
    assert again.value.code == "already_routed"
    with pytest.raises(ValidationFailed) as refusal:
        house.store.execute(
            house.desk.route,
            RouteQuestion(question_id=question_id, department="moon", reason="?"),
        )
    assert refusal.value.code == "unknown_department"


def test_a_strangers_question_is_not_there(house: Any) -> None:
    question_id = house.ask(ANNA)
    refused = [
        lambda: house.write_again(BORIS, question_id, "Дайте почитать"),
        lambda: house.write_again(BORIS, uuid4(), "Дайте почитать"),
        lambda: house.answer(uuid4(), "Кому?"),
        lambda: house.store.query(lambda session: question_of(session, question_id, BORIS)),
    ]
    for call in refused:
        with pytest.raises(NotFound) as refusal:
            call()
        assert refusal.value.code == "question_not_found"


def test_the_letter_has_the_question_and_the_last_answer(house: Any) -> None:
    question_id = house.ask(ANNA, account="0100000001")
    house.answer(question_id, "Первый ответ")
    house.write_again(ANNA, question_id, "Не понял")
    house.answer(question_id, "Второй ответ")
    made = letter(house.view(question_id), house.messages(question_id), house.directory)
    assert made == {
        "person_id": str(ANNA),
        "number": 1,
        "department_email": "billing@teploset-demo.invalid",
        "department_title": "Отдел расчётов",
        "topic_title": "Начисления и перерасчёт",
        "account": "0100000001",
        "text": "Почему выросла сумма?",
        "answer": "Второй ответ",
    }


def test_an_erased_question_has_no_text_left(house: Any) -> None:
    question_id = house.ask(ANNA)
    house.answer(question_id, "Ответ")
    house.store.vault.destroy(question_id)
    assert [message["text"] for message in house.messages(question_id)] == [None, None]
    made = letter(house.view(question_id), house.messages(question_id), house.directory)
    assert (made["text"], made["answer"]) == (None, None)


def test_a_topic_no_longer_listed_is_called_by_its_id(house: Any) -> None:
    view = house.view(house.ask(ANNA))
    directory = type(house.directory)(departments={}, topics={}, limits=house.directory.limits)
    summary = question_summary(view, directory)
    assert (summary["title"], summary["department_title"]) == ("charges", "billing")


def test_no_event_has_a_text_in_clear(house: Any) -> None:
    question_id = house.ask(ANNA, "Тайна вопроса")
    house.write_again(ANNA, question_id, "Тайна сообщения")
    house.answer(question_id, "Тайна ответа", reason="Тайна причины")
    house.store.execute(
        house.desk.route,
        RouteQuestion(question_id=question_id, department="metering", reason="Тайна передачи"),
    )
    log = b"".join(house.store.events.encode(record.event) for record in house.store.log).decode()
    assert "Тайна" not in log
    assert "\\u" not in log
    assert isinstance(house.store.log[0].event, QuestionAsked)
