"""The second step of a log-in, with Chromium's virtual authenticator, and codes without scripts."""

from __future__ import annotations

import re
from time import time
from typing import Any

import psycopg
import pytest
from pyotp import TOTP

from deploy.demo.person import Person
from tests.browser.authenticator import VirtualAuthenticator
from tests.browser.authenticator_app import app_on
from tests.browser.instruction import log_in
from tests.browser.keyboard import KeyboardVisitor
from tests.browser.site import Site, Visitors
from tests.browser.visitor import Visitor

pytestmark = [pytest.mark.nodes, pytest.mark.slow]

CHANGED = "Изменён второй шаг входа"
STEP_SECONDS = 30


def named(site: Site) -> str:
    """Return the address by name: an IP address cannot have passkeys."""
    return site.url.replace("127.0.0.1", "localhost")


def enter(visitor: Visitor, person: Person) -> None:
    """Log in with the password, and open «Безопасность»."""
    visitor.open("/")
    log_in(visitor, person.email, person.own_password)
    visitor.open("/settings/security")


def codes_on(visitor: Visitor) -> list[str]:
    """Return the recovery codes of the page."""
    return re.findall(r"\b\d{4} \d{4} \d{4}\b", visitor.text)


def wait_for(visitor: Visitor, path: str) -> None:
    """Wait until a script has led to a page."""
    visitor.page.wait_for_url(f"{visitor.url}{path}")


def add_passkey(visitor: Visitor, person: Person, name: str) -> list[str]:
    """Add a passkey; return the recovery codes that come with the first one."""
    visitor.click("Добавить ключ", "link")
    visitor.fill(name=name, current_password=person.own_password)
    visitor.look("passkey-name")
    visitor.click("Дальше")
    assert name in visitor.heading
    visitor.look("passkey-creation")
    visitor.click("Создать ключ")
    wait_for(visitor, "/settings/security/recovery-codes")
    visitor.look("recovery-codes")
    return codes_on(visitor)


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("passkey", {}),
        ("passkey-english-phone", {"language": "en", "width": 320, "colours": "dark"}),
        ("passkey-keyboard", {"kind": KeyboardVisitor}),
    ],
)
def test_a_passkey_logs_in_alone_and_after_the_password(
    visitors: Visitors, site: Site, name: str, how: dict[str, Any]
) -> None:
    person = site.new_person().person
    visitor = visitors.open(name, url=named(site), **how)
    telephone = VirtualAuthenticator(visitor)
    enter(visitor, person)
    visitor.sees("Ключи доступа")
    visitor.look("security-empty")
    codes = add_passkey(visitor, person, "Телефон Анны")
    assert len(set(codes)) == 10
    assert telephone.passkeys == 1
    visitor.click("Готово", "link")
    assert "Телефон Анны" in visitor.text
    visitor.look("security")
    site.mailbox.wait(person.email, CHANGED)

    visitor.log_out()
    visitor.click("Войти ключом доступа", "link")
    visitor.look("log-in-by-passkey")
    telephone.verify(False)
    # Not by `click`: a keyboard visitor waits for the next page, and here is none.
    visitor.page.get_by_role("main").get_by_role("button").click()
    visitor.page.locator("[data-failed]").wait_for(state="visible")
    visitor.look("another-finger")
    telephone.verify(True)
    visitor.click("Войти ключом")
    wait_for(visitor, "/accounts")

    visitor.log_out()
    log_in(visitor, person.email, person.own_password)
    assert visitor.heading == visitor.words("Второй шаг входа")
    visitor.look("second-step")
    visitor.click("Подтвердить ключом")
    wait_for(visitor, "/accounts")

    visitor.open("/settings/security")
    visitor.page.get_by_role("link", name="Телефон Анны").click()
    visitor.fill(current_password=person.own_password)
    visitor.look("passkey-removal")
    visitor.click("Удалить ключ")
    assert "Телефон Анны" not in visitor.text
    visitor.log_out()
    log_in(visitor, person.email, person.own_password)
    assert visitor.page.url.endswith("/accounts"), "the password is enough again"


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("codes-without-scripts", {"scripts": False}),
        ("codes-english-phone", {"scripts": False, "width": 320, "language": "en"}),
        ("codes-keyboard", {"kind": KeyboardVisitor, "width": 320}),
    ],
)
def test_codes_of_an_app_and_on_paper_work_without_scripts(
    visitors: Visitors, site: Site, name: str, how: dict[str, Any]
) -> None:
    person = site.new_person().person
    visitor = visitors.open(name, **how)
    enter(visitor, person)
    visitor.click("Включить", "link")
    visitor.fill(current_password="not the password")
    visitor.click("Дальше")
    assert visitor.error_of("current_password")
    visitor.fill(current_password=person.own_password)
    visitor.click("Дальше")
    visitor.look("qr")
    app = app_on(visitor)
    visitor.fill(code="12345")
    visitor.click("Включить")
    assert visitor.error_of("code")
    visitor.look("wrong-code")
    used = app.now()
    visitor.fill(code=used)
    visitor.click("Включить")
    codes = codes_on(visitor)
    assert len(codes) == 10
    visitor.look("recovery-codes")
    visitor.click("Готово", "link")
    visitor.look("security")
    site.mailbox.wait(person.email, CHANGED)

    visitor.log_out()
    log_in(visitor, person.email, person.own_password)
    visitor.look("second-step")
    visitor.fill(code=used)
    visitor.click("Войти")
    assert visitor.error_of("code"), "a code serves once"
    visitor.look("replayed-code")
    visitor.fill(code=next_code(app))
    visitor.click("Войти")
    assert visitor.page.url.endswith("/accounts")

    visitor.log_out()
    log_in(visitor, person.email, person.own_password)
    visitor.fill(code=codes[0])
    visitor.click("Войти")
    assert visitor.page.url.endswith("/accounts")
    letter = site.mailbox.wait(person.email, "Использован код восстановления")
    assert "Осталось кодов: 9." in letter.text

    visitor.open("/settings/security/totp/off")
    visitor.fill(current_password=person.own_password)
    visitor.look("turn-off")
    visitor.click("Выключить")
    visitor.sees("Включить")
    visitor.log_out()
    log_in(visitor, person.email, person.own_password)
    assert visitor.page.url.endswith("/accounts")


def next_code(app: TOTP) -> str:
    """Return the code of the next half minute: the clock of a telephone may be that much ahead."""
    return app.at(int(time()) + STEP_SECONDS)


def forget_steps(site: Site) -> None:
    """Let all second steps have been taken too long ago for a change of access."""
    with psycopg.connect(site.environment["SALDO_DATABASE_URL"]) as database:
        database.execute("UPDATE identity.sessions SET second_step_at = NULL")


def with_app(site: Site) -> tuple[Person, TOTP, list[str]]:
    """Return a person with an app: who, the app, and the codes on paper."""
    journey = site.new_person()
    password = {"current_password": journey.person.own_password}
    started = journey.client.call("POST", "/me/totp/challenges", password)
    app = TOTP(started["secret"])
    enabled = journey.client.call(
        "POST", "/me/totp", {"challenge_id": started["challenge_id"], "code": app.now()}
    )
    return journey.person, app, enabled["recovery_codes"]


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("step-again-without-scripts", {"scripts": False}),
        # With scripts, of which axe is one: no other test examines this page.
        ("step-again-english-phone", {"width": 320, "language": "en"}),
        ("step-again-keyboard", {"kind": KeyboardVisitor, "width": 320}),
    ],
)
def test_changes_of_access_ask_for_the_second_step_again(
    visitors: Visitors, site: Site, name: str, how: dict[str, Any]
) -> None:
    person, app, codes = with_app(site)
    visitor = visitors.open(name, **how)
    visitor.open("/")
    log_in(visitor, person.email, person.own_password)
    visitor.fill(code=next_code(app))
    visitor.click("Войти")
    visitor.open("/password")
    assert visitor.page.locator("#new_password").count(), "a log-in with two factors counts"

    forget_steps(site)
    visitor.open("/settings/security")
    visitor.click("Выключить", "link")
    assert visitor.heading == visitor.words("Подтвердите, что это Вы")
    visitor.look("step-again")
    visitor.fill(code="12345")
    visitor.click("Подтвердить")
    assert visitor.error_of("code")
    visitor.look("step-again-wrong")
    visitor.fill(code=codes[0])
    visitor.click("Подтвердить")
    assert visitor.heading == visitor.words("Выключить коды из приложения?")

    forget_steps(site)
    visitor.open("/settings/email")
    visitor.look("address-before-the-step")
    visitor.click("Подтвердить", "link")
    visitor.fill(code=codes[1])
    visitor.click("Подтвердить")
    visitor.fill(email=f"new.{person.email}", current_password=person.own_password)
    forget_steps(site)
    visitor.click("Прислать ссылки")
    assert visitor.heading == visitor.words("Подтвердите, что это Вы")
    visitor.fill(code=codes[2])
    visitor.click("Подтвердить")
    assert visitor.page.locator("#email").input_value() == f"new.{person.email}"
    visitor.fill(current_password=person.own_password)
    visitor.click("Прислать ссылки")
    visitor.sees("Отменить смену")


def test_a_passkey_takes_the_step_again(visitors: Visitors, site: Site) -> None:
    person = site.new_person().person
    visitor = visitors.open("passkey-again", url=named(site))
    VirtualAuthenticator(visitor)
    enter(visitor, person)
    add_passkey(visitor, person, "Телефон Анны")
    forget_steps(site)
    visitor.open("/password")
    visitor.look("step-again-by-passkey")
    visitor.click("Подтвердить ключом")
    wait_for(visitor, "/password")
    visitor.fill(current_password=person.own_password, new_password="семь синих самоваров")
    visitor.click("Сменить пароль")
    wait_for(visitor, "/settings")


def test_a_form_waits_for_the_second_step(visitors: Visitors, site: Site) -> None:
    journey = site.new_person()
    person, elsewhere = journey.person, journey.client
    started = elsewhere.call(
        "POST", "/me/totp/challenges", {"current_password": person.own_password}
    )
    app = TOTP(started["secret"])
    visitor = visitors.open("kept-over-second-step", scripts=False)
    enter(visitor, person)
    visitor.open("/questions/new")
    visitor.select("topic", 1)
    visitor.fill(text="Почему «отопление» дороже?")
    enabled = elsewhere.call(
        "POST", "/me/totp", {"challenge_id": started["challenge_id"], "code": app.now()}
    )
    visitor.click("Отправить")
    assert visitor.page.locator("#password").count(), "a new factor has ended this session"
    log_in(visitor, person.email, person.own_password)
    visitor.look("second-step-with-a-form")
    visitor.fill(code=enabled["recovery_codes"][0])
    visitor.click("Войти")
    assert visitor.page.locator("#text").input_value() == "Почему «отопление» дороже?"


def test_at_an_ip_address_the_page_says_where_passkeys_work(visitors: Visitors, site: Site) -> None:
    visitor = visitors.open("passkeys-elsewhere", scripts=False, width=320)
    enter(visitor, site.new_person().person)
    assert visitor.page.locator(f"main a[href^='{named(site)}']").count() == 1
    visitor.look("security-at-an-address")
    visitor.open("/log-in/passkey")
    assert visitor.page.locator(f"main a[href^='{named(site)}']").count() == 1
    visitor.look("log-in-at-an-address")
