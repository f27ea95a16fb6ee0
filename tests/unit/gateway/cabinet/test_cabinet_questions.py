"""«Вопрос-Ответ»: due days in words, what is new, and a help desk that does not answer."""

from __future__ import annotations

from typing import Any

import pytest
from cabinet_person import CabinetPerson
from gateway_doubles import PERSON, THING, FakeServices
from gateway_samples import QUESTION

from shared.errors import Unavailable

PAGE = f"/questions/{THING}"
ASKED = {
    "author": "person",
    "text": "Почему?",
    "at": "2026-05-14T09:30:00+00:00",
    "attachments": [],
}
ANSWER = {
    "author": "staff",
    "text": "Потому.",
    "at": "2026-05-14T10:30:00+00:00",
    "attachments": [],
}
SYSTEM = {
    "author": "system",
    "text": "approved",
    "at": "2026-05-15T10:30:00+00:00",
    "attachments": [],
}

pytestmark = pytest.mark.usefixtures("own_pages")


def listed(services: FakeServices, **changes: Any) -> None:
    services.answers["helpdesk", "questions"] = {"questions": [{**QUESTION, **changes}]}


def thread(services: FakeServices, *messages: dict[str, Any], **changes: Any) -> None:
    services.answers["helpdesk", "question"] = {
        **QUESTION,
        "dispute": None,
        **changes,
        "messages": list(messages or (ASKED, ANSWER)),
    }


def notes(services: FakeServices) -> list[dict[str, Any]]:
    return [given for _, method, given in services.calls if method == "note_read"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"state": "open", "due_on": "2026-05-28"}, "Ответим не позже 28 мая 2026."),
        ({"state": "in_progress", "due_on": "2026-05-28"}, "готовим ответ"),
        ({"state": "something_new", "due_on": None}, "готовим ответ"),
        (
            {"state": "open", "due_on": "2026-05-28", "overdue": True},
            "Ответ опаздывает: срок был 28 мая 2026. Мы это видим, напоминать не нужно.",
        ),
        ({"state": "waiting"}, "Отдел спрашивает Вас. Напишите, и он продолжит."),
        ({"state": "reopened", "due_on": "2026-05-28"}, "ждёт ответа"),
        ({"state": "answered", "unread": 2}, "2 новых ответа"),
        ({"state": "closed"}, "закрыт"),
    ],
)
def test_a_list_says_what_happens_next(
    person: CabinetPerson, services: FakeServices, changes: dict[str, Any], words: str
) -> None:
    listed(services, **changes)
    assert words in person.get("/questions").text.replace("\u00a0", " ")
    thread(services, **changes)
    if "unread" not in changes:
        assert words in person.get(PAGE).text.replace("\u00a0", " ")


def test_an_answered_question_has_no_due_day(person: CabinetPerson, services: FakeServices) -> None:
    thread(services)
    page = person.get(PAGE).text
    assert "Ответим" not in page
    assert "опаздывает" not in page


def test_opening_a_question_reads_what_is_new(
    person: CabinetPerson, services: FakeServices
) -> None:
    thread(services, ASKED, ANSWER, SYSTEM, unread=1)
    services.answers["helpdesk", "unread"] = {"unread": 4}
    services.answers["helpdesk", "note_read"] = {"unread": 3}
    page = person.get(PAGE).text
    assert notes(services) == [{"person_id": PERSON, "question_id": THING, "messages": 3}]
    assert page.count(">новое<") == 1
    assert page.index(">новое<") > page.index("Кабинет</strong>")
    assert "3\u00a0новых ответа" in page
    assert "4\u00a0новых ответа" not in page


def test_a_question_without_news_is_read_without_a_further_call(
    person: CabinetPerson, services: FakeServices
) -> None:
    thread(services)
    assert ">новое<" not in person.get(PAGE).text
    assert notes(services) == []


def test_an_answer_is_shown_also_when_it_cannot_be_noted_as_read(
    person: CabinetPerson, services: FakeServices
) -> None:
    thread(services, unread=1)
    services.answers["helpdesk", "note_read"] = Unavailable("service_unavailable", "x")
    page = person.get(PAGE)
    assert page.status_code == 200
    assert "Потому." in page.text


def test_a_closed_question_takes_a_message(person: CabinetPerson, services: FakeServices) -> None:
    thread(services, state="closed")
    page = person.get(PAGE).text
    assert "он откроется снова" in page
    assert f'action="{PAGE}"' in page


@pytest.mark.parametrize("path", ["/settings", "/questions", "/look", "/glossary"])
@pytest.mark.parametrize(
    ("language", "words"), [("ru", "2\u00a0новых ответа"), ("en", "2\u00a0new answers")]
)
def test_every_page_counts_unread_answers_beside_the_tab(
    browser: Any, services: FakeServices, path: str, language: str, words: str
) -> None:
    services.answers["helpdesk", "unread"] = {"unread": 2}
    page = CabinetPerson(browser, language=language).get(path).text
    assert page.count('<span class="count" aria-hidden="true">2</span>') == 2
    assert page.count(f'<span class="hidden">, {words}</span>') == 2


@pytest.mark.parametrize("path", ["/settings", "/questions", "/glossary"])
def test_no_page_needs_the_help_desk_for_its_tabs(
    person: CabinetPerson, services: FakeServices, path: str
) -> None:
    services.answers["helpdesk", "unread"] = Unavailable("service_unavailable", "x")
    page = person.get(path)
    assert page.status_code == 200
    assert 'class="count"' not in page.text
    assert [method for _, method, _ in services.calls].count("unread") == 1


def test_a_file_has_no_tabs_and_counts_nothing(
    person: CabinetPerson, services: FakeServices
) -> None:
    services.answers["identity", "held_about"] = {"accounts": {"linked": []}}
    assert person.get("/settings/data.json").status_code == 200
    assert "unread" not in [method for _, method, _ in services.calls]
