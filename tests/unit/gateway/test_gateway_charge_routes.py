"""Routes of balances, penalties, months and movements."""

from __future__ import annotations

import pytest
from account_access import access, owns
from gateway_doubles import PERSON, Browser, FakeServices
from gateway_samples import ACCOUNT, BALANCE, MONTH, PENALTY

from shared.errors import Forbidden, NotFound, ValidationFailed


@pytest.mark.parametrize("ledger", ["answers", "refuses"])
@pytest.mark.parametrize("path", ["balance", "charges", "penalty", "statement"])
def test_somebody_elses_account_is_not_found_whatever_the_ledger_has(
    browser: Browser, services: FakeServices, path: str, ledger: str
) -> None:
    services.answers["accounts", "owns"] = owns(foreign=["0009"])
    found = {**BALANCE, **PENALTY, "months": [MONTH], "movements": [], "next": None}
    refused = NotFound("account_not_found", "There is none.", account="0009")
    services.answers["ledger", path] = found if ledger == "answers" else refused
    response = browser("GET", f"/api/v1/accounts/0009/{path}")
    assert (response.status_code, response.json["code"]) == (404, "account_not_linked")
    assert "params" not in response.json


def test_nothing_is_read_for_whoever_is_not_signed_in(
    browser: Browser, services: FakeServices
) -> None:
    services.answers["identity", "authenticate"] = Forbidden("session_expired", "It ended.")
    for path in ("balance", "charges", "penalty", "statement", "bills/2026-10"):
        assert browser("GET", f"/api/v1/accounts/0001/{path}").status_code == 401
    assert {call[:2] for call in services.calls} == {("identity", "authenticate")}


def test_own_account_has_a_balance(browser: Browser, services: FakeServices) -> None:
    services.answers["accounts", "owns"] = owns("0001")
    services.answers["ledger", "balance"] = BALANCE
    response = browser("GET", "/api/v1/accounts/0001/balance?as_of=2026-05-15")
    shown = {name: value for name, value in BALANCE.items() if name != "penalty_due"}
    assert response.json == {**shown, "penalty": 1425, "penalty_accrued": 1200}
    assert services.calls[-1][2] == {"number": "0001", "as_of": "2026-05-15"}


@pytest.mark.parametrize(
    ("query", "on"),
    [("", None), ("?on=2026-06-20", "2026-06-20"), ("?on=2028-02-29", "2028-02-29")],
)
def test_own_account_has_a_penalty_for_any_day(
    browser: Browser, services: FakeServices, query: str, on: str | None
) -> None:
    services.answers["accounts", "owns"] = owns("0001")
    services.answers["ledger", "penalty"] = PENALTY
    assert browser("GET", f"/api/v1/accounts/0001/penalty{query}").json == PENALTY
    assert services.calls[-1] == ("ledger", "penalty", {"number": "0001", "on": on})


@pytest.mark.parametrize(
    "on", ["2026-02-30", "tomorrow", "", "20261231", "2026-W53-4", "2026-12-31T00:00:00%2B03:00"]
)
def test_day_has_one_format(browser: Browser, services: FakeServices, on: str) -> None:
    services.answers["accounts", "owns"] = owns("0001")
    response = browser("GET", f"/api/v1/accounts/0001/penalty?on={on}")
    assert response.status_code == 422
    (error,) = response.json["errors"]
    assert (error["parameter"], error["code"]) == ("on", "field_date")
    assert ("ledger", "penalty") not in [call[:2] for call in services.calls]


def test_ledger_refuses_a_day_out_of_range(browser: Browser, services: FakeServices) -> None:
    services.answers["accounts", "owns"] = owns("0001")
    services.answers["ledger", "penalty"] = ValidationFailed("invalid_day", "x")
    response = browser("GET", "/api/v1/accounts/0001/penalty?on=9999-12-31")
    assert (response.status_code, response.json["code"]) == (422, "invalid_day")


def test_all_charges_contain_every_account(browser: Browser, services: FakeServices) -> None:
    linked = [ACCOUNT, {**ACCOUNT, **access("0002")}]
    services.answers["accounts", "linked"] = {"accounts": linked}
    services.answers["ledger", "charges_of_accounts"] = {
        "accounts": [
            {"number": "0001", "months": [MONTH], "next": "2026-04"},
            {"number": "0002", "months": [], "next": None},
        ]
    }
    services.answers["ledger", "charges"] = {"months": [], "next": None}

    answer = browser("GET", "/api/v1/charges?limit=1").json["accounts"]
    assert services.calls[-1][2] == {"numbers": ["0001", "0002"], "limit": 1}

    assert [(page["number"], len(page["months"])) for page in answer] == [("0001", 1), ("0002", 0)]
    assert answer[0]["months"] == [MONTH]
    services.answers["accounts", "owns"] = owns("0001")
    browser("GET", f"/api/v1/accounts/0001/charges?before={answer[0]['next']}")
    assert services.calls[-1][2] == {"number": "0001", "before": "2026-04", "limit": 12}
    assert services.contexts[-1].actor == f"person:{PERSON}"


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
def test_instant_needs_an_offset(
    browser: Browser, services: FakeServices, as_of: str, passed_on: str | None
) -> None:
    services.answers["accounts", "owns"] = owns("0001")
    services.answers["ledger", "balance"] = BALANCE
    response = browser("GET", f"/api/v1/accounts/0001/balance?as_of={as_of}")
    if passed_on is None:
        assert response.json["errors"][0]["code"] == "field_date"
    else:
        assert services.calls[-1][2]["as_of"] == passed_on
