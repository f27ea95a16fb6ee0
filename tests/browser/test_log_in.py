"""The log-in as its pages show it: devices, the link of a letter, what ends elsewhere."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from gateway.messages import text_of
from services.identity.fingerprints import new_token, token_digest
from services.identity.limits import SIGN_IN_OF_EMAIL
from shared.ids import new_id
from tests.browser.instruction import change_password, log_in
from tests.browser.site import Site, Visitors

pytestmark = [pytest.mark.nodes, pytest.mark.slow]

WAYS: list[dict[str, Any]] = [
    {"language": "ru"},
    {"language": "en", "width": 320, "scripts": False},
    {"language": "ru", "width": 360, "colours": "dark"},
]


def told(code: str, language: str) -> str:
    """Return the words of a refusal."""
    return text_of(code, "forbidden", language, {})


@pytest.mark.parametrize("way", WAYS)
def test_a_person_ends_all_other_sessions(
    visitors: Visitors, site: Site, way: dict[str, Any]
) -> None:
    person = site.new_person().person
    name = f"devices-{way['language']}-{way.get('width', 1280)}"
    here, elsewhere = visitors.open(name, **way), visitors.open(f"{name}-elsewhere")
    for visitor in (elsewhere, here):
        visitor.open("/")
        log_in(visitor, person.email, person.own_password)
    here.open("/settings/sessions")
    here.sees("та же, что у Вас сейчас")
    here.look("devices")
    here.click("Завершить все остальные сеансы")
    here.sees("На других устройствах Вы вышли.")
    here.look("ended")
    elsewhere.open("/settings")
    assert elsewhere.page.locator("#password").count(), "the log-in"
    letter = site.mailbox.wait(person.email, "с нового устройства")
    assert "Chrome, Linux" in letter.text


def test_a_changed_password_ends_the_session_elsewhere_and_goes_on_here(
    visitors: Visitors, site: Site
) -> None:
    person = site.new_person().person
    here, elsewhere = visitors.open("rotation"), visitors.open("rotation-elsewhere")
    for visitor in (elsewhere, here):
        visitor.open("/")
        log_in(visitor, person.email, person.own_password)
    stolen = [each for each in here.context.cookies() if each["name"] == "__Host-saldo"]
    here.open("/password")
    change_password(here, person.own_password, "Ясень и вяз 77")
    here.sees("Пароль изменён.")
    elsewhere.context.clear_cookies(name="__Host-saldo")
    elsewhere.context.add_cookies(stolen)  # type: ignore[arg-type]
    elsewhere.open("/settings")
    assert elsewhere.page.locator("#password").count(), "the log-in"


@pytest.mark.parametrize("way", WAYS)
def test_the_link_of_a_letter_signs_in_once(
    visitors: Visitors, site: Site, way: dict[str, Any]
) -> None:
    journey = site.new_person()
    token = new_token()
    person_id = journey.client.profile()["person_id"]
    with psycopg.connect(site.environment["SALDO_DATABASE_URL"]) as database:
        database.execute(
            "INSERT INTO identity.sign_in_links (link_id, person_id, token_digest, expires_at)"
            " VALUES (%s, %s, %s, now() + interval '1 hour')",
            (new_id(), person_id, token_digest(token)),
        )
    visitor = visitors.open(f"link-{way['language']}-{way.get('width', 1280)}", **way)
    visitor.open(f"/log-in/{token}")
    visitor.look("link")
    visitor.click("Войти")
    assert visitor.page.url.endswith("/accounts")
    visitor.log_out()
    visitor.open(f"/log-in/{token}")
    visitor.click("Войти")
    assert told("sign_in_link_expired", visitor.language) in visitor.text
    visitor.look("used")


@pytest.mark.parametrize("way", WAYS)
def test_a_stranger_is_told_of_a_letter(
    visitors: Visitors, site: Site, way: dict[str, Any]
) -> None:
    email = f"nobody-{new_id()}@demo.saldo.invalid"
    visitor = visitors.open(f"guarded-{way['language']}-{way.get('width', 1280)}", **way)
    visitor.open("/")
    log_in(visitor, email, "not the password")
    with psycopg.connect(site.environment["SALDO_DATABASE_URL"]) as database:
        # What a hundred other networks would have tried.
        counted = database.execute(
            "UPDATE identity.attempts SET taken = %s WHERE scope = %s AND subject ="
            " (SELECT owner FROM identity.attempts WHERE scope = 'sign_in_of_pair'"
            " ORDER BY closes_at DESC LIMIT 1)",
            (SIGN_IN_OF_EMAIL.most, SIGN_IN_OF_EMAIL.scope),
        )
        assert counted.rowcount == 1
    log_in(visitor, email, "not the password")
    assert told("sign_in_by_letter", visitor.language) in visitor.text
    visitor.look("letter")
