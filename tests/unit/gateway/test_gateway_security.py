"""What every response carries, and what no request gets."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from gateway_doubles import PERSON, THING, Browser, FakeServices
from shared_gateways import gateway_over

from gateway.cabinet.sealing import Sealer
from gateway.operations import API
from shared.clock import SystemClock
from shared.config import Settings
from tests.fixed_clock import FixedClock

SETTINGS = Settings(amqp_url="", secret=bytes(32))

PATHS = (
    "/",
    "/register",
    "/nothing",
    "/healthz",
    f"{API}/me",
    f"{API}/nothing",
    f"{API}/openapi.json",
    "/api/docs",
    "/documents/rules.pdf",
)
PURPOSES = ("kept", "notice", "codes", "invitation", "attached", "person", "pay")


@pytest.fixture
def answers(browser: Browser, services: FakeServices) -> list[Any]:
    """Return responses of every kind: pages, problems, JSON, and a refusal."""
    services.answers["identity", "document"] = {
        "kind": "rules",
        "version": "2026-01-01",
        "title": "Rules",
        "media_type": "text/markdown",
        "text": "# Rules",
        "in_force": "2026-01-01",
        "versions": [],
    }
    return [browser("GET", path, token=None) for path in PATHS]


def gateway_at(url: str, services: FakeServices) -> Browser:
    """Return a client of a gateway whose public address is this one."""
    return Browser(*gateway_over(services, replace(SETTINGS, url=url)))


def test_https_is_demanded_for_two_years_of_all_subdomains(services: FakeServices) -> None:
    plain = gateway_at("http://localhost:18080", services)
    secured = gateway_at("https://saldo.example", services)
    for path in PATHS[:6]:
        assert "Strict-Transport-Security" not in plain("GET", path, token=None).headers
        headers = secured("GET", path, token=None).headers
        assert headers["Strict-Transport-Security"] == "max-age=63072000; includeSubDomains"


def test_no_other_origin_may_read_an_answer(browser: Browser) -> None:
    origin = {"Origin": "https://evil.example"}
    for path in PATHS:
        for method in ("GET", "OPTIONS"):
            answer = browser(method, path, token=None, headers=origin)
            allowed = [name for name in answer.headers if name[0].startswith("Access-Control")]
            assert allowed == [], (method, path)


def test_addresses_go_to_no_other_site(answers: list[Any]) -> None:
    for answer in answers:
        assert answer.headers["Referrer-Policy"] in ("no-referrer", "same-origin")


def test_every_answer_says_what_it_is(answers: list[Any]) -> None:
    for answer in answers:
        kind = answer.headers["Content-Type"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        if kind.startswith("text/"):
            assert "charset=utf-8" in kind.casefold()
        else:
            assert kind in ("application/json", "application/problem+json", "application/pdf")


def test_no_cache_keeps_what_is_of_a_person(browser: Browser, services: FakeServices) -> None:
    services.answers["identity", "profile"] = {
        "person_id": PERSON,
        "person_type": "individual",
        "email": "a@example.org",
        "language": "ru",
        "organisation": None,
        "full_name": None,
        "phone": None,
    }
    for path in (f"{API}/me", f"{API}/payments/{THING}", f"{API}/accounts/0100000001/balance"):
        answer = browser("GET", path)
        assert "no-store" in answer.headers["Cache-Control"], path
        assert "Accept-Language" in answer.headers.get("Vary", "Accept-Language")


@pytest.mark.parametrize("method", ["TRACE", "TRACK", "CONNECT", "PROPFIND", "DEBUG"])
def test_trace_is_no_method(browser: Browser, method: str) -> None:
    for path in ("/", f"{API}/me"):
        answer = browser(method, path, headers={"X-Secret": "wonderland"})
        assert answer.status_code in (404, 405)
        assert "wonderland" not in answer.text


@pytest.mark.parametrize(
    "path",
    [
        "/static/../../../etc/passwd",
        "/static/..%2f..%2fetc%2fpasswd",
        "/static/%2e%2e/service.py",
        "/static//etc/passwd",
        "/static/",
        "/static",
        "/.git/config",
        "/.env",
        "/.saldo/env",
        "/documents/..%2f..%2fdocuments",
        "/documents/rules.pdf?version=../../../../etc/passwd",
        f"{API}/documents/rules?version=../../etc/passwd",
        "/saldo/contracts/../../config/v1",
        "/pictures/../service.py",
        "/static/cabinet.css%00.html",
    ],
)
def test_no_path_leads_out_of_what_is_served(
    browser: Browser, services: FakeServices, path: str
) -> None:
    from shared.errors import NotFound

    services.answers["identity", "document"] = NotFound("document_not_found", "x")
    answer = browser("GET", path, token=None)
    assert answer.status_code in (301, 302, 303, 308, 400, 404, 422), path
    assert "root:" not in answer.text
    assert "def " not in answer.text


def test_the_cookie_of_a_page_opens_no_operation_of_the_api(browser: Browser) -> None:
    answer = browser("GET", f"{API}/me", token=None, headers={"Cookie": "__Host-saldo=token"})
    assert (answer.status_code, answer.json["code"]) == (401, "not_signed_in")


def test_fields_that_nobody_asked_for_are_refused(browser: Browser, services: FakeServices) -> None:
    """Mass assignment: nothing reaches a service that its operation does not name."""
    for more in ({"person_id": THING}, {"person_type": "organisation"}, {"email": "b@example.org"}):
        body = {"full_name": "Иванов Иван", **more}
        answer = browser("PATCH", f"{API}/me", json=body)
        assert answer.status_code in (400, 422)
        assert [error["pointer"] for error in answer.json["errors"]] == [f"#/{next(iter(more))}"]
    lines = [{"account": "0100000001", "amount": 100, "penalty": 0}]
    for more in ({"person_id": THING}, {"state": "captured"}, {"order_number": "1"}):
        answer = browser(
            "POST",
            f"{API}/payments",
            json={"lines": lines, **more},
            headers={"Idempotency-Key": "a-key"},
        )
        assert answer.status_code in (400, 422)
    assert not [call for call in services.calls if call[1] in ("update_profile", "start")]


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "x-gzip"])
def test_a_compressed_body_is_refused_unread(
    browser: Browser, services: FakeServices, coding: str
) -> None:
    answer = browser(
        "POST",
        f"{API}/sessions",
        token=None,
        data=b"\x1f\x8b" + bytes(1000),
        headers={"Content-Encoding": coding, "Content-Type": "application/json"},
    )
    assert answer.status_code in (400, 415)
    assert [call for call in services.calls if call[1] == "sign_in"] == []


def test_sealed_things_open_nothing_else() -> None:
    sealer = Sealer(Settings(amqp_url="", secret=bytes(range(32))), SystemClock())
    for purpose in PURPOSES:
        sealed = sealer.seal(purpose, {"person": PERSON})
        for other in PURPOSES:
            opened = sealer.unseal(other, sealed, seconds=60)
            assert (opened is not None) == (other == purpose)
        assert sealer.unseal(purpose, sealed[:-4] + "AAAA", seconds=60) is None
        assert Sealer(SETTINGS, SystemClock()).unseal(purpose, sealed, seconds=60) is None


def test_sealed_values_expire() -> None:
    clock = FixedClock(datetime(2026, 11, 30, 12, tzinfo=UTC))
    sealer = Sealer(SETTINGS, clock)
    sealed = sealer.seal("kept", "words")
    clock.advance(timedelta(seconds=59))
    assert sealer.unseal("kept", sealed, seconds=60) == "words"
    clock.advance(timedelta(seconds=3))
    assert sealer.unseal("kept", sealed, seconds=60) is None


def test_only_if_none_match_makes_a_read_conditional(browser: Browser) -> None:
    """`If-Match` guards a change; a read that obeyed it would be a refusal without words."""
    path = f"{API}/openapi.json"
    first = browser("GET", path, token=None)
    etag = first.headers["ETag"]
    assert browser("GET", path, token=None, headers={"If-None-Match": etag}).status_code == 304
    for headers in (
        {"If-Match": "*"},
        {"If-Match": '"another"'},
        {"If-Match": "*", "If-None-Match": '"another"'},
        {"If-Unmodified-Since": "Thu, 01 Jan 1970 00:00:00 GMT"},
    ):
        answer = browser("GET", path, token=None, headers=headers)
        assert (answer.status_code, answer.text) == (200, first.text), headers
