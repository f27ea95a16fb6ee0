"""Forms that are sent: tokens, other sites, second clicks, and what a session's end keeps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cabinet_doubles import SETTINGS, CabinetBrowser
from gateway_doubles import PERSON, SESSION, FakeServices

from gateway.cabinet import cookies
from gateway.cabinet.sealing import Sealer
from shared.clock import SystemClock
from shared.config import Settings
from shared.errors import Forbidden
from tests.fixed_clock import FixedClock

OTHER_PERSON = "5c1b8a52-6d11-4a0e-9a3f-1f5a2f0f1b77"
pytestmark = pytest.mark.usefixtures("own_pages")


def signed_out(services: FakeServices) -> None:
    services.answers["identity", "authenticate"] = Forbidden("session_expired", "It has ended.")


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
        "device_token": "a-device",
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
    services.answers["identity", "sign_in"] = {
        **alive, "token": "new", "device_token": "a-device", "expires_at": "",
    }  # fmt: skip
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
        "device_token": "a-device",
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
    kept = Sealer(SETTINGS, SystemClock()).unseal("kept", waiting.fields["_kept"], seconds=60)
    assert kept["fields"] == {}


@pytest.mark.parametrize(("off_by", "opens"), [(0, True), (-600, True), (-7200, True), (62, False)])
def test_what_a_gateway_with_a_clock_ahead_has_sealed_opens_at_another(
    off_by: int, opens: bool
) -> None:
    clock = FixedClock(datetime(2026, 11, 30, 12, tzinfo=UTC))
    sealed = Sealer(SETTINGS, clock).seal("notice", "saved")
    clock.advance(timedelta(seconds=off_by))
    opened = Sealer(SETTINGS, clock).unseal("notice", sealed, seconds=60)
    assert opened == ("saved" if opens else None)
