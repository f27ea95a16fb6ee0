"""Published events keep their contracts and contain no text."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from services.helpdesk.application import CloseQuestion, RouteQuestion, close_question
from services.helpdesk.domain import EVENTS, QuestionErased
from services.helpdesk.publishing import publish
from shared.contracts.helpdesk import CONTRACTS


def test_every_event_is_published_by_its_contract(helpdesk: Any) -> None:
    person_id = uuid4()
    question_id = helpdesk.ask(person_id)
    helpdesk.add_message(person_id, question_id, "И ещё")
    helpdesk.answer(question_id, "Ответ")
    route = RouteQuestion(question_id=question_id, department="metering", reason="о счётчике")
    helpdesk.store.execute(helpdesk.use_cases.route, route)
    close = CloseQuestion(question_id=question_id, reason="повтор")
    helpdesk.store.execute(close_question, close)
    contracts = {contract.type: contract for contract in CONTRACTS}
    published = [publish(record) for record in helpdesk.store.log]
    for publication in published:
        contracts[publication.type].check(publication.data)
    assert {publication.type for publication in published} == set(contracts)
    # That a question was erased follows from the person's erasure, which identity publishes.
    assert EVENTS.topics - {QuestionErased.topic} == {r.event.topic for r in helpdesk.store.log}
    assert len(EVENTS.topics) == len(contracts) + 1
    assert {publication.subject for publication in published} == {str(question_id)}
    assert published[0].data["department"] == "billing"
