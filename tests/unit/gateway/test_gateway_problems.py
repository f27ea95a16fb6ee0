"""Every failure is a problem document, and leaks nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from gateway_doubles import PERSON, THING, Browser, FakeServices
from structlog.testing import capture_logs
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Response

from gateway.handling import guarded
from gateway.messages import CATALOGUE
from gateway.messages.fields import FIELDS
from gateway.messages.gateway import KINDS
from gateway.messages.notices import NOTICES
from gateway.reading import MAX_BODY_BYTES
from shared.errors import (
    Conflict,
    Forbidden,
    InternalError,
    NotFound,
    ServiceError,
    Unavailable,
    ValidationFailed,
)

ME = "/api/v1/me"


@pytest.mark.usefixtures("made_up_refusals")
@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ValidationFailed("wrong_code", "internal words", attempts_left=2), 422),
        (NotFound("payment_not_found", "internal words"), 404),
        (Conflict("last_account_stays", "internal words"), 409),
        (Conflict("command_reused", "internal words"), 422),
        (Forbidden("link_refused", "internal words"), 403),
        (Forbidden("too_many_attempts", "internal words", retry_after_seconds=17), 429),
        (Unavailable("service_unavailable", "internal words"), 503),
        (InternalError("internal_error", "internal words", error_id="x"), 500),
        (Conflict("a_code_of_tomorrow", "internal words"), 409),
        (RuntimeError("internal words"), 500),
    ],
)
def test_a_refusal_becomes_a_problem_document(
    browser: Browser, services: FakeServices, error: Exception, status: int
) -> None:
    services.answers["identity", "profile"] = error

    response = browser("GET", ME)

    assert response.status_code == status
    assert response.content_type == "application/problem+json"
    assert "internal words" not in response.text
    document = response.json
    assert document["status"] == status
    assert document["instance"].startswith("urn:uuid:")
    code = error.code if isinstance(error, ServiceError) else "internal_error"
    assert (document["code"], document["type"]) == (code, f"/problems/{code}")
    assert document["detail"].startswith(document["title"])
    assert len(document["detail"]) > len(document["title"]) + 5


@pytest.mark.usefixtures("made_up_refusals")
def test_the_language_is_russian_unless_english_is_preferred(
    browser: Browser, services: FakeServices
) -> None:
    services.answers["identity", "profile"] = ValidationFailed("wrong_code", "x", attempts_left=2)
    russian = browser("GET", ME)
    english = browser("GET", ME, headers={"Accept-Language": "en-GB,en;q=0.9"})
    assert "осталось попыток: 2" in russian.json["detail"]
    assert "2 attempts left" in english.json["detail"]
    assert english.headers["Content-Language"] == "en"
    assert english.headers["Vary"] == "Accept-Language"


@pytest.mark.usefixtures("made_up_refusals")
def test_text_with_a_missing_parameter_is_not_shown(
    browser: Browser, services: FakeServices
) -> None:
    services.answers["identity", "profile"] = ValidationFailed("wrong_code", "x")
    assert browser("GET", ME).json["detail"] == KINDS["validation"]["ru"]


@pytest.mark.usefixtures("made_up_refusals")
def test_unavailable_and_too_many_have_retry_after(
    browser: Browser, services: FakeServices
) -> None:
    services.answers["identity", "profile"] = Unavailable("service_unavailable", "x")
    assert browser("GET", ME).headers["Retry-After"] == "5"
    waiting = Unavailable("payment_under_way", "x", retry_after_seconds=12)
    services.answers["identity", "profile"] = waiting
    assert browser("GET", ME).headers["Retry-After"] == "12"
    refusal = Forbidden("too_many_attempts", "x", retry_after_seconds=17)
    services.answers["identity", "profile"] = refusal
    assert browser("GET", ME).headers["Retry-After"] == "17"


def test_limit_that_was_reached_is_described_in_headers(
    browser: Browser, services: FakeServices
) -> None:
    services.answers["accounts", "lookup"] = Forbidden(
        "too_many_attempts",
        "x",
        policy="lookup_by_person",
        limit=60,
        window_seconds=3600,
        retry_after_seconds=17,
    )
    refused = browser("POST", "/api/v1/accounts/lookup", json={"number": "1"})
    assert refused.status_code == 429
    assert refused.headers["Retry-After"] == "17"
    assert refused.headers["RateLimit-Policy"] == '"lookup_by_person";q=60;w=3600'
    assert refused.headers["RateLimit"] == '"lookup_by_person";r=0;t=17'


def test_success_says_what_is_left_of_its_limit(browser: Browser, services: FakeServices) -> None:
    limit = {
        "policy": "link_by_person",
        "limit": 20,
        "window_seconds": 3600,
        "remaining": 19,
        "retry_after_seconds": 3600,
    }
    services.answers["accounts", "link"] = {"number": "0001", "rate_limit": limit}
    linked = browser("POST", "/api/v1/accounts", json={"number": "0001", "proof": "1"})
    assert linked.status_code == 201
    assert linked.headers["RateLimit-Policy"] == '"link_by_person";q=20;w=3600'
    assert linked.headers["RateLimit"] == '"link_by_person";r=19;t=3600'
    assert "rate_limit" not in linked.json
    services.answers["accounts", "link"] = {"number": "0001"}
    assert "RateLimit" not in browser("POST", "/api/v1/accounts", json={"number": "1"}).headers


def test_validation_of_a_service_keeps_its_pointers_without_its_words(
    browser: Browser, services: FakeServices
) -> None:
    services.answers["identity", "profile"] = ValidationFailed(
        "invalid_request", "x", fields={"lines": {"0": {"amount": ["Not a valid integer."]}}}
    )
    errors = browser("GET", ME).json["errors"]
    assert errors == [
        {
            "pointer": "#/lines/0/amount",
            "code": "field_refused",
            "detail": FIELDS["field_refused"]["ru"],
        }
    ]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, {"#/lines": "field_required"}),
        ({"lines": []}, {"#/lines": "field_length"}),
        ({"lines": "x"}, {"#/lines": "field_list"}),
        ({"lines": [7]}, {"#/lines/0": "field_object"}),
        ([], {"#": "field_object"}),
        (
            {"lines": [{"account": "", "amount": "5", "penalty": True, "a/b": 1}]},
            {
                "#/lines/0/account": "field_account",
                "#/lines/0/amount": "field_integer",
                "#/lines/0/penalty": "field_integer",
                "#/lines/0/a~1b": "field_unknown",
            },
        ),
        (
            {"lines": [{"account": "1", "amount": -1, "penalty": 1.5}]},
            {"#/lines/0/amount": "field_range", "#/lines/0/penalty": "field_integer"},
        ),
        (
            {"lines": [{"account": "1\u0000", "amount": None, "penalty": 10**14}]},
            {
                "#/lines/0/account": "field_characters",
                "#/lines/0/amount": "field_required",
                "#/lines/0/penalty": "field_range",
            },
        ),
    ],
)
def test_every_invalid_field_has_its_pointer(
    browser: Browser, services: FakeServices, body: Any, expected: dict[str, str]
) -> None:
    response = browser("POST", "/api/v1/payments", json=body, headers={"Idempotency-Key": "k"})
    assert response.status_code == 422
    assert {e["pointer"]: e["code"] for e in response.json["errors"]} == expected
    assert [call[1] for call in services.calls] == ["authenticate"]


@pytest.mark.parametrize("limit", ["0", "101", "-1", "5.5", "ten", " 7", "1_0"])
def test_invalid_query_is_refused(browser: Browser, limit: str) -> None:
    response = browser("GET", f"/api/v1/payments?limit={limit}")
    assert (response.status_code, response.json["errors"][0]["parameter"]) == (422, "limit")


def test_unknown_and_repeated_parameters_are_refused(browser: Browser) -> None:
    assert browser("GET", f"{ME}?verbose=1").json["errors"][0]["code"] == "field_unknown"
    assert browser("GET", "/api/v1/payments?limit=1&limit=2").json["code"] == "parameter_repeated"


def test_the_log_of_an_unexpected_error_has_no_token_of_a_path() -> None:
    token = "q3Vb9LrX0w2mT5cYbKq1Zd7uNf4hSg6aPo8eWi2VtJk"
    request = EnvironBuilder(path=f"/log-in/{token}").get_request()

    def fail() -> Response:
        raise RuntimeError("unexpected")

    with capture_logs() as logged:
        assert guarded("/log-in/{token}", request, fail).status_code == 500
    failed = [entry["route"] for entry in logged if entry["event"] == "route_failed"]
    assert failed == ["/log-in/{token}"]
    assert token not in str(logged)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b'{"email": NaN}', b"\xff\xfe", b"[" * 30000, b'{"email": ' + b"9" * 5000 + b"}",
    ],
)  # fmt: skip
def test_a_body_that_is_not_json_is_refused(browser: Browser, body: bytes) -> None:
    response = browser(
        "POST", "/api/v1/password-resets", data=body, content_type="application/json"
    )
    assert (response.status_code, response.json["code"]) == (400, "malformed_json")


def test_a_lone_surrogate_is_refused(browser: Browser) -> None:
    response = browser(
        "POST",
        "/api/v1/password-resets",
        data=b'{"email": "a\\ud800@b.ru"}',
        content_type="application/json",
    )
    assert response.json["errors"][0]["code"] == "field_characters"


def test_only_json_bodies_are_accepted(browser: Browser) -> None:
    response = browser("POST", "/api/v1/password-resets", data={"email": "a@b.ru"})
    assert (response.status_code, response.json["code"]) == (415, "body_not_json")
    unexpected = browser("POST", f"/api/v1/registrations/{THING}/code", json={"code": "1"})
    assert unexpected.json["code"] == "body_unexpected"


def test_a_body_above_the_limit_is_refused_before_any_service_is_asked(
    browser: Browser, services: FakeServices
) -> None:
    body = json.dumps({"email": "x" * MAX_BODY_BYTES})
    response = browser(
        "POST", "/api/v1/password-resets", data=body, content_type="application/json"
    )
    assert (response.status_code, response.json["code"]) == (413, "body_too_large")
    assert services.calls == []


def test_unknown_paths_and_methods_are_problems(browser: Browser) -> None:
    missing = browser("GET", "/api/v1/nothing")
    assert (missing.status_code, missing.json["code"]) == (404, "path_not_found")
    wrong = browser("DELETE", ME)
    assert (wrong.status_code, wrong.json["code"]) == (405, "method_not_allowed")
    assert wrong.headers["Allow"] == "GET, HEAD, PATCH"
    assert browser("GET", "/api/v1/payments/not-a-uuid").status_code == 404


def test_consents_are_passed_on_unchanged(browser: Browser, services: FakeServices) -> None:
    services.answers["identity", "confirm_registration"] = ValidationFailed(
        "rules_not_accepted", "x"
    )
    path = f"/api/v1/registrations/{THING}/confirm"
    body = {"code": "1", "accept_rules": False, "consent_personal_data": True}
    assert "галочка" in browser("POST", path, json=body).json["title"]
    wrong = browser("POST", path, json={**body, "accept_rules": 1})
    assert wrong.json["errors"][0]["code"] == "field_boolean"


def test_missing_session_is_401_with_a_challenge(browser: Browser, services: FakeServices) -> None:
    for headers in ({}, {"Authorization": "Basic eDp5"}, {"Authorization": "Bearer "}):
        response = browser("GET", ME, token=None, headers=headers)
        assert (response.status_code, response.json["code"]) == (401, "not_signed_in")
        assert response.headers["WWW-Authenticate"].startswith("Bearer")
    assert services.calls == []
    services.answers["identity", "authenticate"] = Forbidden("session_expired", "x")
    assert browser("GET", ME).status_code == 401
    services.answers["identity", "authenticate"] = Unavailable("service_unavailable", "x")
    assert browser("GET", ME).status_code == 503


def test_temporary_password_allows_only_its_change(
    browser: Browser, services: FakeServices
) -> None:
    services.sign_in(must_change_password=True)
    services.answers["identity", "change_password"] = {}
    services.answers["identity", "end_session"] = {}
    own = services.answers["identity", "authenticate"]["session_id"]

    for method, path in (("GET", ME), ("GET", "/api/v1/accounts"), ("GET", "/api/v1/sessions")):
        response = browser(method, path)
        assert (response.status_code, response.json["code"]) == (403, "password_change_required")
    other_session = browser("DELETE", f"/api/v1/sessions/{PERSON}")
    assert other_session.json["code"] == "password_change_required"

    body = {"current_password": "a", "new_password": "b"}
    assert browser("PUT", f"{ME}/password", json=body).status_code == 200
    assert browser("DELETE", f"/api/v1/sessions/{own}").status_code == 204


def test_a_required_factor_allows_only_its_setup(browser: Browser, services: FakeServices) -> None:
    services.sign_in(must_add_factor=True)
    services.answers["identity", "end_session"] = {}
    services.answers["identity", "second_factors"] = {
        "passkeys": [],
        "totp": None,
        "recovery_codes": None,
    }
    for path in (ME, "/api/v1/accounts", f"{ME}/security-log"):
        response = browser("GET", path)
        assert response.status_code == 403
        assert response.json["code"] == "second_factor_setup_required"
    assert browser("GET", f"{ME}/second-factors").status_code == 200
    own = services.answers["identity", "authenticate"]["session_id"]
    assert browser("DELETE", f"/api/v1/sessions/{own}").status_code == 204


def test_new_rules_allow_only_their_acceptance(browser: Browser, services: FakeServices) -> None:
    due = [{"kind": "rules", "accepted": "2026-11-01", "version": "2026-12-01"}]
    services.sign_in(must_accept=due)
    for method in ("accept_documents", "change_password", "end_session"):
        services.answers["identity", method] = {}

    for method, path in (("GET", ME), ("GET", "/api/v1/accounts"), ("GET", "/api/v1/sessions")):
        response = browser(method, path)
        assert (response.status_code, response.json["code"]) == (403, "acceptance_required")
        assert response.json["params"] == {"documents": due}

    own = services.answers["identity", "authenticate"]["session_id"]
    body = {"current_password": "a", "new_password": "b"}
    assert browser("PUT", f"{ME}/password", json=body).status_code == 200
    assert browser("DELETE", f"/api/v1/sessions/{own}").status_code == 204
    nothing = browser("POST", f"{ME}/acceptances", json={"documents": []})
    assert nothing.json["errors"][0]["pointer"] == "#/documents"
    seen = [{"kind": "rules", "version": "2026-12-01"}]
    accepted = browser("POST", f"{ME}/acceptances", json={"documents": seen})
    assert accepted.status_code == 200


def test_a_temporary_password_is_changed_before_new_rules_are_accepted(
    browser: Browser, services: FakeServices
) -> None:
    due = [{"kind": "rules", "accepted": "2026-11-01", "version": "2026-12-01"}]
    services.sign_in(must_change_password=True, must_accept=due)
    for method, path in (("GET", ME), ("POST", f"{ME}/acceptances")):
        response = browser(method, path, json={"documents": []})
        assert (response.status_code, response.json["code"]) == (403, "password_change_required")


@pytest.mark.parametrize("texts", [CATALOGUE, KINDS, NOTICES])
def test_every_text_has_a_cause_and_a_next_step(texts: Any) -> None:
    for code, by_language in texts.items():
        assert set(by_language) == {"ru", "en"}, code
        for text in by_language.values():
            assert text.count(". ") >= 1, code
            assert text.endswith("."), code
