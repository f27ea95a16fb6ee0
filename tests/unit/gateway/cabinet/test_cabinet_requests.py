"""The way of a page: sessions, CSRF, kept forms, errors, headers."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from cabinet_doubles import SETTINGS, CabinetBrowser
from gateway_doubles import PERSON, SESSION, FakeServices

from gateway.cabinet import cookies
from gateway.cabinet.sealing import Sealer
from shared.config import Settings
from shared.errors import Forbidden, Unavailable

NUMBER = "0100000001"
OTHER_PERSON = "5c1b8a52-6d11-4a0e-9a3f-1f5a2f0f1b77"
PROFILE = {
    "person_id": PERSON,
    "person_type": "individual",
    "email": "ivanov@example.org",
    "organisation": None,
    "full_name": None,
    "phone": None,
}
TOPICS = {
    "topics": [
        {"topic": "charges", "title": "Начисления", "title_en": "Charges", "department": "billing"}
    ]
}


@pytest.fixture(autouse=True)
def played(services: FakeServices) -> None:
    services.answers["identity", "profile"] = PROFILE
    services.answers["accounts", "linked"] = {"accounts": []}
    services.answers["helpdesk", "topics"] = TOPICS
    services.answers["helpdesk", "questions"] = {"questions": []}


def signed_out(services: FakeServices) -> None:
    services.answers["identity", "authenticate"] = Forbidden("session_expired", "It has ended.")


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


def test_post_needs_a_token_of_the_visitor(cabinet: CabinetBrowser) -> None:
    cabinet.sign_in()
    for token in ("", "x", "AAAA" * 11):
        shown = cabinet.post("/settings", {"_csrf": token, "full_name": "Мария"})
        assert shown.status == 403
        assert "нажмите ещё раз" in shown.text
        assert shown.fields["full_name"] == "Мария"


def test_token_of_another_visitor_is_refused(
    cabinet: CabinetBrowser, services: FakeServices
) -> None:
    cabinet.sign_in()
    token = cabinet.get("/settings").fields["_csrf"]
    cabinet.client.set_cookie(cookies.VISITOR, "somebody-else", secure=True)
    assert cabinet.post("/settings", {"_csrf": token, "full_name": "Мария"}).status == 403
    assert not [call for call in services.calls if call[1] == "update_profile"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://["},
        {"Origin": "http://localhost.evil.example"},
        {"Origin": "http://evil@localhost"},
        {"Sec_Fetch_Site": "cross-site"},
    ],
)
def test_form_of_another_site_is_refused_whatever_its_token(
    cabinet: CabinetBrowser, services: FakeServices, headers: dict[str, str]
) -> None:
    cabinet.sign_in()
    fields = cabinet.get("/settings").fields
    shown = cabinet.post("/settings", fields, **headers)
    assert shown.status == 403
    assert "с другого сайта" in shown.text
    assert not [call for call in services.calls if call[1] == "update_profile"]


def test_a_site_with_tls_takes_no_form_from_outside_it(
    cabinet_of: Callable[[Settings], CabinetBrowser],
) -> None:
    cabinet = cabinet_of(replace(SETTINGS, url="https://localhost"))
    fields = cabinet.get("/recover", https="on").fields
    refused = cabinet.post("/recover", fields, https="on", Origin="http://localhost")
    assert (refused.status, "с другого сайта" in refused.text) == (403, True)
    taken = cabinet.post("/recover", fields, https="on", Origin="https://localhost")
    assert taken.status == 422


def test_tokens_differ_each_time_and_all_fit(
    cabinet: CabinetBrowser, services: FakeServices
) -> None:
    services.answers["identity", "update_profile"] = {}
    cabinet.sign_in()
    tokens = [cabinet.get("/settings").fields["_csrf"] for _ in range(3)]
    assert len(set(tokens)) == 3
    for token in tokens:
        typed = {"_csrf": token, "full_name": "", "phone": ""}
        assert cabinet.post("/settings", typed).status == 303


def test_second_click_repeats_the_same_command(
    cabinet: CabinetBrowser, services: FakeServices
) -> None:
    services.answers["identity", "update_profile"] = {}
    cabinet.sign_in()
    fields = {**cabinet.get("/settings").fields, "full_name": "Мария"}
    for _ in range(2):
        assert cabinet.post("/settings", fields).status == 303
    other = cabinet.get("/settings").fields
    cabinet.post("/settings", other)
    ids = [
        command_id
        for (_, method, _), command_id in zip(services.calls, services.command_ids, strict=True)
        if method == "update_profile"
    ]
    assert ids[0] == ids[1] != ids[2]
    assert None not in ids


def test_form_survives_the_end_of_its_session(
    cabinet: CabinetBrowser, services: FakeServices
) -> None:
    cabinet.sign_in()
    question = "\nПочему в октябре больше?\nИ ещё одно: <b>&amp;</b>"
    fields = {**cabinet.get("/questions").fields, "topic": "charges", "text": question}
    alive = services.answers["identity", "authenticate"]
    signed_out(services)
    waiting = cabinet.post("/questions", fields)
    assert waiting.status == 401
    assert "на месте" in waiting.text
    assert "октябре" not in waiting.markup

    services.answers["identity", "authenticate"] = alive
    services.answers["identity", "sign_in"] = {
        "token": "a-new-token",
        "session_id": SESSION,
        "person_id": PERSON,
        "must_change_password": False,
        "must_accept": [],
        "expires_at": "2027-01-01T00:00:00+00:00",
    }
    typed = {"email": "ivanov@example.org", "password": "correct horse battery"}
    again = cabinet.post("/login", {**waiting.fields, **typed})
    assert again.status == 200
    assert again.fields["text"] == question
    assert not [call for call in services.calls if call[1] == "ask"]

    services.answers["helpdesk", "ask"] = {
        "question_id": SESSION, "number": 7, "department": "billing", "department_title": "Отдел",
    }  # fmt: skip
    sent = cabinet.post("/questions", {**again.fields, "topic": "charges"})
    assert sent.status == 303
    [asked] = [arguments for _, method, arguments in services.calls if method == "ask"]
    assert asked["text"] == question.strip()


def test_a_long_form_fits_into_the_log_in_it_waits_for(
    cabinet: CabinetBrowser, services: FakeServices
) -> None:
    cabinet.sign_in()
    fields = cabinet.get("/questions/new").fields
    text = " ".join(f"Начислено {number}." for number in range(950))
    alive = services.answers["identity", "authenticate"]
    signed_out(services)
    ended = cabinet.post("/questions", {**fields, "topic": "charges", "text": text})
    services.answers["identity", "authenticate"] = alive
    services.answers["identity", "sign_in"] = {**alive, "token": "new", "expires_at": ""}
    back = cabinet.post("/login", {**ended.fields, "email": "a@example.org", "password": "x"})
    assert (back.status, back.fields["text"]) == (200, text)


def test_kept_form_is_not_shown_to_another_person(
    cabinet: CabinetBrowser, services: FakeServices
) -> None:
    cabinet.sign_in()
    typed = {"topic": "charges", "text": "Чужим глазам не нужно"}
    fields = {**cabinet.get("/questions").fields, **typed}
    signed_out(services)
    waiting = cabinet.post("/questions", fields)
    services.sign_in(person_id=OTHER_PERSON)
    services.answers["identity", "sign_in"] = {
        "token": "a-new-token",
        "session_id": SESSION,
        "person_id": OTHER_PERSON,
        "must_change_password": False,
        "must_accept": [],
        "expires_at": "2027-01-01T00:00:00+00:00",
    }
    entered = {"email": "petrova@example.org", "password": "correct horse battery"}
    other = cabinet.post("/login", {**waiting.fields, **entered})
    assert (other.status, other.location) == (303, "/accounts")


def test_old_form_of_another_person_is_refused_without_its_words(
    cabinet: CabinetBrowser, services: FakeServices
) -> None:
    cabinet.sign_in()
    typed = {"topic": "charges", "text": "Чужим глазам не нужно"}
    fields = {**cabinet.get("/questions").fields, **typed}
    services.sign_in(person_id=OTHER_PERSON)
    refused = cabinet.post("/questions", {**fields, "_csrf": "of-the-session-before"})
    assert refused.status == 403
    assert "Чужим глазам" not in refused.markup
    own = {**cabinet.get("/questions").fields, **typed, "_csrf": "of-the-session-before"}
    again = cabinet.post("/questions", own)
    assert (again.status, again.fields["text"]) == (403, "Чужим глазам не нужно")


def test_password_is_never_kept_for_later(cabinet: CabinetBrowser, services: FakeServices) -> None:
    cabinet.sign_in()
    fields = cabinet.get("/password").fields
    signed_out(services)
    typed = {"current_password": "the old one", "new_password": "the new one"}
    waiting = cabinet.post("/password", {**fields, **typed})
    assert waiting.status == 401
    kept = Sealer(SETTINGS).unseal("kept", waiting.fields["_kept"], seconds=60)
    assert kept["fields"] == {}


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
    services.answers["identity", "profile"] = PROFILE
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
        "number": NUMBER, "address": "г. Примерск", "holder": "Примерова", "residents": 3,
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
    [kept] = [one for one in shown.headers.getlist("Set-Cookie") if one.startswith("look=")]
    assert "look=dark.200.en;" in kept
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
