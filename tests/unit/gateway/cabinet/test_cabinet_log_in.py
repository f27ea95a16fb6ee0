"""The log-in: what a browser is known by, the link of a letter, the list of sessions."""

from __future__ import annotations

from typing import Any

import pytest
from cabinet_doubles import CabinetBrowser, Shown
from gateway_doubles import PERSON, FakeServices
from gateway_samples import SESSION_ROW

from gateway.cabinet import cookies
from shared.errors import Forbidden

SESSION, OTHER = "7d9f0a52-6d11-4a0e-9a3f-1f5a2f0f1b02", "7d9f0a52-6d11-4a0e-9a3f-1f5a2f0f1b09"
OPENED = {
    "token": "a-new-token",
    "device_token": "what-identity-knows-it-by",
    "session_id": SESSION,
    "person_id": PERSON,
    "must_change_password": False,
    "must_accept": [],
    "expires_at": "2027-01-01T00:00:00+00:00",
}
TYPED = {"email": "ivanov@example.org", "password": "correct horse battery"}
TOKEN = "q3Vb9LrX0w2mT5cYbKq1Zd7uNf4hSg6aPo8eWi2VtJk"
LINK = f"/log-in/{TOKEN}"
pytestmark = pytest.mark.usefixtures("own_pages")


def cookie_of(shown: Shown, name: str) -> str:
    """Return a cookie as it was set, with its attributes; "" where it was not."""
    found = [each for each in shown.headers.getlist("Set-Cookie") if each.startswith(f"{name}=")]
    return found[0] if found else ""


def asked(services: FakeServices, method: str) -> dict[str, Any]:
    return [arguments for _, name, arguments in services.calls if name == method][-1]


def test_a_browser_is_known_at_its_next_log_in(
    cabinet: CabinetBrowser, services: FakeServices
) -> None:
    services.answers["identity", "sign_in"] = OPENED
    entered = cabinet.submit("/", "/login", **TYPED)
    assert asked(services, "sign_in")["device_token"] is None
    kept = cookie_of(entered, cookies.DEVICE)
    assert kept.startswith("__Host-device=what-identity-knows-it-by;")
    assert f"Max-Age={365 * 24 * 3600};" in kept
    for attribute in ("Secure", "HttpOnly", "SameSite=Lax", "Path=/"):
        assert attribute in kept

    cabinet.client.delete_cookie(cookies.SESSION)
    cabinet.submit("/", "/login", **TYPED)
    assert asked(services, "sign_in")["device_token"] == "what-identity-knows-it-by"


def test_log_out_leaves_the_browser_known(cabinet: CabinetBrowser, services: FakeServices) -> None:
    services.answers["identity", "end_session"] = {}
    cabinet.client.set_cookie(cookies.DEVICE, "known", secure=True)
    cabinet.sign_in()
    assert cookie_of(cabinet.submit("/settings", "/logout"), cookies.DEVICE) == ""


@pytest.mark.parametrize("name", [cookies.INVITATION, cookies.CODES])
def test_log_out_leaves_nothing_of_a_person_to_the_next_one(
    cabinet: CabinetBrowser, services: FakeServices, name: str
) -> None:
    services.answers["identity", "end_session"] = {}
    services.answers["identity", "sign_in"] = OPENED
    cabinet.client.set_cookie(name, "kept", secure=True)
    assert cookie_of(cabinet.submit("/", "/login", **TYPED), name) == ""
    cabinet.sign_in()
    assert cookie_of(cabinet.submit("/settings", "/logout"), name).startswith(f"{name}=;")


def test_an_absurd_device_cookie_is_left_out(
    cabinet: CabinetBrowser, services: FakeServices
) -> None:
    services.answers["identity", "sign_in"] = OPENED
    cabinet.client.set_cookie(cookies.DEVICE, "x" * 3000, secure=True)
    assert cabinet.submit("/", "/login", **TYPED).status == 303
    assert asked(services, "sign_in")["device_token"] is None


def test_a_letter_that_is_due_is_told_calmly(
    cabinet: CabinetBrowser, services: FakeServices
) -> None:
    services.answers["identity", "sign_in"] = Forbidden("sign_in_by_letter", "x")
    shown = cabinet.submit("/", "/login", **TYPED)
    assert shown.status == 403
    assert "мы отправили на почту письмо" in shown.text
    assert "Ошибка" not in shown.title
    assert shown.fields["email"] == TYPED["email"]
    assert cookie_of(shown, cookies.SESSION) == ""


def test_looking_at_a_link_uses_nothing_up(cabinet: CabinetBrowser, services: FakeServices) -> None:
    shown = cabinet.get(LINK)
    assert shown.status == 200
    assert shown.headers["Referrer-Policy"] == "same-origin"
    assert services.calls == []


def test_the_button_of_a_link_signs_in(cabinet: CabinetBrowser, services: FakeServices) -> None:
    services.answers["identity", "sign_in_by_link"] = OPENED
    cabinet.client.set_cookie(cookies.DEVICE, "known", secure=True)
    before = cabinet.client.get_cookie(cookies.VISITOR)
    entered = cabinet.submit(LINK, LINK)
    assert (entered.status, entered.location) == (303, "/accounts")
    assert "a-new-token" in cookie_of(entered, cookies.SESSION)
    assert cookie_of(entered, cookies.VISITOR)
    assert cabinet.client.get_cookie(cookies.VISITOR) != before
    arguments = asked(services, "sign_in_by_link")
    assert (arguments["token"], arguments["device_token"]) == (TOKEN, "known")


def test_a_link_that_was_used_leads_to_the_log_in(
    cabinet: CabinetBrowser, services: FakeServices
) -> None:
    services.answers["identity", "sign_in_by_link"] = Forbidden("sign_in_link_expired", "x")
    shown = cabinet.submit(LINK, LINK)
    assert shown.status == 422
    assert "По этой ссылке уже вошли" in shown.text
    assert "password" in shown.fields


def test_no_other_text_is_a_link(cabinet: CabinetBrowser) -> None:
    assert cabinet.get("/log-in/short").status == 404


def test_a_changed_password_gives_the_browser_another_token(
    cabinet: CabinetBrowser, services: FakeServices
) -> None:
    services.answers["identity", "change_password"] = {
        "token": "after-the-change", "expires_at": "2027-01-01T00:00:00+00:00",
    }  # fmt: skip
    cabinet.sign_in()
    changed = cabinet.submit(
        "/password", "/password", current_password="before", new_password="четыре синих чайника"
    )
    assert changed.status == 303
    assert "__Host-saldo=after-the-change;" in cookie_of(changed, cookies.SESSION)


def test_sessions_show_device_network_and_this_one(
    cabinet: CabinetBrowser, services: FakeServices
) -> None:
    other = {**SESSION_ROW, "session_id": OTHER, "how": "letter", "same_network": False}
    services.answers["identity", "sessions"] = {"sessions": [SESSION_ROW, other]}
    services.answers["identity", "end_other_sessions"] = {}
    cabinet.sign_in()
    shown = cabinet.get("/settings/sessions")
    for words in ("та же, что у Вас сейчас", "другая", "по ссылке из письма", "по паролю"):
        assert words in shown.text
    assert "второй шаг" not in shown.text
    assert "127.0.0.1" not in shown.text
    twice = {**other, "how": "letter+totp"}
    services.answers["identity", "sessions"] = {"sessions": [SESSION_ROW, twice]}
    in_two_steps = "по ссылке из письма, второй шаг: код из приложения"
    assert in_two_steps in cabinet.get("/settings/sessions").text

    ended = cabinet.submit("/settings/sessions", "/settings/sessions")
    assert (ended.status, ended.location) == (303, "/settings/sessions")
    assert asked(services, "end_other_sessions")["person_id"] == PERSON
    services.answers["identity", "sessions"] = {"sessions": [SESSION_ROW]}
    alone = cabinet.get("/settings/sessions")
    assert "На других устройствах Вы вышли." in alone.text
    assert "Завершить все остальные сеансы" not in alone.text
