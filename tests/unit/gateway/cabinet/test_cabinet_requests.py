"""The way of a page: sessions, errors, headers, static files."""

from __future__ import annotations

import re

import eventlet
import pytest
from account_access import access
from cabinet_doubles import CabinetBrowser
from gateway_doubles import PERSON, FakeServices

from shared.errors import Forbidden, Unavailable

NUMBER = "0100000001"
pytestmark = pytest.mark.usefixtures("own_pages")


def test_page_leads_to_the_log_in_and_back(cabinet: CabinetBrowser) -> None:
    shown = cabinet.get("/settings?x=1")
    assert (shown.status, shown.location) == (303, "/?next=%2Fsettings%3Fx%3D1")
    assert cabinet.get(shown.location).fields["_next"] == "/settings?x=1"


ELSEWHERE = (
    "https://evil.example/", "//evil.example", "/\\evil.example", "javascript:1",
    "/%09/evil.example", "//[", "//%E2%84%80", "/settings%0D%0ASet-Cookie:x=1",
)  # fmt: skip


@pytest.mark.parametrize("elsewhere", ELSEWHERE)
def test_log_in_leads_nowhere_but_to_our_own_pages(cabinet: CabinetBrowser, elsewhere: str) -> None:
    assert cabinet.get(f"/?next={elsewhere}").fields["_next"] == "/"


@pytest.mark.parametrize("elsewhere", ELSEWHERE)
def test_look_leads_nowhere_but_to_our_own_pages(cabinet: CabinetBrowser, elsewhere: str) -> None:
    shown = cabinet.get(f"/look?language=en&next={elsewhere}")
    assert (shown.status, shown.location) == (303, "/")


def test_page_of_a_strange_address_leads_to_the_log_in_and_home(
    cabinet: CabinetBrowser, services: FakeServices
) -> None:
    led = cabinet.get("/accounts/%0D%0AX:y")
    assert (led.status, cabinet.get(led.location).fields["_next"]) == (303, "/")


def test_temporary_password_opens_nothing_but_its_change(
    cabinet: CabinetBrowser, services: FakeServices
) -> None:
    services.sign_in(must_change_password=True)
    cabinet.sign_in()
    for path in ("/accounts", "/settings", "/questions", "/charges"):
        assert cabinet.get(path).location == "/password"
    assert cabinet.get("/password").status == 200


def test_failure_is_a_page_with_a_support_code(
    cabinet: CabinetBrowser, services: FakeServices
) -> None:
    services.answers["identity", "profile"] = ZeroDivisionError("secret text")
    cabinet.sign_in()
    shown = cabinet.get("/settings")
    assert shown.status == 500
    assert "secret text" not in shown.markup
    code = shown.headers["X-Request-Id"]
    assert re.fullmatch(r"[A-HKMNP-Z2-9]{8}", code)
    assert code in shown.text


def test_service_that_is_away_is_a_503_page(
    cabinet: CabinetBrowser, services: FakeServices
) -> None:
    services.answers["identity", "profile"] = Unavailable("unavailable", "no answer")
    cabinet.sign_in()
    shown = cabinet.get("/settings")
    assert shown.status == 503
    assert shown.headers["Retry-After"] == "5"
    assert shown.headers["Content-Type"].startswith("text/html")


def test_form_that_takes_too_long_says_where_the_payment_is(
    cabinet: CabinetBrowser, services: FakeServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    cabinet.sign_in()
    fields = cabinet.get("/settings").fields
    monkeypatch.setattr("gateway.cabinet.visit.PAGE_SECONDS", 0.0)
    shown = cabinet.post("/settings", fields)
    assert shown.status == 503
    assert int(shown.headers["Retry-After"]) > 0
    assert "Ваш платёж не потерян: проверьте его в Истории платежей." in shown.text
    assert "/payments" in shown.links


def test_missing_part_of_a_page_leaves_the_rest(
    cabinet: CabinetBrowser, services: FakeServices
) -> None:
    account = {
        **access(NUMBER), "address": "г. Примерск", "holder": "Примерова", "residents": 3,
        "total_area": "54.2", "linked_at": "2026-01-01T00:00:00+00:00",
    }  # fmt: skip
    services.answers["accounts", "linked"] = {"accounts": [account]}
    services.answers["ledger", "balances"] = Unavailable("unavailable", "no answer")
    services.answers["ledger", "charges_of_accounts"] = Unavailable("unavailable", "no answer")
    cabinet.sign_in()
    shown = cabinet.get("/accounts")
    assert shown.status == 200
    assert "Сумму сейчас не видно" in shown.text
    assert NUMBER in shown.text


def test_personal_pages_are_not_stored_and_run_nothing_foreign(cabinet: CabinetBrowser) -> None:
    cabinet.sign_in()
    shown = cabinet.get("/settings")
    assert shown.headers["Cache-Control"] == "no-store"
    policy = shown.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<script(?![^>]*src=)|<style| style=| on\w+=", shown.markup)


def test_static_files_are_immutable_and_compressed(cabinet: CabinetBrowser) -> None:
    shown = cabinet.get("/")
    [sheet] = re.findall(r'href="(/static/cabinet\.[^"]+\.css)"', shown.markup)
    plain = cabinet.get(sheet)
    packed = cabinet.get(sheet, Accept_Encoding="gzip")
    assert packed.headers["Content-Encoding"] == "gzip"
    assert plain.markup == packed.markup
    assert "immutable" in plain.headers["Cache-Control"]
    assert "Set-Cookie" not in plain.headers
    assert cabinet.get("/static/cabinet.0000000000.css").status == 404


def test_cookies_are_of_this_host_and_closed_to_scripts(
    cabinet: CabinetBrowser, services: FakeServices
) -> None:
    shown = cabinet.get("/")
    for cookie in shown.headers.getlist("Set-Cookie"):
        assert cookie.startswith("__Host-")
        for attribute in ("Secure", "HttpOnly", "SameSite=Lax", "Path=/"):
            assert attribute in cookie
        assert "Domain" not in cookie


def test_log_out_ends_the_session_and_forgets_it(
    cabinet: CabinetBrowser, services: FakeServices
) -> None:
    services.answers["identity", "end_session"] = {}
    cabinet.sign_in()
    shown = cabinet.submit("/settings", "/logout")
    assert (shown.status, shown.location) == (303, "/")
    assert shown.headers["Clear-Site-Data"] == '"cache"'
    assert any("__Host-saldo=;" in value for value in shown.headers.getlist("Set-Cookie"))
    assert ("identity", "end_session") in [call[:2] for call in services.calls]


def test_lost_visitor_gets_a_page_and_a_lost_client_a_problem(cabinet: CabinetBrowser) -> None:
    page, problem = cabinet.get("/nowhere"), cabinet.get("/api/v1/nowhere")
    assert page.status == problem.status == 404
    assert page.headers["Content-Type"].startswith("text/html")
    assert problem.headers["Content-Type"] == "application/problem+json"


def test_the_look_is_kept_for_a_year(cabinet: CabinetBrowser) -> None:
    shown = cabinet.submit("/look", "/look", theme="dark", size="200", language="en")
    [kept] = [one for one in shown.headers.getlist("Set-Cookie") if one.startswith("__Host-look=")]
    assert "__Host-look=dark.200.en;" in kept
    assert f"Max-Age={365 * 24 * 3600};" in kept
    html = cabinet.get("/").markup
    assert '<html lang="en" data-theme="dark" data-size="200">' in html


def test_a_page_is_compressed_where_the_browser_takes_it(cabinet: CabinetBrowser) -> None:
    plain, packed = cabinet.get("/"), cabinet.get("/", Accept_Encoding="gzip")
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in packed.headers["Vary"]
    assert int(packed.headers["Content-Length"]) < len(plain.markup.encode()) / 2


def test_too_many_attempts_say_until_when(cabinet: CabinetBrowser, services: FakeServices) -> None:
    limit = {"policy": "logins", "limit": 10, "window_seconds": 900, "retry_after_seconds": 600}
    services.answers["identity", "sign_in"] = Forbidden("too_many_attempts", "x", **limit)
    shown = cabinet.submit("/", "/login", email="ivanov@example.org", password="x")
    assert shown.status == 429
    assert shown.headers["Retry-After"] == "600"
    assert shown.title.startswith("Ошибка:")
    assert shown.fields["email"] == "ivanov@example.org"


def test_text_that_is_too_long_is_refused_in_words_of_people(cabinet: CabinetBrowser) -> None:
    shown = cabinet.post("/login", {"email": "a" * 70_000})
    assert shown.status == 413
    assert "Вернитесь назад, сократите его" in shown.text


def test_the_code_of_an_error_page_leads_to_who_met_it(
    cabinet: CabinetBrowser, services: FakeServices
) -> None:
    services.answers["identity", "profile"] = ZeroDivisionError("secret text")
    assert cabinet.get("/nowhere").status == 404
    cabinet.sign_in()
    code = cabinet.get("/settings").headers["X-Request-Id"]
    eventlet.sleep(0)
    told = [call for call in services.calls if call[1] == "note_support_code"]
    assert told == [("identity", "note_support_code", {"code": code, "person_id": PERSON})]
