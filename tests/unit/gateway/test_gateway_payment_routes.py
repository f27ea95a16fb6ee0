"""Routes of payments: what is due, starting, history, receipts, callbacks."""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from typing import Any

import pytest
from account_access import access, owns
from gateway_doubles import PERSON, THING, Browser, FakeServices
from gateway_samples import ACCOUNT, BALANCE, HISTORY_TOTALS, PAYMENT, PROOF

from gateway.schemas.payments import STATES_OF
from shared.errors import Conflict, ServiceError, ValidationFailed

KEY = {"Idempotency-Key": "order-1"}
HISTORY = {"payments": [PAYMENT], "next": None, "totals": HISTORY_TOTALS}
STATES = (
    "created",
    "awaiting_payment",
    "unknown",
    "mismatch",
    "captured",
    "completed",
    "partly_refunded",
    "refunded",
    "failed",
    "expired",
)


def test_due_subtracts_the_advance_and_shows_what_is_left_of_it(
    browser: Browser, services: FakeServices
) -> None:
    numbers = ["0001", "0002", "0003"]
    linked = [{**ACCOUNT, **access(number)} for number in numbers]
    services.answers["accounts", "linked"] = {"accounts": linked}
    services.answers["ledger", "balances"] = {
        "balances": [
            BALANCE,
            {**BALANCE, "number": "0002", "principal": 100, "penalty_due": 0, "advance": 250},
        ]
    }

    due = browser("GET", "/api/v1/payments/due").json

    assert services.calls[-1] == ("ledger", "balances", {"numbers": numbers})
    assert [line["total"] for line in due["accounts"]] == [451425, 0, 0]
    assert due["accounts"][0]["amount"] == 450000
    assert due["accounts"][0]["penalty"] == 1425
    assert due["accounts"][0]["penalty_accrued"] == 1200
    assert due["total"] == 451425
    assert [line["advance"] for line in due["accounts"]] == [0, 150, 0]


def test_payment_needs_a_key_which_determines_its_command_id(
    browser: Browser, services: FakeServices
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
    asked = {"person_id": PERSON, "lines": lines, "acquirer": None}
    assert services.calls[-1] == ("payments", "start", asked)


def test_the_acquirer_is_one_of_the_installation(browser: Browser, services: FakeServices) -> None:
    services.answers["payments", "start"] = {
        "payment_id": THING,
        "total": 100,
        "redirect_url": f"https://saldo.example/payments/{THING}/go",
        "state": "created",
    }
    body = {"lines": [{"account": "0001", "amount": 100, "penalty": 0}]}
    started = browser("POST", "/api/v1/payments", json={**body, "acquirer": "main"}, headers=KEY)
    assert (started.status_code, started.json["state"]) == (201, "created")
    assert services.calls[-1][2]["acquirer"] == "main"
    refused = browser("POST", "/api/v1/payments", json={**body, "acquirer": "kassa"}, headers=KEY)
    assert (refused.status_code, refused.json["code"]) == (422, "acquirer_unknown")
    assert refused.json["errors"][0]["pointer"] == "#/acquirer"


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (
            ValidationFailed("amount_too_large", "x", limit=300_000_00),
            422,
            "до 300\u00a0000,00\u00a0₽. Заплатите частями.",
        ),
        (Conflict("payment_open", "x", payment_id=THING), 409, "Завершите его"),
        (Conflict("too_many_open_payments", "x", limit=3), 409, "больше 3 начать нельзя"),
    ],
)
def test_a_refused_start_says_what_to_do(
    browser: Browser, services: FakeServices, error: ServiceError, status: int, words: str
) -> None:
    services.answers["payments", "start"] = error
    body = {"lines": [{"account": "0001", "amount": 100, "penalty": 0}]}
    refused = browser("POST", "/api/v1/payments", json=body, headers=KEY)
    assert (refused.status_code, refused.json["code"]) == (status, error.code)
    assert words in refused.json["detail"]
    assert refused.json["params"] == error.params


def test_the_history_is_filtered_by_what_became_of_payments(
    browser: Browser, services: FakeServices
) -> None:
    services.answers["payments", "history"] = HISTORY
    for state, states in STATES_OF.items():
        assert browser("GET", f"/api/v1/payments?state={state}").json["totals"] == HISTORY_TOTALS
        assert services.calls[-1][2]["states"] == list(states)
    assert browser("GET", "/api/v1/payments?state=lost").status_code == 422


def test_a_file_of_the_history_has_all_pages_of_its_filter(
    browser: Browser, services: FakeServices
) -> None:
    pages = {None: HISTORY | {"next": "p7"}, "p7": HISTORY}
    services.answers["payments", "history"] = lambda **asked: {
        **pages[asked["before"]],
        "payments": [{**PAYMENT, "masked_card": "=1+1", "refunded": 100}],
    }
    path = "/api/v1/payments.csv?account=0001&year=2026&state=paid"
    answer = browser("GET", path)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert 'filename="payments-0001-2026-paid.csv"' in answer.headers["Content-Disposition"]
    text = answer.data.decode("utf-8")
    assert text.startswith("\ufeffНачат;Банк списал деньги;Состояние;")
    row = (
        "14.05.2026 12:30;14.05.2026 12:31;Оплачен;0001;4500,00;14,25;4514,25;0,00;'=1+1;"
        f"{THING}\r\n"
    )
    assert text.count(row) == 2
    assert text.endswith("Платежей;Оплачено;Возвращено\r\n1;4514,25;0,00\r\n")
    asked = [given for _, method, given in services.calls if method == "history"]
    assert [one["before"] for one in asked] == [None, "p7"]
    assert {(one["account"], tuple(one["states"])) for one in asked} == {
        ("0001", STATES_OF["paid"])
    }
    english = browser("GET", path, headers={"Accept-Language": "en"}).data.decode("utf-8")
    assert not re.search("[а-яё]", english, re.IGNORECASE)


@pytest.mark.parametrize("key", ["x" * 201, "a\tb"])
def test_invalid_key_is_refused(browser: Browser, key: str) -> None:
    response = browser("POST", "/api/v1/payments", json={}, headers={"Idempotency-Key": key})
    assert response.json["code"] == "idempotency_key_invalid"


def test_pages_continue_at_opaque_cursors(browser: Browser, services: FakeServices) -> None:
    services.answers["payments", "history"] = HISTORY | {"next": "cDEy"}
    cursor = browser("GET", "/api/v1/payments?limit=1").json["next"]
    browser("GET", f"/api/v1/payments?limit=1&before={cursor}")
    asked = {"person_id": PERSON, "before": "cDEy", "limit": 1}
    assert services.calls[-1] == ("payments", "history", asked)

    services.answers["accounts", "owns"] = owns("0001")
    services.answers["ledger", "statement"] = {"movements": [], "next": None}
    stray = browser("GET", f"/api/v1/accounts/0001/statement?after={cursor}")
    assert (stray.status_code, stray.json["code"]) == (400, "invalid_cursor")
    assert browser("GET", "/api/v1/accounts/0001/statement").json == {
        "movements": [],
        "next": None,
    }


def test_a_made_up_cursor_reaches_no_service(browser: Browser, services: FakeServices) -> None:
    lone_surrogate = urlsafe_b64encode(b'["payments","\\ud800"]').decode().rstrip("=")
    response = browser("GET", f"/api/v1/payments?before={lone_surrogate}")
    assert (response.status_code, response.json["code"]) == (400, "invalid_cursor")
    assert not [call for call in services.calls if call[1] == "history"]


def test_every_state_of_a_payment_has_a_notice(browser: Browser, services: FakeServices) -> None:
    messages = set()
    for state in STATES:
        services.answers["payments", "payment"] = {**PAYMENT, "state": state}
        for language in ("ru", "en"):
            headers = {"Accept-Language": language}
            messages.add(
                browser("GET", f"/api/v1/payments/{THING}", headers=headers).json["message"]
            )
    assert len(messages) == 2 * len(STATES)


def test_receipt_needs_a_captured_payment(browser: Browser, services: FakeServices) -> None:
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
        lines = [{name: line[name] for name in line if name != "key"} for line in PAYMENT["lines"]]
        shown = {**PAYMENT, "lines": lines}
        assert receipt == {"payment": shown, "postings": postings, "proofs": proofs}
        assert services.calls[-1] == ("ledger", "payment_proofs", {"payment_id": THING})


def test_a_receipt_is_of_the_accounts_that_were_paid(
    browser: Browser, services: FakeServices
) -> None:
    """Staff have moved the payment to an account that may be somebody else's."""
    posting = {"position": 7, "amount": 450000, "penalty": 1425, "allocation": []}
    both = ("0001", "0777")
    services.answers["payments", "payment"] = PAYMENT
    services.answers["ledger", "payment_postings"] = {
        "postings": [{"account": account, **posting} for account in both]
    }
    services.answers["ledger", "payment_proofs"] = {
        "proofs": [{"account": account, "proof": PROOF} for account in both]
    }
    receipt = browser("GET", f"/api/v1/payments/{THING}/receipt").json
    assert [one["account"] for one in receipt["postings"]] == ["0001"]
    assert [one["account"] for one in receipt["proofs"]] == ["0001"]


def test_receipt_of_a_captured_payment_may_lack_postings(
    browser: Browser, services: FakeServices
) -> None:
    services.answers["payments", "payment"] = {**PAYMENT, "state": "captured"}
    services.answers["ledger", "payment_postings"] = {"postings": []}
    services.answers["ledger", "payment_proofs"] = {"proofs": []}
    receipt = browser("GET", f"/api/v1/payments/{THING}/receipt").json
    assert (receipt["postings"], receipt["proofs"]) == ([], [])


def test_callback_comes_by_query_form_or_json(browser: Browser, services: FakeServices) -> None:
    services.answers["payments", "acquirer_callback"] = {"accepted": True}
    path = "/api/v1/acquirer/callback"

    def passed_on(**expected: Any) -> bool:
        nothing = {"acquirer": "", "parameters": {}, "body": "", "remote_address": "127.0.0.1"}
        return bool(services.calls[-1][2] == {**nothing, **expected})

    in_query = browser("GET", f"{path}?mdOrder=1&status=1&new=x", token=None)
    assert (in_query.status_code, in_query.json) == (200, {"accepted": True})
    assert passed_on(parameters={"mdOrder": "1", "status": "1", "new": "x"})

    browser("POST", path, token=None, data={"mdOrder": "2", "status": "0"})
    assert passed_on(parameters={"mdOrder": "2", "status": "0"})

    # JSON is passed on as it came: also what is none, which payments then does not take.
    for body in ('{"event": "payment.succeeded", "event": 1}', "no JSON"):
        browser("POST", path, token=None, data=body, content_type="application/json")
        assert passed_on(body=body)

    named = "/api/v1/acquirer/kassa/callback"
    browser("GET", f"{named}?mdOrder=1", token=None)
    assert passed_on(acquirer="kassa", parameters={"mdOrder": "1"})
    browser("POST", f"{named}?mdOrder=1", token=None, json={"id": "7"})
    assert passed_on(acquirer="kassa", parameters={"mdOrder": "1"}, body='{"id": "7"}')
    assert browser("GET", "/api/v1/acquirer/Kassa/callback?a=1", token=None).status_code == 404

    twice = browser("POST", f"{path}?mdOrder=1", token=None, data={"mdOrder": "2"})
    assert (twice.status_code, twice.json["code"]) == (400, "parameter_repeated")
    image = browser("POST", path, token=None, data=b"x", content_type="image/png")
    assert (image.status_code, image.json["code"]) == (415, "body_not_form")
    assert image.headers["Accept-Post"] == "application/x-www-form-urlencoded, application/json"
    unreadable = browser("POST", path, token=None, data=b"\xff", content_type="application/json")
    assert (unreadable.status_code, unreadable.json["code"]) == (400, "parameters_unusable")
    huge = b'"' + b"a" * 65_536 + b'"'
    refused = browser("POST", path, token=None, data=huge, content_type="application/json")
    assert (refused.status_code, refused.json["code"]) == (413, "body_too_large")
    many = {f"p{number}": "1" for number in range(51)}
    assert browser("POST", path, token=None, data=many).json["code"] == "parameters_unusable"
