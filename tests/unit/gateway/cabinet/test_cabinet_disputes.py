"""A line that somebody disagrees with: the form about it, its mark on pages, its thread."""

from __future__ import annotations

from typing import Any

import pytest
from account_access import access, owns
from cabinet_person import CabinetPerson, due_line, main_of, owe
from gateway_doubles import PERSON, THING, Browser, FakeServices
from gateway_samples import MONTH, PROFILE, QUESTION
from test_cabinet_documents import ACCOUNT, BILL

from shared.errors import Forbidden, Unavailable, ValidationFailed

LINE = {**MONTH["lines"][0], "explanation": None}  # type: ignore[index]
ADDRESS = "/questions/new?line=0001.2026-04.heating"
FORM = {"topic": "charges", "account": "0001", "line": "0001.2026-04.heating"}
WORDS = {
    "under_review": "на проверке",
    "corrected": "сделан перерасчёт",
    "rejected": "проверено, без перерасчёта",
}
DISPUTE = {
    "account": "0001",
    "period": "2026-04",
    "service": "heating",
    "state": "under_review",
    "since": "2026-05-14T09:30:00+00:00",
    "question_id": None,
}
PATHS = ["/charges", "/charges/0001/2026-04", "/accounts/0001/bills/2026-04"]
SYSTEM = {"author": "system", "at": "2026-05-14T10:30:00+00:00", "attachments": []}


@pytest.fixture(autouse=True)
def answers(services: FakeServices) -> None:
    owe(services, due_line())
    services.answers["accounts", "linked"] = {"accounts": [{**ACCOUNT, **access("0001")}]}
    services.answers["accounts", "owns"] = owns("0001")
    services.answers["ledger", "charges"] = {
        "months": [{**MONTH, "bill_number": None, "lines": [LINE]}],
        "next": None,
    }
    services.answers["ledger", "bill"] = {**BILL, "number": "0001", "period": "2026-04"}
    services.answers["identity", "profile"] = PROFILE
    services.answers["helpdesk", "topics"] = {
        "topics": [
            {"topic": "charges", "title": "Начисления", "title_en": "Charges", "department": "b"}
        ]
    }


def disputed(services: FakeServices, **changes: Any) -> None:
    services.answers["helpdesk", "disputes"] = {"disputes": [{**DISPUTE, **changes}]}


def asked_of(services: FakeServices, method: str) -> list[dict[str, Any]]:
    return [
        given for service, name, given in services.calls if (service, name) == ("helpdesk", method)
    ]


@pytest.mark.parametrize(
    "path",
    ["/charges", "/charges?account=0001", "/charges/0001/2026-04", "/accounts/0001/bills/2026-04"],
)
@pytest.mark.parametrize("state", WORDS)
def test_every_reader_sees_what_became_of_a_line(
    person: CabinetPerson, services: FakeServices, path: str, state: str
) -> None:
    disputed(services, state=state)
    words = main_of(person.get(path).text)
    assert WORDS[state] in words
    assert "Ваш вопрос" not in words
    assert {tuple(given["accounts"]) for given in asked_of(services, "disputes")} == {("0001",)}
    assert {given["person_id"] for given in asked_of(services, "disputes")} == {PERSON}


def test_the_asker_has_the_way_to_his_question_and_asks_once(
    person: CabinetPerson, services: FakeServices
) -> None:
    disputed(services, question_id=THING)
    page = person.get("/charges/0001/2026-04").text
    assert f'href="/questions/{THING}"' in page
    assert ADDRESS not in page
    disputed(services, question_id=THING, state="rejected")
    assert ADDRESS in person.get("/charges/0001/2026-04").text


def test_of_several_disputes_of_a_line_the_open_one_counts(
    person: CabinetPerson, services: FakeServices
) -> None:
    services.answers["helpdesk", "disputes"] = {
        "disputes": [
            {**DISPUTE, "state": "rejected", "question_id": THING},
            DISPUTE,
            {**DISPUTE, "state": "corrected"},
        ]
    }
    page = person.get("/charges/0001/2026-04").text
    assert WORDS["under_review"] in main_of(page)
    assert f'href="/questions/{THING}"' in page
    assert ADDRESS in page, "his own question is answered: he may ask again beside the other's"


def test_the_way_leads_to_the_question_whose_state_is_shown(
    person: CabinetPerson, services: FakeServices
) -> None:
    newer = "33333333-2222-4333-8444-555555555555"
    services.answers["helpdesk", "disputes"] = {
        "disputes": [
            {**DISPUTE, "state": "rejected", "question_id": newer},
            {**DISPUTE, "state": "corrected", "question_id": THING},
        ]
    }
    page = person.get("/charges/0001/2026-04").text
    assert WORDS["corrected"] in main_of(page)
    assert f'href="/questions/{THING}"' in page
    assert newer not in page


@pytest.mark.parametrize("states", [("corrected", "rejected"), ("rejected", "corrected")])
@pytest.mark.parametrize("path", PATHS)
def test_a_corrected_line_stays_so_whatever_else_was_asked_about_it(
    person: CabinetPerson, services: FakeServices, path: str, states: tuple[str, str]
) -> None:
    services.answers["helpdesk", "disputes"] = {
        "disputes": [{**DISPUTE, "state": state} for state in states]
    }
    words = main_of(person.get(path).text)
    assert WORDS["corrected"] in words
    assert WORDS["rejected"] not in words


@pytest.mark.parametrize(
    "path", ["/charges", "/charges/0001/2026-04", "/accounts/0001/bills/2026-04"]
)
def test_a_silent_help_desk_leaves_the_page_as_it_is(
    person: CabinetPerson, services: FakeServices, path: str
) -> None:
    plain = main_of(person.get(path).text)
    services.answers["helpdesk", "disputes"] = Unavailable("service_unavailable", "x")
    page = person.get(path)
    assert page.status_code == 200
    assert main_of(page.text) == plain


@pytest.mark.parametrize(
    "path", ["/charges", "/charges/0001/2026-04", "/accounts/0001/bills/2026-04"]
)
def test_a_line_leads_to_a_form_that_is_filled_in(person: CabinetPerson, path: str) -> None:
    assert f'href="{ADDRESS}"' in person.get(path).text
    form = person.get(ADDRESS)
    words = main_of(form.text).replace("\u00a0", " ")
    assert "Отопление за апрель 2026, начислено 4 500,00 ₽" in words
    assert 'name="line" value="0001.2026-04.heating" checked>' in form.text
    assert '<option value="charges" selected>' in form.text
    assert '<textarea id="text" name="text" rows="8"' in form.text
    assert ">\n</textarea>" in form.text


def test_the_question_names_the_line_and_its_text_is_what_was_typed(
    person: CabinetPerson, services: FakeServices
) -> None:
    services.answers["helpdesk", "ask"] = {
        "question_id": THING, "number": 7, "department": "b", "department_title": "Б",
        "due_on": "2026-05-28",
    }  # fmt: skip
    sent = person.post("/questions", {**FORM, "text": "Батареи холодные"})
    assert sent.status_code == 303
    [given] = asked_of(services, "ask")
    assert given["account"] == "0001"
    assert given["line"] == {"period": "2026-04", "service": "heating"}
    assert given["text"] == "Батареи холодные"


def test_a_form_that_is_wrong_keeps_its_line_and_its_text(
    person: CabinetPerson, services: FakeServices
) -> None:
    services.answers["helpdesk", "ask"] = ValidationFailed("unknown_line", "x")
    again = person.post("/questions", {**FORM, "text": "Батареи холодные"})
    assert again.status_code == 422
    assert 'name="line" value="0001.2026-04.heating" checked>' in again.text
    assert "Батареи холодные" in again.text
    assert "Такой строки в счёте за этот месяц нет." in main_of(again.text)


def test_a_form_about_a_line_that_is_no_longer_his_keeps_its_text(
    person: CabinetPerson, services: FakeServices
) -> None:
    services.answers["accounts", "owns"] = owns(foreign=["0001"])
    services.answers["helpdesk", "ask"] = Forbidden("account_not_linked", "x")
    again = person.post("/questions", {**FORM, "text": "Батареи холодные"})
    assert again.status_code == 422
    assert "Батареи холодные" in again.text
    assert "С чем Вы не согласны" not in again.text


def test_the_person_may_ask_about_more_than_the_line(
    person: CabinetPerson, services: FakeServices
) -> None:
    services.answers["helpdesk", "ask"] = ValidationFailed("invalid_text", "x", max_length=4000)
    again = person.post("/questions", {**FORM, "line": "", "text": " "})
    assert again.status_code == 422
    assert '<option value="0001" selected>' in again.text
    assert "С чем Вы не согласны" not in again.text


def test_a_line_that_cannot_be_read_still_opens_the_form(
    person: CabinetPerson, services: FakeServices
) -> None:
    services.answers["ledger", "charges"] = Unavailable("service_unavailable", "x")
    form = person.get(ADDRESS)
    assert form.status_code == 200
    assert 'name="line" value="0001.2026-04.heating" checked>' in form.text


@pytest.mark.parametrize("line", ["0001.2026-04.water", "0001.2026-13.heating", "0001", ".."])
def test_a_line_that_is_none_leaves_an_ordinary_question(person: CabinetPerson, line: str) -> None:
    form = person.get(f"/questions/new?line={line}")
    assert form.status_code == 200
    assert "С чем Вы не согласны" not in form.text


def test_a_line_of_another_persons_account_does_not_exist(
    person: CabinetPerson, services: FakeServices
) -> None:
    services.answers["accounts", "owns"] = owns(foreign=["0002"])
    for path in ("/questions/new?line=0002.2026-04.heating", "/charges?account=0002"):
        assert person.get(path).status_code == 404


@pytest.mark.parametrize(
    ("language", "decision", "words"),
    [
        ("ru", "approved", "По Вашему обращению сделан перерасчёт."),
        ("en", "approved", "A recalculation was made at your request."),
        ("ru", "rejected", "Перерасчёт не одобрен"),
        ("en", "rejected", "The recalculation was not approved"),
    ],
)
def test_the_thread_tells_the_decision_in_the_language_of_the_page(
    browser: Browser, services: FakeServices, language: str, decision: str, words: str
) -> None:
    services.answers["helpdesk", "question"] = {
        **QUESTION,
        "dispute": {**DISPUTE, "state": "corrected" if decision == "approved" else "rejected"},
        "messages": [{**SYSTEM, "text": decision}],
    }
    page = main_of(CabinetPerson(browser, language=language).get(f"/questions/{THING}").text)
    assert words in page
    correction = "Недопоставка отопления"
    assert (correction in page) == (decision == "approved")


AGAIN = "Я не согласен(на) и с перерасчётом"


@pytest.mark.parametrize("state", WORDS)
def test_only_a_corrected_line_is_disputed_again_by_a_word_of_its_own(
    person: CabinetPerson, services: FakeServices, state: str
) -> None:
    services.answers["helpdesk", "question"] = {
        **QUESTION, "dispute": {**DISPUTE, "state": state}, "messages": [],
    }  # fmt: skip
    assert (AGAIN in main_of(person.get(f"/questions/{THING}").text)) == (state == "corrected")


@pytest.mark.parametrize("ticked", [True, False])
def test_a_message_says_whether_the_corrected_line_is_disputed_again(
    person: CabinetPerson, services: FakeServices, ticked: bool
) -> None:
    services.answers["helpdesk", "add_message"] = {"question_id": THING, "state": "reopened"}
    form = {"text": "Всё ещё много", **({"disputes": "yes"} if ticked else {})}
    assert person.post(f"/questions/{THING}", form).status_code == 303
    [given] = asked_of(services, "add_message")
    assert given["disputes"] is ticked


def test_the_thread_stands_without_the_account_that_is_no_longer_read(
    person: CabinetPerson, services: FakeServices
) -> None:
    services.answers["accounts", "owns"] = owns(foreign=["0001"])
    services.answers["helpdesk", "question"] = {**QUESTION, "dispute": DISPUTE, "messages": []}
    page = person.get(f"/questions/{THING}")
    assert page.status_code == 200
    assert "за апрель 2026" in main_of(page.text).replace("\u00a0", " ")
    assert "/charges/0001" not in page.text
