"""Every event that calls for a letter: who is asked, what is queued, and what comes twice."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
from letter_doubles import SETTINGS, START, House, message_of

from services.notifications import reactions
from services.notifications.envelope import Content, unseal
from shared.contracts.payments import FAILURES
from shared.errors import Conflict, NotFound, Unavailable

PERSON = "0b6e1f66-94a4-4b4e-a9ff-8a3c0e6c4a2d"
OTHER = "5d0c5f0a-6a43-4c0e-8d2b-2f8f5e3f0c11"
THING = "7f1c5c58-3d7e-4f2a-9b61-0d8f0e6f5a21"
PAYMENT = {
    "payment_id": THING,
    "state": "completed",
    "total": 450000,
    "lines": [{"account": "0012345678", "amount": 450000, "penalty": 0, "posted": True}],
    "created_at": "2026-03-31T17:58:00+00:00",
    "captured_at": "2026-03-31T17:59:00+00:00",
    "masked_card": "411111**1111",
    "failure": None,
}
QUESTION = {
    "person_id": PERSON,
    "number": 17,
    "department_email": "billing@utility.example",
    "department_title": "Отдел расчётов",
    "topic_title": "Начисления",
    "account": "0012345678",
    "text": "Почему так дорого?",
    "answer": "Потому что.",
}
ANSWERS: dict[str, Any] = {
    "identity.issue_registration_code": {
        "kind": "code",
        "email": "new@example.org",
        "code": "493027",
        "valid_minutes": 15,
    },
    "identity.issue_temporary_password": {
        "email": "new@example.org",
        "password": "Xy7-kLm9-Qw2",
        "valid_hours": 24,
    },
    "identity.document": {
        "kind": "instruction",
        "version": "1",
        "title": "Инструкция",
        "media_type": "text/markdown",
        "text": "1. Выберите тип\n",
    },
    "identity.issue_reset_code": {
        "email": "old@example.org",
        "code": "112233",
        "valid_minutes": 15,
    },
    "identity.contact": lambda person_id: {
        "email": f"{person_id[:4]}@example.org",
        "full_name": None,
    },
    "payments.payment": PAYMENT,
    "helpdesk.letter_of": QUESTION,
}
#: event -> its data, and (kind, address, part of the text) of each letter.
LETTERS: dict[tuple[str, str], tuple[dict[str, Any], list[tuple[str, str, str]]]] = {
    ("identity", "registration_code_requested"): (
        {"registration_id": THING},
        [("registration_code", "new@example.org", "493027")],
    ),
    ("identity", "person_registered"): (
        {"person_id": PERSON, "person_type": "individual"},
        [("temporary_password", "new@example.org", "Xy7-kLm9-Qw2")],
    ),
    ("identity", "password_reset_requested"): (
        {"reset_id": THING},
        [("password_reset_code", "old@example.org", "112233")],
    ),
    ("identity", "password_changed"): (
        {"person_id": PERSON},
        [("password_changed", "0b6e@example.org", "31.03.2026 21:00")],
    ),
    ("accounts", "account_linked"): (
        {"number": "0012345678", "person_id": PERSON, "other_person_ids": [OTHER, THING]},
        [
            ("account_linked_by_another", "5d0c@example.org", "0012345678"),
            ("account_linked_by_another", "7f1c@example.org", "0012345678"),
        ],
    ),
    ("payments", "payment_completed"): (
        {"payment_id": THING, "person_id": PERSON, "lines": PAYMENT["lines"], "total": 450000},
        [("payment_receipt", "0b6e@example.org", "31.03.2026 20:59")],
    ),
    ("payments", "payment_failed"): (
        {"payment_id": THING, "person_id": PERSON, "reason": "declined"},
        [("payment_failed", "0b6e@example.org", "банк отклонил карту")],
    ),
    ("helpdesk", "question_asked"): (
        {"question_id": THING, "person_id": PERSON, "department": "billing", "topic": "charges"},
        [
            ("question_accepted", "0b6e@example.org", "Отдел расчётов"),
            ("question_to_department", "billing@utility.example", "Почему так дорого?"),
        ],
    ),
    ("helpdesk", "question_routed"): (
        {"question_id": THING, "department": "metering"},
        [("question_to_department", "billing@utility.example", "saldo helpdesk answer 17")],
    ),
    ("helpdesk", "question_answered"): (
        {"question_id": THING, "person_id": PERSON},
        [("question_answered", "0b6e@example.org", "Потому что.")],
    ),
}


@pytest.fixture
def house() -> House:
    return House(ANSWERS)


def react(house: House, source: str, event_type: str, position: int = 7) -> None:
    data, _ = LETTERS[source, event_type]
    reaction = reactions.REACTIONS[source][event_type]
    house.react(reaction, message_of(source, event_type, data, position))


def contents(house: House) -> list[tuple[str, Content]]:
    kinds = {entry.originator_id: entry.event.kind for entry in house.store.log}
    return [
        (kinds[row.letter_id], unseal(SETTINGS, row.letter_id, row.sealed)) for row in house.waiting
    ]


def test_the_cases_here_are_all_reactions() -> None:
    wired = {
        (source, event_type)
        for source, handlers in reactions.REACTIONS.items()
        for event_type in handlers
    }
    assert wired == set(LETTERS)


@pytest.mark.parametrize(("source", "event_type"), LETTERS)
def test_an_event_queues_its_letters_once(house: House, source: str, event_type: str) -> None:
    react(house, source, event_type)
    _, expected = LETTERS[source, event_type]
    written = contents(house)
    assert [(kind, content.to) for kind, content in written] == [
        (kind, to) for kind, to, _ in expected
    ]
    for (_, content), (_, _, words) in zip(written, expected, strict=True):
        assert words in content.text
    before = house.waiting
    issued = [name for name, _ in house.calls if "issue_" in name]
    react(house, source, event_type)
    assert house.waiting == before
    # A second secret would make the one that is on its way worthless.
    assert [name for name, _ in house.calls if "issue_" in name] == issued


@pytest.mark.parametrize(("source", "event_type"), LETTERS)
def test_a_service_that_is_away_leaves_nothing_behind(
    house: House, source: str, event_type: str
) -> None:
    house.answers = dict.fromkeys(ANSWERS, Unavailable("no_answer", "Later."))
    with pytest.raises(Unavailable):
        react(house, source, event_type)
    assert house.waiting == []
    assert house.events == []


@pytest.mark.parametrize(("source", "event_type"), LETTERS)
def test_no_secret_and_no_address_in_the_events(house: House, source: str, event_type: str) -> None:
    react(house, source, event_type)
    said = repr(house.events) + repr([(row.secret_topic, row.sealed) for row in house.waiting])
    for words in ("493027", "112233", "Xy7-kLm9-Qw2", "@", "Почему"):
        assert words not in said


@pytest.mark.parametrize("refusal", [NotFound("gone", "Gone."), Conflict("used", "Used.")])
@pytest.mark.parametrize(("source", "event_type"), LETTERS)
def test_nothing_to_write_about_is_no_error(
    house: House, source: str, event_type: str, refusal: Exception
) -> None:
    house.answers = dict.fromkeys(ANSWERS, refusal) | {
        "identity.document": ANSWERS["identity.document"]
    }
    react(house, source, event_type)
    assert house.waiting == []


def test_a_known_address_hears_that_it_has_a_cabinet(house: House) -> None:
    house.answers["identity.issue_registration_code"] = {
        "kind": "already_registered",
        "email": "old@example.org",
        "code": None,
        "valid_minutes": 15,
    }
    react(house, "identity", "registration_code_requested")
    ((kind, content),) = contents(house)
    assert (kind, content.to) == ("already_registered", "old@example.org")
    assert house.waiting[0].stale_at is None


def test_a_code_sent_again_replaces_the_unsent_one(house: House) -> None:
    react(house, "identity", "registration_code_requested", position=7)
    react(house, "identity", "registration_code_requested", position=8)
    (row,) = house.waiting
    assert row.secret_topic == f"registration:{THING}"
    assert row.stale_at is not None
    assert (row.stale_at - START).total_seconds() == 15 * 60


def test_the_instruction_goes_with_the_temporary_password(house: House) -> None:
    react(house, "identity", "person_registered")
    ((_, content),) = contents(house)
    (attachment,) = content.attachments
    assert attachment.filename == "Инструкция.txt"
    assert attachment.text == "1. Выберите тип\n"
    assert house.events[0].person_id == UUID(PERSON)


def test_the_first_holder_of_an_account_gets_no_letter(house: House) -> None:
    data = {"number": "0012345678", "person_id": str(uuid4()), "other_person_ids": []}
    house.react(reactions.account_linked, message_of("accounts", "account_linked", data))
    assert house.waiting == []
    assert house.calls == []


@pytest.mark.parametrize("missing", ["text", "department_email"])
def test_what_is_gone_at_the_help_desk_is_not_written_to(house: House, missing: str) -> None:
    house.answers["helpdesk.letter_of"] = {**QUESTION, missing: None}
    react(house, "helpdesk", "question_routed")
    assert house.waiting == []


def test_every_reason_of_failure_has_its_words() -> None:
    assert set(FAILURES) == set(reactions.FAILURES)


def test_an_unknown_reason_of_failure_still_tells_what_to_do(house: House) -> None:
    data = {"payment_id": THING, "person_id": PERSON, "reason": "something_new"}
    house.react(reactions.payment_failed, message_of("payments", "payment_failed", data))
    ((_, content),) = contents(house)
    assert "банк не подтвердил оплату" in content.text
