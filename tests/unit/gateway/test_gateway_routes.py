"""Each route: what it asks of which service, and what it answers."""

from __future__ import annotations

from typing import Any

import pytest
from gateway_doubles import PERSON, SESSION, THING, Browser, PlayedServices

from gateway.openapi import operations
from shared.errors import Forbidden, ValidationFailed

KEY = {"Idempotency-Key": "order-1"}
PAYMENT = {
    "payment_id": THING,
    "state": "completed",
    "total": 451425,
    "lines": [{"account": "0001", "amount": 450000, "penalty": 1425, "posted": True}],
    "created_at": "2026-05-14T09:30:00+00:00",
    "captured_at": "2026-05-14T09:31:00+00:00",
    "masked_card": "411111**1111",
    "failure": None,
}
PROFILE = {
    "person_id": PERSON,
    "person_type": "individual",
    "email": "ivanov@example.org",
    "organisation": None,
    "full_name": None,
    "phone": None,
}
BALANCE = {
    "number": "0001",
    "as_of": None,
    "version": 3,
    "principal": 450000,
    "penalty": 1425,
    "advance": 0,
    "services": [{"service": "heating", "name": "Отопление", "amount": 450000}],
}
ACCOUNT = {
    "number": "0001",
    "address": "ул. Ленина, 5",
    "holder": "Иванов И. И.",
    "residents": 3,
    "total_area": "54.3",
    "linked_at": "2026-05-14T09:30:00+00:00",
}
MONTH = {
    "period": "2026-04",
    "total": 444870,
    "due_on": "2026-05-15",
    "lines": [
        {
            "service": "heating",
            "name": "Отопление",
            "unit": "Гкал",
            "tariff": "2345.678901",
            "volume": "1.918",
            "charged": 450000,
            "recalculation": 0,
            "concession": 0,
            "payable": 450000,
        }
    ],
    "adjustments": [
        {
            "effective_on": "2026-05-20",
            "reason": "Недопоставка отопления",
            "lines": [{"service": "heating", "amount": -5130}],
        }
    ],
}
PENALTY = {
    "number": "0001",
    "on": "2026-12-31",
    "rules": "ru-2026-03",
    "principal": 250000,
    "total": 11963,
    "accrued": 5130,
    "owed": 11963,
    "provisional": True,
    "debts": [
        {
            "period": "2026-03",
            "due_on": "2026-04-15",
            "principal": 450000,
            "unpaid": 250000,
            "total": 5130,
            "segments": [
                {
                    "from": "2026-04-16",
                    "to": "2026-05-15",
                    "days": 30,
                    "base": 450000,
                    "rate": None,
                    "divisor": None,
                    "amount": 0,
                    "reason": "deferment",
                },
                {
                    "from": "2026-05-16",
                    "to": "2026-06-20",
                    "days": 36,
                    "base": 450000,
                    "rate": "9.5",
                    "divisor": 300,
                    "amount": 5130,
                    "reason": "accrual",
                },
            ],
        }
    ],
}
PROOF = {
    "format": "saldo-inclusion-proof-v1",
    "position": 7,
    "index": 6,
    "size": 8,
    "leaf": "bGVhZg==",
    "path": ["aGFzaA=="],
    "checkpoint": "billing.example/ledger\n8\nroot\n\n— billing.example/ledger signature\n",
}
QUESTION = {
    "question_id": THING,
    "topic": "charges",
    "title": "Начисления",
    "title_en": "Charges",
    "number": 7,
    "department": "billing",
    "department_title": "Расчётный отдел",
    "account": None,
    "state": "answered",
    "asked_at": "2026-05-14T09:30:00+00:00",
    "last_message_at": "2026-05-14T10:30:00+00:00",
}
TOPIC = {
    "topic": "charges",
    "title": "Начисления",
    "title_en": "Charges",
    "department": "billing",
}
REGISTRATION = {"person_type": "individual", "email": "a@b.ru", "organisation": None}
CONFIRMATION = {"code": "123456", "accept_rules": True, "consent_personal_data": False}
SIGNED_IN = {
    "token": "t",
    "session_id": SESSION,
    "person_id": PERSON,
    "must_change_password": True,
    "expires_at": "2026-06-14T09:30:00+00:00",
}
SESSION_ROW = {
    "session_id": SESSION,
    "device": "Firefox",
    "created_at": "2026-05-14T09:30:00+00:00",
    "last_seen_at": "2026-05-14T09:30:00+00:00",
}

# method, path, body, service, RPC, arguments of the RPC, its result, status, answer
PLAIN: list[tuple[Any, ...]] = [
    (
        "POST", "/registrations", {"person_type": "individual", "email": " a@b.ru "},
        "identity", "start_registration", {**REGISTRATION, "ip": "127.0.0.1"},
        {"registration_id": THING}, 202, {"registration_id": THING},
    ),
    (
        "POST", f"/registrations/{THING}/code", None,
        "identity", "resend_code", {"registration_id": THING}, {}, 202, {"registration_id": THING},
    ),
    (
        "POST", f"/registrations/{THING}/confirm", CONFIRMATION,
        "identity", "confirm_registration",
        {**CONFIRMATION, "registration_id": THING, "ip": "127.0.0.1"},
        {"status": "confirmed"}, 201, {"status": "confirmed"},
    ),
    (
        "POST", "/sessions", {"email": "a@b.ru", "password": " p ", "device": "Телефон"},
        "identity", "sign_in",
        {"email": "a@b.ru", "password": " p ", "device": "Телефон", "ip": "127.0.0.1"},
        SIGNED_IN, 201, SIGNED_IN,
    ),
    (
        "GET", "/sessions", None, "identity", "sessions", {"person_id": PERSON},
        {"sessions": [SESSION_ROW]}, 200, {"sessions": [{**SESSION_ROW, "current": True}]},
    ),
    (
        "DELETE", f"/sessions/{THING}", None,
        "identity", "end_session", {"person_id": PERSON, "session_id": THING}, {}, 204, None,
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
        {}, 200, None,
    ),
    ("GET", "/me", None, "identity", "profile", {"person_id": PERSON}, PROFILE, 200, PROFILE),
    (
        "POST", "/password-resets", {"email": "a@b.ru"},
        "identity", "request_password_reset", {"email": "a@b.ru", "ip": "127.0.0.1"},
        {"reset_id": THING}, 202, {"reset_id": THING},
    ),
    (
        "POST", f"/password-resets/{THING}/confirm", {"code": "1", "new_password": "b"},
        "identity", "confirm_password_reset",
        {"reset_id": THING, "code": "1", "new_password": "b"}, {}, 200, None,
    ),
    (
        "POST", "/accounts/lookup", {"number": " 0001 "},
        "accounts", "lookup", {"person_id": PERSON, "number": "0001"},
        {"number": "0001", "address": "а", "holder": "И", "linked": False, "debt": 1},
        200, {"number": "0001", "address": "а", "holder": "И", "linked": False},
    ),
    (
        "GET", "/accounts", None, "accounts", "linked", {"person_id": PERSON},
        {"accounts": [ACCOUNT]}, 200, {"accounts": [ACCOUNT]},
    ),
    (
        "POST", "/accounts", {"number": "0001", "proof": "4500,00"},
        "accounts", "link", {"person_id": PERSON, "number": "0001", "proof": "4500,00"},
        {"number": "0001"}, 201, {"number": "0001"},
    ),
    (
        "DELETE", "/accounts/0001", None,
        "accounts", "unlink", {"person_id": PERSON, "number": "0001"}, {}, 204, None,
    ),
    (
        "GET", f"/payments/{THING}?refresh=true", None,
        "payments", "payment", {"person_id": PERSON, "payment_id": THING, "refresh": True},
        PAYMENT, 200, PAYMENT,
    ),
    (
        "GET", "/questions/topics", None, "helpdesk", "topics", {},
        {"topics": [TOPIC]},
        200, {"topics": [TOPIC]},
    ),
    (
        "POST", "/questions", {"topic": "charges", "text": "Почему?"},
        "helpdesk", "ask",
        {"person_id": PERSON, "topic": "charges", "account": None, "text": "Почему?"},
        {"question_id": THING, "number": 7, "department": "b", "department_title": "Отдел"},
        201, {"question_id": THING, "number": 7, "department": "b", "department_title": "Отдел"},
    ),
    (
        "GET", "/questions", None, "helpdesk", "questions", {"person_id": PERSON},
        {"questions": [QUESTION]}, 200, {"questions": [QUESTION]},
    ),
    (
        "GET", f"/questions/{THING}", None,
        "helpdesk", "question", {"person_id": PERSON, "question_id": THING},
        {**QUESTION, "messages": []},
        200, {**QUESTION, "messages": []},
    ),
    (
        "POST", f"/questions/{THING}/messages", {"text": "Ещё"},
        "helpdesk", "add_message",
        {"person_id": PERSON, "question_id": THING, "text": "Ещё"}, {}, 201,
        {"question_id": THING},
    ),
]  # fmt: skip


@pytest.mark.parametrize("row", PLAIN, ids=[f"{row[0]} {row[1]}" for row in PLAIN])
def test_a_plain_route_asks_one_service(
    browser: Browser, services: PlayedServices, row: tuple[Any, ...]
) -> None:
    method, path, body, service, rpc, arguments, result, status, answer = row
    services.answers[service, rpc] = result
    sent = {} if body is None else {"json": body}

    response = browser(method, f"/api/v1{path}", **sent)

    assert response.status_code == status
    answered = response.get_json(silent=True) or {}
    told = answered.pop("message", "Done. No notice")
    assert answered == (answer or {})
    assert ". " in told
    assert services.calls[-1] == (service, rpc, arguments)
    assert (services.command_ids[-1] is None) == (method == "GET")


def test_a_profile_is_changed_and_read_again(browser: Browser, services: PlayedServices) -> None:
    services.answers["identity", "update_profile"] = {}
    services.answers["identity", "profile"] = {**PROFILE, "phone": "+79161234567"}

    response = browser("PATCH", "/api/v1/me", json={"phone": "+79161234567"})

    assert response.json["phone"] == "+79161234567"
    changed = {"person_id": PERSON, "full_name": None, "phone": "+79161234567"}
    assert ("identity", "update_profile", changed) in services.calls


def test_the_device_is_the_user_agent_when_nothing_else_is_said(
    browser: Browser, services: PlayedServices
) -> None:
    services.answers["identity", "sign_in"] = SIGNED_IN
    browser(
        "POST",
        "/api/v1/sessions",
        json={"email": "a@b.ru", "password": "p"},
        headers={"User-Agent": "Firefox " + "x" * 500},
    )
    assert services.calls[-1][2]["device"] == ("Firefox " + "x" * 500)[:200]


def test_a_document_is_a_file_unless_json_is_asked_for(
    browser: Browser, services: PlayedServices
) -> None:
    document = {
        "kind": "rules",
        "version": "2025-09-01",
        "title": "Правила",
        "media_type": "text/markdown",
        "text": "# Правила\n",
    }
    services.answers["identity", "document"] = document

    file = browser("GET", "/api/v1/documents/rules?version=2025-09-01", token=None)
    assert file.text == "# Правила\n"
    assert file.content_type == "text/markdown; charset=utf-8"
    assert 'attachment; filename="rules-2025-09-01.md"' in file.headers["Content-Disposition"]

    as_json = browser(
        "GET", "/api/v1/documents/rules", token=None, headers={"Accept": "application/json"}
    )
    assert as_json.json == document
    assert browser("GET", "/api/v1/documents/secrets", token=None).status_code == 404


def test_what_is_due_counts_the_advance_and_leaves_accounts_without_balance_at_zero(
    browser: Browser, services: PlayedServices
) -> None:
    numbers = ["0001", "0002", "0003"]
    linked = [{**ACCOUNT, "number": number} for number in numbers]
    services.answers["accounts", "linked"] = {"accounts": linked}
    services.answers["ledger", "balances"] = {
        "balances": [
            BALANCE,
            {**BALANCE, "number": "0002", "principal": 100, "penalty": 0, "advance": 250},
        ]
    }

    due = browser("GET", "/api/v1/payments/due").json

    assert services.calls[-1] == ("ledger", "balances", {"numbers": numbers})
    assert [line["total"] for line in due["accounts"]] == [451425, 0, 0]
    assert due["accounts"][0]["amount"] == 450000
    assert due["accounts"][0]["penalty"] == 1425
    assert due["total"] == 451425


def test_a_payment_needs_a_key_and_freezes_its_command_id(
    browser: Browser, services: PlayedServices
) -> None:
    services.answers["payments", "start"] = {
        "payment_id": THING,
        "total": 100,
        "redirect_url": "https://acquirer.example/pay",
        "state": "awaiting_payment",
    }
    body = {"lines": [{"account": " 0001 ", "amount": 100, "penalty": 0}]}

    refused = browser("POST", "/api/v1/payments", json=body)
    assert (refused.status_code, refused.json["code"]) == (400, "idempotency_key_required")
    assert refused.json["errors"][0]["header"] == "Idempotency-Key"

    first = browser("POST", "/api/v1/payments", json=body, headers=KEY)
    again = browser("POST", "/api/v1/payments", json=body, headers=KEY)
    other = browser("POST", "/api/v1/payments", json=body, headers={"Idempotency-Key": "order-2"})

    assert first.status_code == again.status_code == other.status_code == 201
    assert first.headers["Location"] == f"/api/v1/payments/{THING}"
    ids = [
        command_id
        for command_id, call in zip(services.command_ids, services.calls, strict=True)
        if call[1] == "start"
    ]
    assert ids[0] == ids[1] != ids[2]
    lines = [{"account": "0001", "amount": 100, "penalty": 0}]
    assert services.calls[-1] == ("payments", "start", {"person_id": PERSON, "lines": lines})


@pytest.mark.parametrize("key", ["x" * 201, "a\tb"])
def test_a_key_out_of_bounds_is_refused(browser: Browser, key: str) -> None:
    response = browser("POST", "/api/v1/payments", json={}, headers={"Idempotency-Key": key})
    assert response.json["code"] == "idempotency_key_invalid"


def test_pages_go_on_by_opaque_cursors(browser: Browser, services: PlayedServices) -> None:
    services.answers["payments", "history"] = {"payments": [PAYMENT], "next": "cDEy"}
    cursor = browser("GET", "/api/v1/payments?limit=1").json["next"]
    browser("GET", f"/api/v1/payments?limit=1&before={cursor}")
    asked = {"person_id": PERSON, "before": "cDEy", "limit": 1}
    assert services.calls[-1] == ("payments", "history", asked)

    services.answers["accounts", "owns"] = {"owned": ["0001"], "foreign": []}
    services.answers["ledger", "statement"] = {"movements": [], "next": None}
    stray = browser("GET", f"/api/v1/accounts/0001/statement?after={cursor}")
    assert (stray.status_code, stray.json["code"]) == (400, "invalid_cursor")
    assert browser("GET", "/api/v1/accounts/0001/statement").json == {
        "movements": [],
        "next": None,
    }


@pytest.mark.parametrize("path", ["balance", "charges", "penalty", "statement"])
def test_a_strangers_account_is_not_found(
    browser: Browser, services: PlayedServices, path: str
) -> None:
    services.answers["accounts", "owns"] = {"owned": [], "foreign": ["0009"]}
    response = browser("GET", f"/api/v1/accounts/0009/{path}")
    assert (response.status_code, response.json["code"]) == (404, "account_not_linked")
    assert [call[0] for call in services.calls] == ["identity", "accounts"]


def test_an_own_accounts_balance_is_answered(browser: Browser, services: PlayedServices) -> None:
    services.answers["accounts", "owns"] = {"owned": ["0001"], "foreign": []}
    services.answers["ledger", "balance"] = BALANCE
    response = browser("GET", "/api/v1/accounts/0001/balance?as_of=2026-05-15")
    assert response.json == BALANCE
    assert services.calls[-1][2] == {"number": "0001", "as_of": "2026-05-15"}


@pytest.mark.parametrize(
    ("query", "on"),
    [("", None), ("?on=2026-06-20", "2026-06-20"), ("?on=2028-02-29", "2028-02-29")],
)
def test_an_own_accounts_penalty_is_explained_also_for_a_day_to_come(
    browser: Browser, services: PlayedServices, query: str, on: str | None
) -> None:
    services.answers["accounts", "owns"] = {"owned": ["0001"], "foreign": []}
    services.answers["ledger", "penalty"] = PENALTY
    assert browser("GET", f"/api/v1/accounts/0001/penalty{query}").json == PENALTY
    assert services.calls[-1] == ("ledger", "penalty", {"number": "0001", "on": on})


@pytest.mark.parametrize(
    "on", ["2026-02-30", "tomorrow", "", "20261231", "2026-W53-4", "2026-12-31T00:00:00%2B03:00"]
)
def test_a_day_is_written_in_one_way(browser: Browser, services: PlayedServices, on: str) -> None:
    services.answers["accounts", "owns"] = {"owned": ["0001"], "foreign": []}
    response = browser("GET", f"/api/v1/accounts/0001/penalty?on={on}")
    assert response.status_code == 422
    (error,) = response.json["errors"]
    assert (error["parameter"], error["code"]) == ("on", "field_date")
    assert ("ledger", "penalty") not in [call[:2] for call in services.calls]


def test_a_day_beyond_reckoning_is_refused_by_the_ledger(
    browser: Browser, services: PlayedServices
) -> None:
    services.answers["accounts", "owns"] = {"owned": ["0001"], "foreign": []}
    services.answers["ledger", "penalty"] = ValidationFailed("invalid_day", "x")
    response = browser("GET", "/api/v1/accounts/0001/penalty?on=9999-12-31")
    assert (response.status_code, response.json["code"]) == (422, "invalid_day")


def test_all_charges_are_the_months_of_every_account(
    browser: Browser, services: PlayedServices
) -> None:
    linked = [ACCOUNT, {**ACCOUNT, "number": "0002"}]
    services.answers["accounts", "linked"] = {"accounts": linked}
    services.answers["ledger", "charges"] = lambda number, before, limit: {
        "months": [MONTH] * (1 if number == "0001" else 0),
        "next": "2026-04" if limit == 1 else None,
    }

    answer = browser("GET", "/api/v1/charges?limit=1").json["accounts"]

    assert [(page["number"], len(page["months"])) for page in answer] == [("0001", 1), ("0002", 0)]
    assert answer[0]["months"] == [MONTH]
    services.answers["accounts", "owns"] = {"owned": ["0001"], "foreign": []}
    browser("GET", f"/api/v1/accounts/0001/charges?before={answer[0]['next']}")
    assert services.calls[-1][2] == {"number": "0001", "before": "2026-04", "limit": 12}
    assert services.contexts[-1].actor == f"person:{PERSON}"


def test_every_state_of_a_payment_has_a_notice(browser: Browser, services: PlayedServices) -> None:
    told = set()
    for state in ("created", "awaiting_payment", "captured", "completed", "failed", "expired"):
        services.answers["payments", "payment"] = {**PAYMENT, "state": state}
        for language in ("ru", "en"):
            headers = {"Accept-Language": language}
            told.add(browser("GET", f"/api/v1/payments/{THING}", headers=headers).json["message"])
    assert len(told) == 12


def test_a_receipt_waits_for_the_money(browser: Browser, services: PlayedServices) -> None:
    services.answers["payments", "payment"] = {**PAYMENT, "state": "awaiting_payment"}
    early = browser("GET", f"/api/v1/payments/{THING}/receipt")
    assert (early.status_code, early.json["code"]) == (409, "receipt_not_ready")

    posting = {"account": "0001", "position": 7, "amount": 450000, "penalty": 1425}
    services.answers["payments", "payment"] = PAYMENT
    services.answers["ledger", "payment_postings"] = {"postings": [{**posting, "allocation": []}]}
    for proof in (None, PROOF):
        proofs = [{"account": "0001", "proof": proof}]
        services.answers["ledger", "payment_proofs"] = {"proofs": proofs}
        receipt = browser("GET", f"/api/v1/payments/{THING}/receipt").json
        del receipt["payment"]["message"]
        postings = [{**posting, "allocation": []}]
        assert receipt == {"payment": PAYMENT, "postings": postings, "proofs": proofs}
        assert services.calls[-1] == ("ledger", "payment_proofs", {"payment_id": THING})


def test_a_receipt_of_a_moment_ago_has_no_postings_and_no_proofs_yet(
    browser: Browser, services: PlayedServices
) -> None:
    services.answers["payments", "payment"] = {**PAYMENT, "state": "captured"}
    services.answers["ledger", "payment_postings"] = {"postings": []}
    services.answers["ledger", "payment_proofs"] = {"proofs": []}
    receipt = browser("GET", f"/api/v1/payments/{THING}/receipt").json
    assert (receipt["postings"], receipt["proofs"]) == ([], [])


def test_the_acquirers_notice_comes_by_query_and_by_form(
    browser: Browser, services: PlayedServices
) -> None:
    services.answers["payments", "acquirer_callback"] = {"accepted": True}
    path = "/api/v1/acquirer/callback"

    in_query = browser("GET", f"{path}?mdOrder=1&status=1&new=x", token=None)
    assert (in_query.status_code, in_query.json) == (200, {"accepted": True})
    assert services.calls[-1][2] == {"parameters": {"mdOrder": "1", "status": "1", "new": "x"}}

    browser("POST", path, token=None, data={"mdOrder": "2", "status": "0"})
    assert services.calls[-1][2] == {"parameters": {"mdOrder": "2", "status": "0"}}

    twice = browser("POST", f"{path}?mdOrder=1", token=None, data={"mdOrder": "2"})
    assert (twice.status_code, twice.json["code"]) == (400, "parameter_repeated")
    assert browser("POST", path, token=None, json={}).status_code == 415
    many = {f"p{number}": "1" for number in range(51)}
    assert browser("POST", path, token=None, data=many).json["code"] == "parameters_unusable"


def test_a_question_about_a_strangers_account_is_not_found_either(
    browser: Browser, services: PlayedServices
) -> None:
    services.answers["helpdesk", "ask"] = Forbidden("account_not_linked", "x")
    body = {"topic": "charges", "account": " 0009 ", "text": "Почему?"}
    assert browser("POST", "/api/v1/questions", json=body).status_code == 404
    assert services.calls[-1][2]["account"] == "0009"


@pytest.mark.parametrize(
    ("as_of", "passed_on"),
    [
        ("2026-05-15", "2026-05-15"),
        ("2026-05-15T12:00:00%2B03:00", "2026-05-15T12:00:00+03:00"),
        ("2026-05-15T12:00:00+03:00", "2026-05-15T12:00:00+03:00"),
        ("2026-05-15T12:00:00", None),
        ("2026-02-30", None),
        ("2026-W53-4", None),
        ("yesterday", None),
    ],
)
def test_a_moment_is_a_day_or_has_an_offset(
    browser: Browser, services: PlayedServices, as_of: str, passed_on: str | None
) -> None:
    services.answers["accounts", "owns"] = {"owned": ["0001"], "foreign": []}
    services.answers["ledger", "balance"] = BALANCE
    response = browser("GET", f"/api/v1/accounts/0001/balance?as_of={as_of}")
    if passed_on is None:
        assert response.json["errors"][0]["code"] == "field_date"
    else:
        assert services.calls[-1][2]["as_of"] == passed_on


def test_the_pages_show_no_data_and_run_nothing(browser: Browser) -> None:
    for path in ("/", f"/payments/{THING}?orderId=1"):
        page = browser("GET", path, token=None)
        assert page.status_code == 200
        assert page.content_type == "text/html; charset=utf-8"
        assert "личный кабинет" in page.text
        assert THING not in page.text
        assert "script-src" not in page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in page.headers["Content-Security-Policy"]


def test_every_operation_is_tried_here() -> None:
    tried = {
        (row[0], row[1].split("?")[0].replace(THING, "{}").replace("0001", "{}")) for row in PLAIN
    }
    apart = {
        "update_profile", "document", "due", "start_payment", "history", "statement", "balance",
        "penalty", "months", "all_charges", "receipt", "bill", "bill_file", "statements",
        "acquirer_notice_in_query", "acquirer_notice_in_form", "landing", "payment_returned",
        "alive", "ready", "metrics",
        "openapi",
    }  # fmt: skip
    for name, operation in operations().items():
        path = operation.template.removeprefix("/api/v1")
        shape = "/".join("{}" if part.startswith("{") else part for part in path.split("/"))
        assert name in apart or (operation.method, shape) in tried, name
