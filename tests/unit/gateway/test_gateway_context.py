"""Ids, addresses, headers, counters and readiness."""

from __future__ import annotations

import re
from collections.abc import Callable
from uuid import UUID

import pytest
from gateway_doubles import PERSON, Browser, FakeServices

from gateway.peer import caller_address, trusted_networks
from shared.config import SERVICES, ConfigurationError
from shared.errors import Unavailable

RESET = "/api/v1/password-resets"
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture(autouse=True)
def _resets_succeed(services: FakeServices) -> None:
    services.answers["identity", "request_password_reset"] = {"reset_id": PERSON}


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


def test_same_key_of_two_addresses_gives_two_commands(
    browser: Browser, services: FakeServices
) -> None:
    def reset(address: str) -> UUID | None:
        browser(
            "POST",
            RESET,
            json={"email": "a@b.ru"},
            headers={"Idempotency-Key": "1"},
            environ_base={"REMOTE_ADDR": address},
        )
        return services.command_ids[-1]

    assert reset("203.0.113.1") == reset("203.0.113.1")
    assert reset("203.0.113.1") != reset("203.0.113.2")


def test_security_headers_are_on_every_response(browser: Browser) -> None:
    for path in ("/healthz", "/", "/api/v1/me", "/nothing", "/metrics"):
        headers = browser("GET", path, token=None).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Request-Id"]
    assert browser("GET", "/api/v1/me", token=None).headers["Cache-Control"] == "no-store"


def test_readiness_lists_every_service(browser: Browser, services: FakeServices) -> None:
    for name in SERVICES:
        services.answers[name, "health"] = {"status": "ok"}
    ready = browser("GET", "/readyz", token=None)
    assert (ready.status_code, ready.json["status"]) == (200, "ready")

    services.answers["ledger", "health"] = Unavailable("service_unavailable", "x")
    not_ready = browser("GET", "/readyz", token=None)
    assert not_ready.status_code == 503
    assert not_ready.json["services"] == {
        name: "unavailable" if name == "ledger" else "ok" for name in SERVICES
    }
    assert browser("GET", "/healthz", token=None).json == {"status": "ok"}


def test_metrics_count_by_template_and_status(browser: Browser, services: FakeServices) -> None:
    services.answers["payments", "payment"] = Unavailable("service_unavailable", "x")
    for _ in range(2):
        browser("GET", f"/api/v1/payments/{PERSON}")
    browser("GET", "/wp-login.php")
    browser("GET", "/api/v1/wp-login.php")
    text = browser("GET", "/metrics", token=None).text
    route = 'method="GET",route="/api/v1/payments/{payment_id}"'
    assert f'saldo_gateway_requests_total{{{route},status="503"}} 2' in text
    assert f'saldo_gateway_request_seconds_bucket{{{route},le="+Inf"}} 2' in text
    assert f"saldo_gateway_request_seconds_count{{{route}}} 2" in text
    assert 'method="ANY",route="unmatched",status="404"} 2' in text
    assert "wp-login" not in text


def test_unknown_api_path_is_a_problem_and_an_unknown_page_is_a_page(browser: Browser) -> None:
    problem = browser("GET", "/api/v1/nothing")
    assert (problem.status_code, problem.content_type) == (404, "application/problem+json")
    page = browser("GET", "/nothing", token=None)
    assert (page.status_code, page.content_type) == (404, "text/html; charset=utf-8")
