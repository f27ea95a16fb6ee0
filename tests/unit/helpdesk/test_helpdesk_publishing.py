"""Published events keep their contracts and contain no text."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from services.helpdesk.dispute import DisputedLine
from services.helpdesk.disputes import NoteProposal, note_decision, note_proposal
from services.helpdesk.domain import EVENTS, QuestionErased
from services.helpdesk.publishing import publish
from shared.contracts.helpdesk import CONTRACTS


def test_every_event_is_published_by_its_contract(helpdesk: Any) -> None:
    person_id = uuid4()
    line = DisputedLine(account="0100000001", period="2026-10", service="heating")
    question_id = helpdesk.ask(person_id, account=line.account, line=line)
    proposed = NoteProposal(question_id=question_id, proposal_id=uuid4())
    mistyped = NoteProposal(question_id=question_id, proposal_id=uuid4())
    for noted, outcome in ((mistyped, "withdrawn"), (proposed, "approved")):
        helpdesk.store.execute(note_proposal, noted)
        helpdesk.store.transact(
            lambda session, given: note_decision(session, *given), (noted.proposal_id, outcome)
        )
    helpdesk.add_message(person_id, question_id, "И ещё")
    helpdesk.answer(question_id, "Ответ")
    helpdesk.route(question_id, "metering")
    helpdesk.assign(question_id, "olga")
    helpdesk.close(question_id)
    contracts = {contract.type: contract for contract in CONTRACTS}
    published = [made for record in helpdesk.store.log if (made := publish(record))]
    for publication in published:
        contracts[publication.type].check(publication.data)
    assert {publication.type for publication in published} == set(contracts)
    # That a question was erased follows from the person's erasure, which identity publishes; who
    # of staff works on it is nobody else's business. The ledger publishes what becomes of
    # a proposed adjustment.
    assert EVENTS.topics - {QuestionErased.topic} == {r.event.topic for r in helpdesk.store.log}
    assert len(EVENTS.topics) == len(contracts) + 4
    assert {publication.subject for publication in published} == {str(question_id)}
    assert published[0].data["department"] == "billing"
