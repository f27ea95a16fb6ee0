"""Routes that ask one service: the request, the call, the response."""

from __future__ import annotations

import pkgutil
import re
from importlib import import_module
from typing import Any

import pytest
from gateway_doubles import LINK_TOKEN, PERSON, SESSION, THING, Browser, FakeServices
from gateway_samples import (
    ACCOUNT,
    FISCAL_RECEIPTS,
    PAYMENT,
    PROFILE,
    QUESTION,
    SESSION_ROW,
    SIGNED_IN,
    TOPIC,
)
from second_factor_rows import SECOND_FACTOR

from gateway import routes
from gateway.openapi import operations_of
from gateway.service import Gateway
from shared.errors import Forbidden

WHEN = "2026-05-14T09:30:00+00:00"
SHOWN_ACCOUNT = {name: value for name, value in ACCOUNT.items() if name != "account"}
SHOWN_PAYMENT = {
    **PAYMENT,
    "lines": [
        {name: value for name, value in line.items() if name != "key"} for line in PAYMENT["lines"]
    ],
}
"""An account and a payment without the account's key, which never leaves the services."""

REGISTRATION = {"person_type": "individual", "email": "a@b.ru", "organisation": None}


ASKED = {
    "question_id": THING,
    "number": 7,
    "department": "b",
    "department_title": "Отдел",
    "due_on": "2026-05-28",
}
CONFIRMATION = {"code": "123456", "accept_rules": True, "consent_personal_data": False}
FROM_HERE = {"person_id": PERSON, "ip": "127.0.0.1"}
RENEWED = {"token": "t2", "expires_at": "2026-06-14T09:30:00+00:00"}
UNNAMED = {"rules_version": None, "consent_version": None}


# method, path, body, service, RPC, arguments of the RPC, its result, status, answer
PLAIN: list[tuple[Any, ...]] = [
    (
        "POST", "/registrations", {"person_type": "individual", "email": " a@b.ru "},
        "identity", "start_registration", {**REGISTRATION, "language": "ru", "ip": "127.0.0.1"},
        {"registration_id": THING}, 202, {"registration_id": THING},
    ),
    (
        "POST", "/registrations", {**REGISTRATION, "language": "en"},
        "identity", "start_registration", {**REGISTRATION, "language": "en", "ip": "127.0.0.1"},
        {"registration_id": THING}, 202, {"registration_id": THING},
    ),
    (
        "POST", f"/registrations/{THING}/code", None,
        "identity", "resend_code", {"registration_id": THING, "ip": "127.0.0.1"}, {}, 202,
        {"registration_id": THING},
    ),
    (
        "PATCH", f"/registrations/{THING}", {"email": "a@b.ru"},
        "identity", "correct_email",
        {"registration_id": THING, "email": "a@b.ru", "ip": "127.0.0.1"}, {}, 202,
        {"registration_id": THING},
    ),
    (
        "POST", f"/registrations/{THING}/confirm", CONFIRMATION,
        "identity", "confirm_registration",
        {**CONFIRMATION, **UNNAMED, "registration_id": THING, "ip": "127.0.0.1"},
        {"status": "confirmed"}, 201, {"status": "confirmed"},
    ),
    (
        "POST", "/me/acceptances", {"documents": [{"kind": "rules", "version": "2026-12-01"}]},
        "identity", "accept_documents",
        {**UNNAMED, "rules_version": "2026-12-01", "person_id": PERSON, "ip": "127.0.0.1"},
        {}, 200, None,
    ),
    (
        "POST", "/sessions", {"email": "a@b.ru", "password": " p ", "device": "Телефон"},
        "identity", "sign_in",
        {
            "email": "a@b.ru",
            "password": " p ",
            "device": "Телефон",
            "device_token": None,
            "ip": "127.0.0.1",
        },
        SIGNED_IN, 201, SIGNED_IN,
    ),
    (
        "POST", "/sessions/by-link", {"token": "l", "device": "Телефон", "device_token": "d"},
        "identity", "sign_in_by_link",
        {"token": "l", "device": "Телефон", "device_token": "d", "ip": "127.0.0.1"},
        SIGNED_IN, 201, SIGNED_IN,
    ),
    (
        "DELETE", "/sessions", None, "identity", "end_other_sessions",
        {"person_id": PERSON, "session_id": SESSION}, {}, 204, None,
    ),
    (
        "GET", "/sessions", None, "identity", "sessions", FROM_HERE,
        {"sessions": [SESSION_ROW]}, 200, {"sessions": [{**SESSION_ROW, "current": True}]},
    ),
    (
        "GET", f"/sessions/{SESSION}", None, "identity", "sessions", FROM_HERE,
        {"sessions": [SESSION_ROW]}, 200, {**SESSION_ROW, "current": True},
    ),
    (
        "DELETE", f"/sessions/{THING}", None,
        "identity", "end_session",
        {"person_id": PERSON, "session_id": THING, "by_session_id": SESSION}, {}, 204, None,
    ),
    (
        "PUT", "/me/password", {"current_password": "a", "new_password": "b"},
        "identity", "change_password",
        {
            "person_id": PERSON,
            "session_id": SESSION,
            "current_password": "a",
            "new_password": "b",
        },
        RENEWED, 200, RENEWED,
    ),
    (
        "GET", "/me/data", None, "identity", "held_about", {"person_id": PERSON},
        {"accounts": {"linked": []}}, 200,
        {"person_id": PERSON, "held": {"accounts": {"linked": []}}},
    ),
    (
        "POST", "/me/erasure", {"current_password": "a"}, "identity", "withdraw_consent",
        {"person_id": PERSON, "session_id": SESSION, "password": "a"},
        {"person_id": PERSON, "erased": True}, 200, None,
    ),
    ("GET", "/me", None, "identity", "profile", {"person_id": PERSON}, PROFILE, 200, PROFILE),
    (
        "POST", "/password-resets", {"email": "a@b.ru"},
        "identity", "request_password_reset",
        {"email": "a@b.ru", "device_token": None, "ip": "127.0.0.1"},
        {}, 202, None,
    ),
    (
        "POST", "/password-resets/confirm", {"token": LINK_TOKEN, "new_password": "b"},
        "identity", "confirm_password_reset",
        {"token": LINK_TOKEN, "new_password": "b", "ip": "127.0.0.1"}, {}, 200, None,
    ),
    (
        "GET", "/me/email-change", None,
        "identity", "pending_email_change", {"person_id": PERSON}, {"pending": None}, 200,
        {"pending": None},
    ),
    (
        "POST", "/me/email-change", {"email": "a@b.ru", "current_password": "b"},
        "identity", "request_email_change",
        {
            "person_id": PERSON, "session_id": SESSION, "email": "a@b.ru",
            "current_password": "b", "number": None, "proof": None, "ip": "127.0.0.1",
        },
        {"due_at": None}, 202, {"due_at": None},
    ),
    (
        "DELETE", "/me/email-change", None,
        "identity", "cancel_email_change", {"person_id": PERSON}, {}, 200, None,
    ),
    (
        "POST", "/email-changes/confirm", {"token": LINK_TOKEN},
        "identity", "confirm_email_change", {"token": LINK_TOKEN, "ip": "127.0.0.1"},
        {"status": "waits_for_old", "due_at": None}, 200,
        {"status": "waits_for_old", "due_at": None},
    ),
    (
        "POST", "/email-changes/refuse", {"token": LINK_TOKEN},
        "identity", "refuse_email_change", {"token": LINK_TOKEN, "ip": "127.0.0.1"}, {}, 200, None,
    ),
    (
        "POST", "/accounts/lookup", {"number": " 0001 "},
        "accounts", "lookup", {"person_id": PERSON, "number": "0001", "ip": "127.0.0.1"},
        {"number": "0001", "address": "а", "holder": "И", "linked": False, "debt": 1},
        200, {"number": "0001", "address": "а", "holder": "И", "linked": False},
    ),
    (
        "GET", "/accounts", None, "accounts", "linked", {"person_id": PERSON},
        {"accounts": [ACCOUNT]}, 200, {"accounts": [SHOWN_ACCOUNT]},
    ),
    (
        "POST", "/accounts", {"number": "0001", "proof": "4500,00"},
        "accounts", "link",
        {"person_id": PERSON, "number": "0001", "proof": "4500,00", "ip": "127.0.0.1"},
        {"number": "0001"}, 201, {"number": "0001"},
    ),
    (
        "POST", "/accounts/0001/invitations", {"email": "a@b.ru", "role": "viewer"},
        "accounts", "invite",
        {"person_id": PERSON, "number": "0001", "email": "a@b.ru", "role": "viewer"},
        {"access_id": THING, "number": "0001", "role": "viewer", "expires_at": WHEN},
        202, {"access_id": THING, "number": "0001", "role": "viewer", "expires_at": WHEN},
    ),
    (
        "DELETE", f"/accounts/0001/access/{THING}", None,
        "accounts", "withdraw",
        {"person_id": PERSON, "number": "0001", "access_id": THING}, {}, 204, None,
    ),
    (
        "POST", "/invitations/accept", {"token": "QUJD"},
        "accounts", "accept_invitation", {"person_id": PERSON, "token": "QUJD"},
        {"number": "0001", "role": "viewer"}, 201, {"number": "0001", "role": "viewer"},
    ),
    (
        "GET", "/accounts/0001", None, "accounts", "linked", {"person_id": PERSON},
        {"accounts": [ACCOUNT]}, 200, SHOWN_ACCOUNT,
    ),
    (
        "DELETE", "/accounts/0001", None,
        "accounts", "unlink", {"person_id": PERSON, "number": "0001"}, {}, 204, None,
    ),
    (
        "GET", f"/payments/{THING}?refresh=true", None,
        "payments", "payment", {"person_id": PERSON, "payment_id": THING, "refresh": True},
        PAYMENT, 200, SHOWN_PAYMENT,
    ),
    (
        "GET", f"/payments/{THING}/faster-payment", None,
        "payments", "faster_payment", {"person_id": PERSON, "payment_id": THING},
        {"payload": "https://qr.example/1"}, 200, {"payload": "https://qr.example/1"},
    ),
    (
        "GET", f"/payments/{THING}/fiscal-receipts", None,
        "payments", "fiscal_receipts", {"person_id": PERSON, "payment_id": THING},
        FISCAL_RECEIPTS, 200, FISCAL_RECEIPTS,
    ),
    (
        "GET", "/questions/topics", None, "helpdesk", "topics", {},
        {"topics": [TOPIC]},
        200, {"topics": [TOPIC]},
    ),
    (
        "POST", "/questions", {"topic": "charges", "text": "Почему?"},
        "helpdesk", "ask",
        {
            "person_id": PERSON, "topic": "charges", "account": None, "text": "Почему?",
            "attachments": [], "line": None,
        },
        ASKED, 201, ASKED,
    ),
    (
        "GET", "/questions", None, "helpdesk", "questions", {"person_id": PERSON},
        {"questions": [QUESTION]}, 200, {"questions": [QUESTION]},
    ),
    (
        "GET", f"/questions/{THING}", None,
        "helpdesk", "question", {"person_id": PERSON, "question_id": THING},
        {**QUESTION, "dispute": None, "messages": []},
        200, {**QUESTION, "dispute": None, "messages": []},
    ),
    (
        "PUT", f"/questions/{THING}/read", {"messages": 2},
        "helpdesk", "note_read",
        {"person_id": PERSON, "question_id": THING, "messages": 2}, {"unread": 1}, 200,
        {"unread": 1},
    ),
    (
        "POST", f"/questions/{THING}/messages", {"text": "Ещё"},
        "helpdesk", "add_message",
        {
            "person_id": PERSON, "question_id": THING, "text": "Ещё", "attachments": [],
            "disputes": False,
        },
        {}, 201,
        {"question_id": THING},
    ),
]  # fmt: skip
PLAIN += SECOND_FACTOR


@pytest.mark.parametrize("row", PLAIN, ids=[f"{row[0]} {row[1]}" for row in PLAIN])
def test_a_plain_route_asks_one_service(
    browser: Browser, services: FakeServices, row: tuple[Any, ...]
) -> None:
    method, path, body, service, rpc, arguments, result, status, answer = row
    services.answers[service, rpc] = result
    sent = {} if body is None else {"json": body}

    response = browser(method, f"/api/v1{path}", **sent)

    assert response.status_code == status
    answered = response.get_json(silent=True) or {}
    message = answered.pop("message", "Done. No notice")
    assert answered == (answer or {})
    assert ". " in message
    assert services.calls[-1] == (service, rpc, arguments)
    assert (services.command_ids[-1] is None) == (method == "GET")


@pytest.mark.parametrize(("accepted", "language"), [("en-GB,en;q=0.9", "en"), ("de", "ru")])
def test_letters_of_a_registration_are_in_the_language_of_the_client(
    browser: Browser, services: FakeServices, accepted: str, language: str
) -> None:
    services.answers["identity", "start_registration"] = {"registration_id": THING}
    started = browser(
        "POST",
        "/api/v1/registrations",
        json={"person_type": "individual", "email": "a@b.ru"},
        headers={"Accept-Language": accepted},
    )
    assert started.status_code == 202
    assert services.calls[-1][2]["language"] == language


def test_pages_show_no_data_before_log_in(browser: Browser, services: FakeServices) -> None:
    services.answers["identity", "authenticate"] = Forbidden("not_signed_in", "x")
    page = browser("GET", "/", token=None)
    assert page.status_code == 200
    assert page.content_type == "text/html; charset=utf-8"
    assert "личный кабинет" in page.text
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]

    back = browser("GET", f"/payments/{THING}?orderId=1", token=None)
    assert back.status_code == 303
    assert back.headers["Location"] == f"/?next=%2Fpayments%2F{THING}%3ForderId%3D1"
    assert [method for _, method, _ in services.calls if method == "payment"] == []


def test_what_was_created_is_where_the_location_says(
    browser: Browser, services: FakeServices
) -> None:
    services.answers["accounts", "link"] = {"number": "0001"}
    services.answers["accounts", "linked"] = {"accounts": [ACCOUNT]}
    linked = browser("POST", "/api/v1/accounts", json={"number": "0001", "proof": "1"})
    assert linked.status_code == 201
    assert browser("GET", linked.headers["Location"]).json["number"] == "0001"
    assert browser("GET", "/api/v1/accounts/0002").json["code"] == "account_not_linked"

    services.answers["identity", "sign_in"] = SIGNED_IN
    services.answers["identity", "sessions"] = {"sessions": [SESSION_ROW]}
    signed_in = browser("POST", "/api/v1/sessions", json={"email": "a@b.ru", "password": "p"})
    assert browser("GET", signed_in.headers["Location"]).json["session_id"] == SESSION
    assert browser("GET", f"/api/v1/sessions/{THING}").json["code"] == "session_not_found"


def test_session_of_a_temporary_password_is_the_only_one_that_it_sees(
    browser: Browser, services: FakeServices
) -> None:
    services.sign_in(must_change_password=True)
    services.answers["identity", "sessions"] = {"sessions": [SESSION_ROW]}
    assert browser("GET", f"/api/v1/sessions/{SESSION}").status_code == 200
    refused = browser("GET", f"/api/v1/sessions/{THING}")
    assert refused.json["code"] == "password_change_required"


def test_document_that_the_client_has_is_not_sent_again(
    browser: Browser, services: FakeServices
) -> None:
    document = {
        "kind": "rules",
        "version": "1",
        "title": "Правила",
        "media_type": "text/markdown",
        "text": "Текст",
    }
    services.answers["identity", "document"] = document
    path, headers = "/api/v1/documents/rules", {"Accept": "application/json"}
    first = browser("GET", path, headers=headers)
    known = {"If-None-Match": first.headers["ETag"]}
    again = browser("GET", path, headers={**headers, **known})
    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    assert again.headers["Cache-Control"] == "no-cache"
    as_file = browser("GET", path, headers=known)
    assert (as_file.status_code, as_file.text) == (200, "Текст")
    services.answers["identity", "document"] = {**document, "text": "Другой"}
    assert browser("GET", path, headers={**headers, **known}).status_code == 200
    assert browser("GET", "/api/v1/openapi.json").headers["ETag"]


def test_every_class_of_routes_is_part_of_the_gateway() -> None:
    modules = [
        import_module(f"{routes.__name__}.{found.name}")
        for found in pkgutil.iter_modules(routes.__path__)
    ]
    classes = {
        member
        for module in modules
        for name, member in vars(module).items()
        if name.endswith("Routes")
    }
    assert len(modules) == len(classes)
    assert classes == {base for base in Gateway.__bases__ if base.__name__.endswith("Routes")}


def test_every_operation_has_a_test() -> None:
    tested = {
        (row[0], re.sub(f"{THING}|{SESSION}|0001", "{}", row[1].split("?")[0])) for row in PLAIN
    }
    elsewhere = {
        "access_list", "preview_invitation",
        "letters", "choose_letters", "subscription", "unsubscribe",
        "update_profile", "document", "due", "start_payment", "history", "statement", "balance",
        "penalty", "months", "all_charges", "receipt", "acquirer_callback_by_query", "openapi",
        "acquirer_callback_by_form", "named_acquirer_callback_by_query",
        "named_acquirer_callback_by_form", "alive", "ready", "metrics", "verify_proof",
        "verifier_keys", "last_checkpoint", "bill", "bill_file", "statements", "events", "epochs",
        "reconciliation_file", "debt", "certificate_file", "history_file", "attachment",
        "send_attachment", "disputes",
    }  # fmt: skip
    for name, operation in operations_of(Gateway).items():
        path = operation.template.removeprefix("/api/v1")
        shape = "/".join("{}" if part.startswith("{") else part for part in path.split("/"))
        assert name in elsewhere or (operation.method, shape) in tested, name
