"""Every topic reaches the mailbox of its department; some houses have departments of their own."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from services.helpdesk.application import QuestionUseCases
from services.helpdesk.departments import Department, Directory, House, Title, load_directory
from services.helpdesk.due_days import DueDays
from services.helpdesk.service import HelpdeskService
from shared.errors import Unavailable

ANNA = uuid4()
EAST, WEST = "0100000001", "0100000002"
HOUSES: dict[str, str | None] = {
    EAST: "г. Примерск, ул. Восточная, д. 4",
    f"{WEST}-2": "г. Примерск, ул. Западная, д. 4",
}
SHIPPED = load_directory({})


class Accounts:
    """Accounts that know where each is."""

    def __init__(self) -> None:
        self.down = False

    def call(self, service: str, method: str, **arguments: Any) -> dict[str, Any]:
        if method == "owns":
            keys = {EAST: EAST, WEST: f"{WEST}-2"}
            return {"access": {one: {"account": keys[one]} for one in arguments["numbers"]}}
        assert (service, method) == ("accounts", "house_of")
        if self.down:
            raise Unavailable("service_unavailable", "x")
        return {"house": HOUSES[arguments["account"]]}


@pytest.fixture
def accounts() -> Accounts:
    return Accounts()


@pytest.fixture
def service(helpdesk: Any, accounts: Accounts) -> HelpdeskService:
    """The RPCs of a help desk whose eastern houses have a metering department of their own."""
    made = HelpdeskService()
    made.store, made.services = helpdesk.store, accounts
    made.directory = with_houses(SHIPPED)
    made.days = DueDays(made.directory, helpdesk.calendar)
    made.use_cases = QuestionUseCases(made.directory, helpdesk.calendar)
    return made


def with_houses(directory: Directory) -> Directory:
    east = Department(title=Title("Восток", "East"), email="east@example.invalid", answer_within=5)
    eastern = House(address="Г. Примерск, ул. ВОСТОЧНАЯ", departments={"metering": "east"})
    departments = {**directory.departments, "east": east}
    return msgspec.structs.replace(directory, departments=departments, houses=(eastern,))


def reached(service: HelpdeskService, topic: str, account: str | None) -> dict[str, Any]:
    """Ask about a topic; return what the letter to the department is written from."""
    asked = service.ask(
        person_id=uuid4(), topic=topic, account=account, text="Почему?", attachments=[], line=None
    )
    facts = service.letter_of(question_id=UUID(asked["question_id"]))
    assert facts["due_on"] == asked["due_on"]
    return facts


@pytest.mark.parametrize("account", [None, EAST, WEST])
@pytest.mark.parametrize("topic", SHIPPED.topics)
def test_every_topic_reaches_its_department(
    service: HelpdeskService, topic: str, account: str | None
) -> None:
    expected = SHIPPED.departments[SHIPPED.topics[topic].department].email
    if (topic, account) == ("meters", EAST):
        expected = "east@example.invalid"
    assert reached(service, topic, account)["department_email"] == expected


def test_a_department_of_a_house_keeps_its_own_promise(service: HelpdeskService) -> None:
    assert reached(service, "meters", EAST)["due_on"] == "2026-11-17"
    assert reached(service, "meters", WEST)["due_on"] == "2026-11-24"


def test_the_department_of_the_topic_counts_while_no_house_is_told(
    service: HelpdeskService, accounts: Accounts
) -> None:
    accounts.down = True
    assert reached(service, "meters", EAST)["department"] == "metering"


def test_nothing_is_kept_of_the_house(service: HelpdeskService, helpdesk: Any) -> None:
    reached(service, "meters", EAST)
    log = [helpdesk.store.events.encode(record.event) for record in helpdesk.store.log]
    assert "Восточная" not in b"".join(log).decode()
