"""A person who is erased: his questions lose every text, and nobody answers them any more."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from services.helpdesk.application import erase_questions, held_about
from services.helpdesk.dispute import DisputedLine
from services.helpdesk.domain import QuestionErased
from services.helpdesk.publishing import publish
from services.helpdesk.reactions import REACTIONS
from shared.errors import Conflict, NotFound

ANNA, BORIS = uuid4(), uuid4()


def erase(helpdesk: Any, person_id: UUID) -> int:
    return int(
        helpdesk.store.transact(lambda session, _: erase_questions(session, person_id), None)
    )


def test_every_text_of_the_person_is_gone_and_of_nobody_else(helpdesk: Any) -> None:
    mine, also_mine, another = (helpdesk.ask(person) for person in (ANNA, ANNA, BORIS))
    helpdesk.answer(mine, "Ответ")
    assert erase(helpdesk, ANNA) == 2
    assert [message["text"] for message in helpdesk.messages(mine)] == [None, None]
    assert helpdesk.view(also_mine).state == "closed"
    assert helpdesk.messages(another)[0]["text"] == "Почему выросла сумма?"


def test_a_repeated_erasure_makes_no_event(helpdesk: Any) -> None:
    helpdesk.ask(ANNA)
    for _ in range(2):
        erase(helpdesk, ANNA)
    erased = [each for each in helpdesk.store.log if isinstance(each.event, QuestionErased)]
    assert len(erased) == 1
    assert publish(erased[0]) is None


def test_an_erased_question_takes_no_message_and_no_answer(helpdesk: Any) -> None:
    question_id = helpdesk.ask(ANNA)
    erase(helpdesk, ANNA)
    with pytest.raises(NotFound):
        helpdesk.add_message(ANNA, question_id, "Ещё")
    with pytest.raises(Conflict) as caught:
        helpdesk.answer(question_id, "Ответ")
    assert caught.value.code == "question_erased"


def test_a_person_is_told_all_that_he_asked(helpdesk: Any) -> None:
    question_id = helpdesk.ask(ANNA, "Почему?", account="0100000001-2")
    helpdesk.ask(BORIS, "Тайна")
    helpdesk.answer(question_id, "Потому что.", reason="заметка")
    held = helpdesk.store.query(lambda session: held_about(session, ANNA))
    ((question),) = held["questions"]
    assert [message["text"] for message in question["messages"]] == ["Почему?", "Потому что."]
    assert question["account"] == "0100000001", "keys never leave the services"
    assert question["dispute"] is None
    assert "Тайна" not in str(held)


def test_a_person_is_told_which_line_he_disputes(helpdesk: Any) -> None:
    line = DisputedLine(account="0100000001-2", period="2026-10", service="heating")
    helpdesk.ask(ANNA, "Почему?", account="0100000001-2", line=line)
    held = helpdesk.store.query(lambda session: held_about(session, ANNA))
    assert held["questions"][0]["dispute"] == {
        "account": "0100000001",
        "period": "2026-10",
        "service": "heating",
        "state": "under_review",
        "since": "2026-11-10T09:00:00+00:00",
    }


def test_the_help_desk_follows_the_erasure() -> None:
    assert list(REACTIONS["identity"]) == ["person_erased"]
