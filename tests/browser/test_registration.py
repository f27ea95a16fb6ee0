"""What the walk of one person does not meet: an organisation, ten accounts, a session that ends."""

from __future__ import annotations

import pytest

from deploy.demo.client import CabinetClient
from deploy.demo.person import Person
from tests.browser.authenticator_app import set_up_app
from tests.browser.instruction import (
    BOTH_TICKS,
    change_password,
    check_account,
    confirm,
    link_account,
    log_in,
    read_code,
    read_password,
)
from tests.browser.site import Site, Visitors

pytestmark = [pytest.mark.nodes, pytest.mark.slow]

OWN_PASSWORD = "Липа и клён 55"
MOST = 10
"""The instruction, S15."""
QUESTION = (
    '\n  Почему «отопление» — 1 234,56 ₽?\n\n\tТабуляция, "кавычки", '
    "'апострофы', <b>не тег</b>,\n"
    "&amp; не знак &, конец строки:   \nСмайлик 🙂, é и е\u0301, %s, {{ не шаблон }}, \\n  "
)


@pytest.mark.parametrize("language", ["ru", "en"])
def test_an_organisation_registers(visitors: Visitors, site: Site, language: str) -> None:
    visitor = visitors.open(f"organisation-{language}", language=language)
    person = Person(own_password=OWN_PASSWORD)
    visitor.open("/register")
    visitor.choose("Юр. лицо")
    visitor.fill(email=person.email)
    visitor.click("Получить код")
    assert visitor.heading == visitor.words("Регистрация организации")
    visitor.look("organisation")
    visitor.fill(**{"organisation-name": "ООО «Ромашка»", "organisation-inn": "77"})
    visitor.click("Получить код")
    assert visitor.error_of("organisation-inn"), "the message beside the field"
    assert visitor.page.locator("#email").input_value() == person.email, "what was typed stays"
    visitor.look("wrong-inn")
    visitor.fill(**{"organisation-inn": "7707 083 893", "organisation-kpp": "773601001"})
    visitor.click("Получить код")
    read_code(site, person)
    confirm(visitor, person.code, ticks=BOTH_TICKS)
    read_password(site, person)
    visitor.open("/")
    log_in(visitor, person.email, person.temporary_password)
    change_password(visitor, person.temporary_password, person.own_password)
    assert visitor.heading == visitor.words("Включите второй шаг входа")
    for width in (320, 1280):
        visitor.page.set_viewport_size({"width": width, "height": 900})
        visitor.look(f"second-factor-required-{width}")
    set_up_app(visitor, person.own_password)
    visitor.tab("Настройки")
    for fact in ("ООО «Ромашка»", "7707083893", "773601001"):
        assert fact in visitor.text
    visitor.look("settings")


def test_a_cabinet_holds_ten_accounts(visitors: Visitors, site: Site) -> None:
    numbers = [f"01000000{number:02d}" for number in range(20, 20 + MOST)]
    journey = site.new_person(*numbers[:-1])
    visitor = visitors.open("ten-accounts")
    visitor.open("/")
    log_in(visitor, journey.person.email, journey.person.own_password)
    visitor.click("Добавить лицевой", "link")
    check_account(visitor, "0100000030")
    journey.client.link(numbers[-1], site.account(numbers[-1]).proof)
    link_account(visitor, site.account("0100000030").proof)
    limit = f"{MOST} лицевых счетов"
    assert limit in visitor.text, "the form was opened before the tenth account was added"
    visitor.look("limit-reached-meanwhile")
    visitor.tab("Лицевые")
    visitor.sees("В кабинете 10 лицевых счетов, больше нельзя.")
    assert visitor.page.locator("a[href='/accounts/link']").count() == 0
    visitor.look("ten")
    visitor.open("/accounts/link")
    visitor.sees("Отвяжите один, чтобы добавить другой.")
    assert visitor.page.locator("#number").count() == 0
    visitor.click("К лицевым счетам", "link")
    assert all(number in visitor.text for number in numbers)


@pytest.mark.parametrize("scripts", [True, False])
def test_a_question_survives_the_end_of_the_session(
    visitors: Visitors, site: Site, scripts: bool
) -> None:
    journey = site.new_person("0100000033")
    person, other_device = journey.person, journey.client
    visitor = visitors.open(f"kept-form-{scripts}", scripts=scripts)
    visitor.open("/")
    log_in(visitor, person.email, person.own_password)
    visitor.open("/questions/new")
    visitor.select("topic", 1)
    topic = visitor.page.locator("#topic").input_value()
    visitor.fill(text=QUESTION)
    end_sessions_elsewhere(other_device)
    visitor.click("Отправить")
    assert visitor.page.locator("#password").count(), "the log-in"
    visitor.look("session-ended")
    log_in(visitor, person.email, "not the password")
    assert visitor.page.locator("#password").count(), "a slip keeps the form"
    log_in(visitor, person.email, person.own_password)
    assert visitor.page.locator("#text").input_value() == QUESTION
    assert visitor.page.locator("#topic").input_value() == topic
    assert not questions_of(other_device), "it stands filled, it is not sent"
    visitor.look("form-as-it-was")
    visitor.click("Отправить")
    visitor.sees("Вопрос принят и передан в отдел.")
    (sent,) = questions_of(other_device)
    assert sent == QUESTION.strip()


def end_sessions_elsewhere(client: CabinetClient) -> None:
    """End all sessions of a person but the one of this client."""
    for session in client.call("GET", "/sessions")["sessions"]:
        if not session["current"]:
            client.call("DELETE", f"/sessions/{session['session_id']}")


def questions_of(client: CabinetClient) -> list[str]:
    """Return the texts of a person's questions."""
    return [
        client.question(question["question_id"])["messages"][0]["text"]
        for question in client.call("GET", "/questions")["questions"]
    ]
