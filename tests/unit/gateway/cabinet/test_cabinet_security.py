"""The second step of a log-in, and «Безопасность»."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from html import unescape
from typing import Any

import pytest
from cabinet_doubles import SETTINGS, CabinetBrowser, Shown
from gateway_doubles import PERSON, THING, FakeServices
from gateway_samples import SIGNED_IN

from gateway.cabinet import cookies
from gateway.cabinet.static import static_path
from shared.config import Settings
from shared.errors import Conflict, Forbidden, Unavailable, ValidationFailed

HERE = replace(SETTINGS, url="http://localhost")
AT = "2026-11-23T09:00:00+00:00"
OPTIONS = {"challenge": "AAAA", "rpId": "localhost"}
STEP = {"challenge_id": THING, "methods": ["totp", "recovery_code"], "expires_at": AT}
SECOND = f"/log-in/second/{THING}"
SECURITY = "/settings/security"
OPENED = {**SIGNED_IN, "must_change_password": False, "must_accept": []}
SIGNED = {"id": "AA", "rawId": "AA", "type": "public-key"}
USED = {"clientDataJSON": "AA", "authenticatorData": "AA", "signature": "AA"}
CREATED = {"clientDataJSON": "AA", "attestationObject": "AA"}
CODES = ["1111 2222 3333", "4444 5555 6666"]
NO_FACTOR = {"passkeys": [], "totp": None, "recovery_codes": None}
LOG = [
    {"at": AT, "action": "factor_added", "about": "passkey", "by": "you"},
    {"at": AT, "action": "second_factor_reset", "about": "", "by": "staff"},
    {"at": AT, "action": "of_a_later_version", "about": "", "by": "you"},
]
PASSKEY = {"passkey_id": THING, "name": "Телефон", "added_at": AT, "last_used_at": None}


def credential(response: dict[str, str]) -> str:
    return json.dumps({**SIGNED, "response": response})


@pytest.fixture
def here(cabinet_of: Callable[[Settings], CabinetBrowser]) -> CabinetBrowser:
    """A cabinet whose public address is the one that the browser uses."""
    return cabinet_of(HERE)


@pytest.fixture(autouse=True)
def _answers(services: FakeServices) -> None:
    services.answers["identity", "sign_in"] = {"second_factor": STEP}
    services.answers["identity", "second_step"] = {**STEP, "passkey": None}
    services.answers["identity", "take_second_step"] = OPENED
    services.answers["identity", "passkey_request"] = {"passkey": OPTIONS, "expires_at": AT}
    services.answers["identity", "sign_in_by_passkey"] = OPENED
    services.answers["identity", "second_factors"] = NO_FACTOR
    services.answers["identity", "security_log"] = {"entries": LOG}


def cookie_of(browser: CabinetBrowser, name: str) -> str:
    found = browser.client.get_cookie(name)
    return found.value if found else ""


def options_on(page: Shown) -> Any:
    found = re.search(r'data-passkey="([^"]*)"', page.markup)
    return json.loads(unescape(found[1])) if found else None


def log_in(browser: CabinetBrowser, **typed: str) -> Shown:
    return browser.submit("/?next=/pay", "/login", email="a@b.ru", password="p", **typed)


def test_the_password_leads_to_the_second_step(here: CabinetBrowser) -> None:
    page = log_in(here)
    assert (page.status, page.location) == (303, f"{SECOND}?next=%2Fpay")
    assert not cookie_of(here, cookies.SESSION)
    shown = here.get(page.location)
    assert "Первый шаг пройден." in shown.text
    assert shown.fields["_next"] == "/pay"
    assert options_on(shown) is None
    assert static_path("passkeys.js") not in shown.markup


def test_a_code_opens_the_session(here: CabinetBrowser, services: FakeServices) -> None:
    page = here.submit(f"{SECOND}?next=/pay", SECOND, code=" 492 039 ")
    assert (page.status, page.location) == (303, "/pay")
    assert cookie_of(here, cookies.SESSION) == OPENED["token"]
    assert cookie_of(here, cookies.DEVICE) == OPENED["device_token"]
    _, method, sent = services.calls[-1]
    assert (method, sent["code"], sent["passkey"]) == ("take_second_step", "492 039", None)


def test_a_wrong_code_stands_beside_its_field(here: CabinetBrowser, services: FakeServices) -> None:
    services.answers["identity", "take_second_step"] = ValidationFailed(
        "wrong_second_factor", "x", attempts_left=3
    )
    page = here.submit(f"{SECOND}?next=/pay", SECOND, code="492039")
    assert page.status == 422
    assert "осталось попыток: 3" in page.text
    assert page.fields["_next"] == "/pay"
    assert here.submit(SECOND, SECOND, code="").status == 422


def test_an_expired_step_begins_anew(here: CabinetBrowser, services: FakeServices) -> None:
    expired = Conflict("challenge_expired", "x")
    services.answers["identity", "take_second_step"] = expired
    services.answers["identity", "second_step"] = expired
    page = here.submit("/", SECOND, code="492039", _next="/pay")
    assert page.status == 409
    assert "Начните сначала." in page.text
    assert "password" in page.fields
    assert page.fields["_next"] == "/pay"


def test_guessing_is_told_with_the_ways_that_are_left(
    here: CabinetBrowser, services: FakeServices
) -> None:
    services.answers["identity", "take_second_step"] = Forbidden(
        "second_factor_guessed", "x", retry_after_seconds=60
    )
    page = here.submit(SECOND, SECOND, code="492039")
    assert (page.status, page.headers["Retry-After"]) == (429, "60")
    assert "Войдите ключом доступа или с устройства, где Вы уже входили" in page.text


def test_a_form_that_waits_for_the_log_in_waits_for_the_second_step(
    here: CabinetBrowser, services: FakeServices, own_pages: None
) -> None:
    here.sign_in()
    fields = here.get("/questions/new").fields
    services.answers["identity", "authenticate"] = Forbidden("session_expired", "x")
    waiting = here.post("/questions", {**fields, "topic": "charges", "text": "Почему?"})
    step = here.post("/login", {**waiting.fields, "email": "a@b.ru", "password": "p"})
    assert step.status == 200
    assert step.fields["_kept"] == waiting.fields["_kept"]
    services.sign_in()
    again = here.post(SECOND, {**step.fields, "code": "492039"})
    assert again.status == 200
    assert again.fields["text"] == "Почему?"


def test_a_passkey_takes_the_second_step(here: CabinetBrowser, services: FakeServices) -> None:
    services.answers["identity", "second_step"] = {**STEP, "passkey": OPTIONS}
    shown = here.get(SECOND)
    assert options_on(shown) == OPTIONS
    assert static_path("passkeys.js") in shown.markup
    page = here.post(SECOND, {**shown.fields, "credential": credential(USED)})
    assert page.status == 303
    sent = services.calls[-1][2]
    assert sent["code"] is None
    assert sent["passkey"]["response"] == {**USED, "userHandle": None}


@pytest.mark.parametrize("garbage", ["", "[", "[]", "7", '{"id": 7}', "[" * 20_000])
def test_what_no_authenticator_has_sent_is_refused_in_words(
    here: CabinetBrowser, services: FakeServices, garbage: str
) -> None:
    page = here.submit("/log-in/passkey", "/log-in/passkey", credential=garbage)
    assert page.status == 422
    assert "Этот ключ не подошёл" in page.text
    assert "sign_in_by_passkey" not in [method for _, method, _ in services.calls]


def test_a_passkey_alone_opens_the_session(here: CabinetBrowser, services: FakeServices) -> None:
    shown = here.get("/log-in/passkey?next=/pay")
    assert options_on(shown) == OPTIONS
    page = here.post("/log-in/passkey", {**shown.fields, "credential": credential(USED)})
    assert (page.status, page.location) == (303, "/pay")
    assert cookie_of(here, cookies.SESSION) == OPENED["token"]
    services.answers["identity", "sign_in_by_passkey"] = ValidationFailed("passkey_refused", "x")
    refused = here.submit("/log-in/passkey", "/log-in/passkey", credential=credential(USED))
    assert refused.status == 422
    assert "Этот ключ не подошёл" in refused.text


@pytest.mark.parametrize("path", ["/log-in/passkey", SECURITY, f"{SECURITY}/passkeys"])
def test_at_another_address_passkeys_say_where_they_work(
    cabinet: CabinetBrowser, path: str
) -> None:
    cabinet.sign_in()
    page = cabinet.get(path)
    assert SETTINGS.url in page.text
    assert f"{SETTINGS.url}{path}" in page.links
    assert options_on(page) is None


@pytest.mark.parametrize("path", ["/log-in/passkey", SECURITY, f"{SECURITY}/passkeys"])
@pytest.mark.parametrize("url", ["https://192.0.2.7", "http://lk.example.org"])
def test_an_address_that_allows_no_passkeys_is_told(
    cabinet_of: Callable[[Settings], CabinetBrowser], url: str, path: str
) -> None:
    browser = cabinet_of(replace(SETTINGS, url=url))
    browser.sign_in()
    page = browser.get(path)
    assert page.status == 200
    assert "Ключи доступа здесь не работают" in page.text
    assert options_on(page) is None


def added(codes: list[str] | None) -> dict[str, Any]:
    return {"token": "renewed", "expires_at": AT, "recovery_codes": codes}


def test_a_passkey_is_added_in_two_steps(here: CabinetBrowser, services: FakeServices) -> None:
    here.sign_in()
    challenge = {"challenge_id": THING, "name": "Телефон", "passkey": OPTIONS, "expires_at": AT}
    services.answers["identity", "start_passkey"] = challenge
    services.answers["identity", "passkey_challenge"] = challenge
    services.answers["identity", "add_passkey"] = added(CODES)
    form = f"{SECURITY}/passkeys"
    begun = here.submit(form, form, name="Телефон", current_password="p")
    assert (begun.status, begun.location) == (303, f"{form}/new/{THING}")
    shown = here.get(begun.location)
    assert options_on(shown) == OPTIONS
    done = here.post(begun.location, {**shown.fields, "credential": credential(CREATED)})
    assert (done.status, done.location) == (303, f"{SECURITY}/recovery-codes")
    assert cookie_of(here, cookies.SESSION) == "renewed"
    assert services.calls[-1][2]["credential"] == {**SIGNED, "response": CREATED}


def test_an_app_is_set_up_in_two_steps(here: CabinetBrowser, services: FakeServices) -> None:
    here.sign_in()
    challenge = {"challenge_id": THING, "secret": "JBSWY3DP", "uri": "otpauth://totp/x"}
    challenge["expires_at"] = AT
    services.answers["identity", "start_totp"] = challenge
    services.answers["identity", "totp_challenge"] = challenge
    services.answers["identity", "enable_totp"] = added(None)
    begun = here.submit(f"{SECURITY}/totp", f"{SECURITY}/totp", current_password="p")
    assert (begun.status, begun.location) == (303, f"{SECURITY}/totp/{THING}")
    shown = here.get(begun.location)
    assert "JBSWY3DP" in shown.text
    assert "<svg" in shown.markup
    done = here.post(begun.location, {**shown.fields, "code": "492 039"})
    assert (done.status, done.location) == (303, SECURITY)
    assert cookie_of(here, cookies.SESSION) == "renewed"


@pytest.mark.parametrize(
    ("action", "method"),
    [
        (f"{SECURITY}/passkeys", "start_passkey"),
        (f"{SECURITY}/passkeys/{THING}/remove", "remove_passkey"),
        (f"{SECURITY}/totp", "start_totp"),
        (f"{SECURITY}/totp/off", "disable_totp"),
        (f"{SECURITY}/recovery-codes", "issue_recovery_codes"),
    ],
)
def test_a_wrong_password_stands_beside_its_field(
    here: CabinetBrowser, services: FakeServices, action: str, method: str
) -> None:
    here.sign_in()
    services.answers["identity", "second_factors"] = {**NO_FACTOR, "passkeys": [PASSKEY]}
    services.answers["identity", method] = ValidationFailed("wrong_current_password", "x")
    page = here.submit(action, action, name="Телефон", current_password="no")
    assert page.status == 422
    assert 'id="current_password-error"' in page.markup
    assert here.submit(action, action, name="Телефон", current_password="").status == 422


@pytest.mark.parametrize(
    ("action", "method"),
    [
        (f"{SECURITY}/passkeys/{THING}/remove", "remove_passkey"),
        (f"{SECURITY}/totp/off", "disable_totp"),
    ],
)
def test_a_factor_is_removed_and_the_session_goes_on(
    here: CabinetBrowser, services: FakeServices, action: str, method: str
) -> None:
    here.sign_in()
    services.answers["identity", "second_factors"] = {**NO_FACTOR, "passkeys": [PASSKEY]}
    services.answers["identity", method] = {"token": "renewed", "expires_at": AT}
    page = here.submit(action, action, current_password="p")
    assert (page.status, page.location) == (303, SECURITY)
    assert cookie_of(here, cookies.SESSION) == "renewed"


def test_a_passkey_that_is_not_there_is_not_found(here: CabinetBrowser) -> None:
    here.sign_in()
    assert here.get(f"{SECURITY}/passkeys/{THING}/remove").status == 404


@pytest.mark.parametrize("purpose", ["passkey", "totp"])
def test_an_expired_challenge_leads_back(
    here: CabinetBrowser, services: FakeServices, purpose: str
) -> None:
    here.sign_in()
    services.answers["identity", f"{purpose}_challenge"] = Conflict("challenge_expired", "x")
    path = {"passkey": "passkeys/new", "totp": "totp"}[purpose]
    page = here.get(f"{SECURITY}/{path}/{THING}")
    assert (page.status, page.location) == (303, SECURITY)
    assert "Начните сначала." in here.get(SECURITY).text


def test_fresh_codes_are_shown_to_their_owner_alone(
    here: CabinetBrowser, services: FakeServices
) -> None:
    here.sign_in()
    services.answers["identity", "issue_recovery_codes"] = {"codes": CODES}
    page = f"{SECURITY}/recovery-codes"
    issued = here.submit(page, page, current_password="p")
    assert (issued.status, issued.location) == (303, page)
    assert CODES[0] not in cookie_of(here, cookies.CODES)
    for _ in range(2):
        assert all(code in here.get(page).text for code in CODES), "also when it is loaded again"
    services.sign_in(person_id=PERSON.replace("7", "8"))
    assert CODES[0] not in here.get(page).text


def test_the_page_says_what_is_on(here: CabinetBrowser, services: FakeServices) -> None:
    here.sign_in()
    assert "открывает один пароль" in here.get(SECURITY).text
    services.answers["identity", "second_factors"] = {
        "passkeys": [PASSKEY],
        "totp": {"added_at": AT, "last_used_at": AT},
        "recovery_codes": {"left": 3, "issued_at": AT},
    }
    page = here.get(SECURITY)
    assert "Второй шаг входа включён" in page.text
    assert "Кодов почти не осталось" in page.text
    assert f"{SECURITY}/passkeys/{THING}/remove" in page.links


def test_the_page_shows_what_happened(here: CabinetBrowser, services: FakeServices) -> None:
    here.sign_in()
    text = here.get(SECURITY).text
    assert "добавлено — ключ доступа" in text
    assert "Сотрудник отключил второй шаг входа сотрудник" in text
    assert "Другое событие" in text
    ended = {"at": AT, "action": "sessions_ended", "about": "", "by": "staff"}
    resent = {**ended, "action": "letter_resent"}
    services.answers["identity", "security_log"] = {"entries": [ended, resent]}
    text = here.get(SECURITY).text
    assert "Сотрудник завершил все сеансы" in text
    assert "Сотрудник отправил Вам письмо ещё раз" in text
    services.answers["identity", "security_log"] = {"entries": [{**ended, "by": "you"}]}
    assert "Все другие сеансы завершены" in here.get(SECURITY).text
    services.answers["identity", "security_log"] = {"entries": []}
    assert "Событий пока нет." in here.get(SECURITY).text
    services.answers["identity", "security_log"] = Unavailable("no_answer", "x")
    page = here.get(SECURITY)
    assert (page.status, "События сейчас не видны" in page.text) == (200, True)
