"""Ids, addresses, headers, metrics and readiness."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from gateway_doubles import PERSON, Browser, FakeServices
from prometheus_client import REGISTRY, generate_latest

from gateway.peer import caller_address, trusted_networks
from gateway.readiness import states_of
from shared.config import SERVICES, ConfigurationError
from shared.errors import Unavailable

RESET = "/api/v1/password-resets"
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture(autouse=True)
def _resets_succeed(services: FakeServices) -> None:
    services.answers["identity", "request_password_reset"] = {}


def test_ids_of_the_caller_are_accepted(browser: Browser, services: FakeServices) -> None:
    headers = {"X-Request-Id": "mobile-17", "traceparent": TRACE}
    response = browser("POST", RESET, json={"email": "a@b.ru"}, headers=headers)
    assert response.headers["X-Request-Id"] == "mobile-17"
    seen = services.contexts[-1]
    assert seen.correlation_id == "mobile-17"
    assert seen.actor == "anonymous"
    assert seen.command_id == services.command_ids[-1]
    assert seen.traceparent == response.headers["traceparent"]
    assert response.headers["traceparent"][:36] == TRACE[:36]
    assert response.headers["traceparent"] != TRACE


@pytest.mark.parametrize("value", ["", "a b", "x" * 65, "é", 'quo"te'])
def test_malformed_id_is_replaced_by_a_support_code_of_eight_signs(
    browser: Browser, value: str
) -> None:
    bad_trace = TRACE.replace("4bf92f3577b34da6a3ce929d0e0e4736", "0" * 32)
    headers = {"X-Request-Id": value, "traceparent": bad_trace}
    response = browser("GET", "/healthz", headers=headers)
    assert re.fullmatch(r"[A-HKMNP-Z2-9]{8}", response.headers["X-Request-Id"])
    assert re.fullmatch(r"00-(?!0{32})\w{32}-\w{16}-01", response.headers["traceparent"])


def test_forwarded_address_counts_only_from_a_trusted_proxy(
    make_browser: Callable[[], Browser],
    services: FakeServices,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    headers = {"X-Forwarded-For": "198.51.100.9, 203.0.113.7"}
    make_browser()("POST", RESET, json={"email": "a@b.ru"}, headers=headers)
    assert services.calls[-1][2]["ip"] == "127.0.0.1"

    monkeypatch.setenv("SALDO_TRUSTED_PROXY", "127.0.0.0/8")
    make_browser()("POST", RESET, json={"email": "a@b.ru"}, headers=headers)
    assert services.calls[-1][2]["ip"] == "203.0.113.7"


def test_only_trusted_proxies_count() -> None:
    trusted = trusted_networks("10.0.0.0/8, 192.0.2.1")
    assert caller_address("10.1.1.1", "1.1.1.1, 2.2.2.2, 192.0.2.1", trusted) == "2.2.2.2"
    assert caller_address("10.1.1.1", "unknown", trusted) == "10.1.1.1"
    assert caller_address("9.9.9.9", "1.1.1.1", trusted) == "9.9.9.9"
    assert caller_address("10.1.1.1", "", trusted) == "10.1.1.1"
    with pytest.raises(ConfigurationError):
        trusted_networks("everybody")


def test_a_key_without_log_in_belongs_to_what_was_sent(
    browser: Browser, services: FakeServices
) -> None:
    def reset(email: str, address: str) -> UUID | None:
        browser(
            "POST",
            RESET,
            json={"email": email},
            headers={"Idempotency-Key": "1"},
            environ_base={"REMOTE_ADDR": address},
        )
        return services.command_ids[-1]

    behind_one_address = [reset(f"{name}@b.ru", "203.0.113.1") for name in ("anna", "boris")]
    assert behind_one_address[0] != behind_one_address[1]
    assert reset("anna@b.ru", "203.0.113.2") == behind_one_address[0]


def test_security_headers_are_on_every_response(browser: Browser) -> None:
    for path in ("/healthz", "/", "/api/v1/me", "/nothing"):
        headers = browser("GET", path, token=None).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Request-Id"]
    assert browser("GET", "/api/v1/me", token=None).headers["Cache-Control"] == "no-store"


def test_readiness_lists_every_service(services: FakeServices) -> None:
    for name in SERVICES:
        services.answers[name, "health"] = {"status": "ok"}
    assert states_of(services) == dict.fromkeys(SERVICES, "ok")

    services.answers["ledger", "health"] = Unavailable("service_unavailable", "x")
    assert states_of(services) == {
        name: "unavailable" if name == "ledger" else "ok" for name in SERVICES
    }


def test_service_that_has_just_started_is_asked_again_at_once(
    services: FakeServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it was asked before it had a queue is lost: nobody is to wait for that answer."""
    for name in SERVICES:
        services.answers[name, "health"] = {"status": "ok"}
    deadlines = list[float]()
    call = services.call

    def lose_the_first(service: str, method: str, *, deadline: float, **asked: Any) -> Any:
        if service == "ledger":
            deadlines.append(deadline)
            if len(deadlines) == 1:
                raise Unavailable("service_unavailable", "no reply")
        return call(service, method, deadline=deadline, **asked)

    monkeypatch.setattr(services, "call", lose_the_first)
    assert states_of(services) == dict.fromkeys(SERVICES, "ok")
    assert deadlines[0] <= 0.5
    assert sum(deadlines) <= 2.0, "the supervisor waits no longer"


def test_clients_learn_that_the_gateway_is_alive_and_nothing_else_of_its_state(
    browser: Browser,
) -> None:
    assert browser("GET", "/healthz", token=None).json == {"status": "ok"}
    for path in ("/metrics", "/readyz", "/api/v1/metrics"):
        answer = browser("GET", path, token=None)
        assert answer.status_code == 404, path
        assert "saldo_" not in answer.text


def test_requests_are_counted_by_template_and_status(
    browser: Browser, services: FakeServices
) -> None:
    services.answers["payments", "payment"] = Unavailable("service_unavailable", "x")
    template = "/api/v1/payments/{payment_id}"
    route = {"method": "GET", "route": template}
    unmatched = {"method": "ANY", "route": "unmatched", "status": "404"}
    counted = {
        "saldo_http_requests_total": route | {"status": "503"},
        "saldo_http_request_duration_seconds_count": route,
    }
    before = {name: _value(name, labels) for name, labels in counted.items()}
    strangers = _value("saldo_http_requests_total", unmatched)
    for _ in range(2):
        browser("GET", f"/api/v1/payments/{PERSON}")
    browser("GET", "/api/v1/wp-login.php")
    browser("PROPFIND", "/api/v1/wp-login.php")
    assert {name: _value(name, labels) - 2 for name, labels in counted.items()} == before
    assert _value("saldo_http_requests_total", unmatched) == strangers + 2
    assert b"wp-login" not in generate_latest()
    assert _value("saldo_http_requests_in_progress", {}) == 0


def _value(name: str, labels: dict[str, str]) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_unknown_api_path_is_a_problem_and_an_unknown_page_is_a_page(browser: Browser) -> None:
    problem = browser("GET", "/api/v1/nothing")
    assert (problem.status_code, problem.content_type) == (404, "application/problem+json")
    page = browser("GET", "/nothing", token=None)
    assert (page.status_code, page.content_type) == (404, "text/html; charset=utf-8")


def test_call_says_when_its_request_came(browser: Browser, services: FakeServices) -> None:
    """By that a service tells the repetitions of a call from those that follow its refusal."""
    before = datetime.now(UTC).timestamp()
    for _ in range(2):
        browser("POST", RESET, json={"email": "a@b.ru"})
    first, second = (seen.asked_at for seen in services.contexts[-2:])
    assert first is not None
    assert second is not None
    assert before <= first < second <= datetime.now(UTC).timestamp()
