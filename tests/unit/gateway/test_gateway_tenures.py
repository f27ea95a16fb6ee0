"""A number with several holders: each reads his own account, and people see the number alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from account_access import access
from gateway_doubles import Browser, FakeServices
from gateway_samples import ACCOUNT, BALANCE, PAYMENT, PROOF

from shared.errors import NotFound

NUMBER, SECOND = "0001", "0001-2"
SUMS = {NUMBER: 777_00, SECOND: 10_00}


def holds(services: FakeServices, **changes: Any) -> None:
    """Let the person hold the number in its second tenure."""
    mine = access(NUMBER, **{"account": SECOND, "since": "2026-06-10", **changes})
    services.answers["accounts", "owns"] = {"owned": [], "foreign": [], "access": {NUMBER: mine}}
    services.answers["accounts", "linked"] = {"accounts": [{**ACCOUNT, **mine}]}


@pytest.fixture(autouse=True)
def second_holder(services: FakeServices) -> None:
    holds(services)
    services.answers["ledger", "balance"] = lambda number, **_: {
        **BALANCE, "number": number, "principal": SUMS[number],
    }  # fmt: skip
    services.answers["ledger", "balances"] = lambda numbers: {
        "balances": [{**BALANCE, "number": one, "principal": SUMS[one]} for one in numbers]
    }


def test_balance_is_that_of_the_own_tenure_under_the_number(browser: Browser) -> None:
    found = browser("GET", f"/api/v1/accounts/{NUMBER}/balance").json
    assert (found["number"], found["principal"]) == (NUMBER, SUMS[SECOND])


def test_error_of_another_holders_account_is_unheard(
    browser: Browser, services: FakeServices
) -> None:
    def balance(number: str, **_: Any) -> dict[str, Any]:
        if number == NUMBER:
            raise NotFound("account_not_found", "There is none.", account=number)
        return {**BALANCE, "number": number}

    services.answers["ledger", "balance"] = balance
    assert browser("GET", f"/api/v1/accounts/{NUMBER}/balance").status_code == 200


def test_due_is_that_of_the_own_tenure(browser: Browser) -> None:
    found = browser("GET", "/api/v1/payments/due").json
    [line] = found["accounts"]
    assert (line["account"], line["amount"], line["payable"]) == (NUMBER, SUMS[SECOND], True)


@pytest.mark.parametrize("changes", [{"role": "viewer"}, {"state": "closed"}])
def test_what_may_not_be_paid_is_shown_and_not_counted(
    browser: Browser, services: FakeServices, changes: dict[str, str]
) -> None:
    holds(services, **changes)
    found = browser("GET", "/api/v1/payments/due").json
    [line] = found["accounts"]
    assert (line["amount"], line["payable"], found["total"]) == (SUMS[SECOND], False, 0)


def paid(services: FakeServices) -> None:
    lines = [{**PAYMENT["lines"][0], "account": NUMBER, "key": SECOND}]
    services.answers["payments", "payment"] = {**PAYMENT, "lines": lines}
    # Staff have moved what it paid to the former holder's account, or from it.
    postings = [
        {"account": key, "position": at, "amount": 1, "penalty": 0, "allocation": []}
        for at, key in enumerate((NUMBER, SECOND), start=41)
    ]
    services.answers["ledger", "payment_postings"] = {"postings": postings}
    services.answers["ledger", "payment_proofs"] = {
        "proofs": [{"account": one["account"], "proof": PROOF} for one in postings]
    }


def test_receipt_has_the_postings_of_the_own_tenure_alone(
    browser: Browser, services: FakeServices
) -> None:
    paid(services)
    payment_id = PAYMENT["payment_id"]
    found = browser("GET", f"/api/v1/payments/{payment_id}/receipt").json
    assert [(one["account"], one["position"]) for one in found["postings"]] == [(NUMBER, 42)]
    assert [one["account"] for one in found["proofs"]] == [NUMBER]


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        ("charges_of_accounts", lambda numbers, **_: {
            "accounts": [{"number": one, "months": [], "next": None} for one in numbers]
        }),
    ],
)  # fmt: skip
def test_key_never_leaves_the_gateway(
    browser: Browser, services: FakeServices, method: str, answer: Callable[..., Any]
) -> None:
    services.answers["ledger", method] = answer
    services.answers["ledger", "charges"] = {"months": [], "next": "2026-04"}
    services.answers["ledger", "statement"] = {"movements": [], "next": None}
    paid(services)
    for path in (
        f"accounts/{NUMBER}/balance",
        f"accounts/{NUMBER}/charges",
        f"accounts/{NUMBER}/statement",
        "charges",
        "payments/due",
        f"payments/{PAYMENT['payment_id']}",
        f"payments/{PAYMENT['payment_id']}/receipt",
        "accounts",
    ):
        found = browser("GET", f"/api/v1/{path}")
        assert found.status_code == 200, (path, found.json)
        assert SECOND not in json.dumps(found.json), path


def test_cursor_of_months_is_of_the_number(browser: Browser, services: FakeServices) -> None:
    services.answers["ledger", "charges"] = {"months": [], "next": "2026-04"}
    first = browser("GET", f"/api/v1/accounts/{NUMBER}/charges").json
    more = browser("GET", f"/api/v1/accounts/{NUMBER}/charges?before={first['next']}")
    assert more.status_code == 200
    assert services.calls[-1][2] == {"number": SECOND, "before": "2026-04", "limit": 12}


def test_whoever_held_a_number_twice_sees_his_last_time(
    browser: Browser, services: FakeServices
) -> None:
    mine = [
        {**ACCOUNT, **access(NUMBER, state="closed", until="2026-03-01")},
        {**ACCOUNT, **access(NUMBER, account="0001-3", since="2026-09-01")},
    ]
    services.answers["accounts", "linked"] = {"accounts": mine}
    assert browser("GET", f"/api/v1/accounts/{NUMBER}").json["since"] == "2026-09-01"
