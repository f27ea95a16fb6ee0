"""A disputed line: under review, then corrected or rejected; only the asker has its question."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID, uuid4

import pytest

from services.helpdesk.application import erase_questions
from services.helpdesk.dispute import DisputedLine
from services.helpdesk.disputes import (
    NoteProposal,
    dispute_for_person,
    dispute_for_staff,
    disputed_line,
    disputes_of,
    note_decision,
    note_proposal,
)
from services.helpdesk.publishing import publish
from services.helpdesk.reactions import REACTIONS
from shared.bus import Message
from shared.context import bind
from shared.errors import Conflict, NotFound

ANNA, BORIS = uuid4(), uuid4()
KEY = "0100000001-2"
LINE = DisputedLine(account=KEY, period="2026-10", service="heating")


class Disputing:
    """A help desk with a question about a line, and what staff and the ledger do about it."""

    def __init__(self, helpdesk: Any) -> None:
        self.helpdesk = helpdesk
        self.question_id: UUID = helpdesk.ask(ANNA, account=KEY, line=LINE)

    @property
    def state(self) -> str | None:
        found = self.helpdesk.store.query(
            lambda session: dispute_for_person(session, self.question_id)
        )
        return found and found["state"]

    def propose(self, proposal_id: UUID | None = None, question_id: UUID | None = None) -> UUID:
        proposal_id = proposal_id or uuid4()
        command = NoteProposal(question_id=question_id or self.question_id, proposal_id=proposal_id)
        with bind(actor="staff:olga"):
            self.helpdesk.store.execute(note_proposal, command)
        return proposal_id

    def decide(self, proposal_id: UUID, decision: str) -> None:
        withdrawn = decision == "withdrawn"
        message = Message(
            id=f"ledger-{proposal_id}",
            type="correction_withdrawn" if withdrawn else "correction_decided",
            source="ledger",
            subject=str(proposal_id),
            time=self.helpdesk.clock.now(),
            position=2,
            predecessor=1,
            correlation_id="",
            data={
                "proposal_id": str(proposal_id),
                **({} if withdrawn else {"decision": decision}),
            },
        )
        react = REACTIONS["ledger"][message.type]
        self.helpdesk.store.transact(
            lambda session, message: react(session, message, cast(Any, None)), message
        )

    def seen_by(self, person_id: UUID, *accounts: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.helpdesk.store.query(
            lambda session: disputes_of(session, person_id, accounts)
        )
        return found

    def system_messages(self) -> list[str]:
        messages = self.helpdesk.messages(self.question_id)
        return [one["text"] for one in messages if one["author"] == "system"]


@pytest.fixture
def disputing(helpdesk: Any) -> Disputing:
    return Disputing(helpdesk)


def test_a_disputed_line_is_under_review(disputing: Disputing) -> None:
    [found] = disputing.seen_by(ANNA, KEY)
    assert found == {
        "account": KEY,
        "period": "2026-10",
        "service": "heating",
        "state": "under_review",
        "since": "2026-11-10T09:00:00+00:00",
        "question_id": str(disputing.question_id),
    }


def test_another_reader_sees_the_review_without_the_question(disputing: Disputing) -> None:
    [found] = disputing.seen_by(BORIS, KEY)
    assert (found["state"], found["question_id"]) == ("under_review", None)


@pytest.mark.parametrize("other", ["0100000001", "0100000001-3", "0100000002"])
def test_another_holder_of_the_number_sees_nothing(disputing: Disputing, other: str) -> None:
    assert disputing.seen_by(BORIS, other) == []
    assert disputing.seen_by(ANNA, other) == []


def test_an_approved_proposal_corrects_the_line_and_the_thread_says_so(
    disputing: Disputing,
) -> None:
    proposal_id = disputing.propose()
    assert disputing.state == "under_review"
    disputing.decide(proposal_id, "approved")
    assert disputing.state == "corrected"
    assert disputing.system_messages() == ["approved"]
    assert disputing.helpdesk.view(disputing.question_id).unread == 1


def test_a_rejected_proposal_rejects_the_dispute(disputing: Disputing) -> None:
    disputing.decide(disputing.propose(), "rejected")
    assert disputing.state == "rejected"
    assert disputing.system_messages() == ["rejected"]


def test_a_decision_that_is_known_before_the_proposal_holds_for_it(disputing: Disputing) -> None:
    proposal_id = uuid4()
    disputing.decide(proposal_id, "approved")
    assert disputing.state == "under_review"
    disputing.propose(proposal_id)
    assert disputing.state == "corrected"


def test_a_decision_and_a_proposal_count_once(disputing: Disputing) -> None:
    proposal_id = disputing.propose()
    disputing.propose(proposal_id)
    for _ in range(2):
        disputing.decide(proposal_id, "approved")
    assert disputing.system_messages() == ["approved"]


def test_a_proposal_of_two_questions_decides_both(disputing: Disputing) -> None:
    other = disputing.helpdesk.ask(BORIS, account=KEY, line=LINE)
    proposal_id = disputing.propose()
    disputing.propose(proposal_id, other)
    disputing.decide(proposal_id, "approved")
    assert [one["state"] for one in disputing.seen_by(ANNA, KEY)] == ["corrected", "corrected"]


def test_one_rejected_proposal_of_two_leaves_the_line_under_review(disputing: Disputing) -> None:
    first = disputing.propose()
    second = disputing.propose()
    disputing.decide(first, "rejected")
    assert disputing.state == "under_review"
    disputing.decide(second, "approved")
    assert disputing.state == "corrected"


def test_a_withdrawn_proposal_decides_nothing(disputing: Disputing) -> None:
    proposal_id = disputing.propose()
    length = len(disputing.helpdesk.store.log)
    for _ in range(2):
        disputing.decide(proposal_id, "withdrawn")
    assert disputing.state == "under_review"
    assert disputing.system_messages() == []
    [withdrawn] = disputing.helpdesk.store.log[length:]
    assert publish(withdrawn) is None
    disputing.decide(disputing.propose(), "approved")
    assert disputing.state == "corrected"


def test_a_withdrawal_that_is_known_before_the_proposal_holds_for_it(disputing: Disputing) -> None:
    proposal_id = uuid4()
    disputing.decide(proposal_id, "withdrawn")
    disputing.propose(proposal_id)
    disputing.helpdesk.answer(disputing.question_id, "По показаниям счётчика.")
    assert disputing.state == "rejected"


@pytest.mark.parametrize(
    ("decision", "state"), [("approved", "corrected"), ("rejected", "rejected")]
)
def test_a_withdrawal_leaves_what_was_decided_before(
    disputing: Disputing, decision: str, state: str
) -> None:
    disputing.decide(disputing.propose(), decision)
    mistyped = disputing.propose()
    assert disputing.state == "under_review"
    disputing.decide(mistyped, "withdrawn")
    assert disputing.state == state


def test_a_line_disputed_again_stays_under_review_after_a_withdrawal(disputing: Disputing) -> None:
    disputing.decide(disputing.propose(), "rejected")
    mistyped = disputing.propose()
    disputing.helpdesk.add_message(ANNA, disputing.question_id, "Счётчик сломан.")
    disputing.decide(mistyped, "withdrawn")
    assert disputing.state == "under_review"


@pytest.mark.parametrize("end", ["answer", "close"])
def test_a_withdrawal_after_the_departments_word_leaves_the_line_as_it_is(
    disputing: Disputing, end: str
) -> None:
    mistyped = disputing.propose()
    if end == "answer":
        disputing.helpdesk.answer(disputing.question_id, "По показаниям счётчика.")
    else:
        disputing.helpdesk.close(disputing.question_id)
    assert disputing.state == "under_review"
    disputing.decide(mistyped, "withdrawn")
    assert disputing.state == "rejected"


def test_an_answer_without_a_proposal_leaves_the_line_as_it_is(disputing: Disputing) -> None:
    disputing.helpdesk.answer(disputing.question_id, "По показаниям счётчика.")
    assert disputing.state == "rejected"
    disputing.helpdesk.add_message(ANNA, disputing.question_id, "Счётчик сломан.")
    assert disputing.state == "under_review"
    disputing.helpdesk.close(disputing.question_id)
    assert disputing.state == "rejected"


def test_asking_back_or_answering_a_proposed_line_decides_nothing(disputing: Disputing) -> None:
    disputing.helpdesk.answer(disputing.question_id, "Пришлите фото.", wait=True)
    assert disputing.state == "under_review"
    disputing.propose()
    disputing.helpdesk.answer(disputing.question_id, "Перерасчёт предложен.")
    assert disputing.state == "under_review"


def test_a_corrected_line_stays_corrected(disputing: Disputing) -> None:
    disputing.decide(disputing.propose(), "approved")
    disputing.helpdesk.answer(disputing.question_id, "Готово.")
    disputing.helpdesk.add_message(ANNA, disputing.question_id, "Спасибо!")
    assert disputing.state == "corrected"
    disputing.decide(disputing.propose(), "rejected")
    assert disputing.state == "corrected"


def test_a_corrected_line_is_disputed_again_where_the_person_says_so(disputing: Disputing) -> None:
    disputing.decide(disputing.propose(), "approved")
    again = {"question_id": disputing.question_id, "text": "Всё ещё много.", "disputes": True}
    disputing.helpdesk.add_message(ANNA, **again)
    assert disputing.state == "under_review"
    disputing.helpdesk.answer(disputing.question_id, "Так по показаниям.")
    assert disputing.state == "corrected"


def test_a_question_without_a_line_disputes_nothing(helpdesk: Any) -> None:
    helpdesk.add_message(ANNA, helpdesk.ask(ANNA), "Не согласна", disputes=True)
    assert not helpdesk.store.log[-1].event.disputes


def test_nothing_is_proposed_for_another_question(helpdesk: Any) -> None:
    question_id = helpdesk.ask(ANNA)
    command = NoteProposal(question_id=question_id, proposal_id=uuid4())
    with pytest.raises(Conflict, match="not about a line"):
        helpdesk.store.execute(note_proposal, command)
    with pytest.raises(Conflict, match="not about a line"):
        helpdesk.store.query(lambda session: disputed_line(session, question_id))
    with pytest.raises(NotFound):
        helpdesk.store.query(lambda session: disputed_line(session, uuid4()))


def test_staff_see_the_proposals_and_a_former_holders_account(disputing: Disputing) -> None:
    proposal_id = disputing.propose()
    found = disputing.helpdesk.store.query(
        lambda session: dispute_for_staff(session, disputing.question_id)
    )
    assert found["account"] == KEY
    assert found["proposals"] == [{"proposal_id": str(proposal_id), "decision": None}]


def test_an_erased_question_disputes_nothing(disputing: Disputing) -> None:
    proposal_id = disputing.propose()
    disputing.helpdesk.store.execute(erase_questions, ANNA)
    assert disputing.seen_by(BORIS, KEY) == []
    disputing.decide(proposal_id, "approved")
    assert disputing.system_messages() == []


def test_the_decision_is_published_without_the_line(disputing: Disputing) -> None:
    disputing.decide(disputing.propose(), "rejected")
    published = publish(disputing.helpdesk.store.log[-1])
    assert published
    assert published.type == "dispute_decided"
    assert published.data == {
        "question_id": str(disputing.question_id),
        "person_id": str(ANNA),
        "decision": "rejected",
    }


def test_a_decision_on_any_other_correction_changes_nothing(helpdesk: Any) -> None:
    proposal_id = uuid4()
    helpdesk.store.execute(lambda session, _: note_decision(session, proposal_id, "approved"), None)
    assert list(helpdesk.store.log) == []
