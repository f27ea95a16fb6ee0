"""A question about an account that is closed: staff see that it is not the account of now."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID, uuid4

import pytest

from services.helpdesk.application import held_about
from services.helpdesk.reactions import REACTIONS
from services.helpdesk.service import HelpdeskService
from shared import context
from shared.bus import Message

NUMBER = "0100000001"
SECOND = f"{NUMBER}-2"
ANNA = uuid4()


@pytest.fixture
def service(helpdesk: Any) -> HelpdeskService:
    """The RPCs, with a question of the first holder, one of the second and one of no account."""
    made = HelpdeskService()
    made.store = helpdesk.store
    for account in (NUMBER, SECOND, None):
        helpdesk.ask(ANNA, account=account)
    return made


def closes(service: HelpdeskService, tenure: int) -> None:
    message = Message(
        id=f"accounts-{tenure}",
        type="tenure_closed",
        source="accounts",
        subject=NUMBER,
        time=service.store.query(lambda session: session.now),
        position=tenure,
        predecessor=tenure - 1,
        correlation_id="",
        data={"number": NUMBER, "tenure": tenure, "until": "2026-10-09"},
    )
    react = REACTIONS["accounts"]["tenure_closed"]
    for _ in range(2):
        service.store.transact(
            lambda session, message: react(session, message, cast(Any, None)), message
        )


def seen_by_staff(service: HelpdeskService) -> list[str | None]:
    """Return the accounts of all questions, which a list, a question and a letter agree on."""
    listed = service.questions_of_state(
        state=None, department=None, assigned_to=None, overdue=False, limit=10
    )["questions"]
    with context.bind(actor="staff:olga"):
        shown = [service.any_question(question=str(one["number"])) for one in listed]
    letters = [service.letter_of(question_id=UUID(one["question_id"])) for one in listed]
    accounts = [one["account"] for one in listed]
    assert [one["account"] for one in shown] == accounts
    assert [one["account"] for one in letters] == accounts
    return accounts


def test_staff_see_by_the_name_of_the_account_that_its_holder_is_a_former_one(
    service: HelpdeskService,
) -> None:
    assert seen_by_staff(service) == [NUMBER, SECOND, None]
    closes(service, 1)
    assert seen_by_staff(service) == [f"{NUMBER}-1", SECOND, None]
    closes(service, 2)
    assert seen_by_staff(service) == [f"{NUMBER}-1", SECOND, None]


def test_persons_see_the_number_alone(service: HelpdeskService) -> None:
    closes(service, 1)
    listed = service.questions(person_id=ANNA)["questions"]
    held = service.store.query(lambda session: held_about(session, ANNA))["questions"]
    for questions in (listed, held):
        assert sorted(one["account"] or "" for one in questions) == ["", NUMBER, NUMBER]
