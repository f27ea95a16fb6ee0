"""Disputed lines over the API: for the readers of an account, each holder his own time."""

from __future__ import annotations

from typing import Any

import pytest
from account_access import access, owns
from gateway_doubles import PERSON, THING, Browser, FakeServices
from gateway_samples import ACCOUNT

from shared.errors import Unavailable

PATH = "/api/v1/disputes"


def dispute(account: str, question_id: str | None = None) -> dict[str, Any]:
    return {
        "account": account,
        "period": "2026-04",
        "service": "heating",
        "state": "under_review",
        "since": "2026-05-14T09:30:00+00:00",
        "question_id": question_id,
    }


def disputes_of(*rows: dict[str, Any]) -> Any:
    def answer(person_id: str, accounts: list[str]) -> dict[str, Any]:
        assert person_id == PERSON
        return {"disputes": [row for row in rows if row["account"] in accounts]}

    return answer


def test_a_reader_sees_the_disputed_lines_of_an_account(
    browser: Browser, services: FakeServices
) -> None:
    services.answers["accounts", "owns"] = owns("0001")
    services.answers["helpdesk", "disputes"] = disputes_of(dispute("0001"), dispute("0002"))
    assert browser("GET", f"{PATH}?account=0001").json == {"disputes": [dispute("0001")]}


def test_without_an_account_those_of_all_linked_ones_are_shown(
    browser: Browser, services: FakeServices
) -> None:
    services.answers["accounts", "linked"] = {
        "accounts": [{**ACCOUNT, **access("0001")}, {**ACCOUNT, **access("0003", account="0003-2")}]
    }
    found = disputes_of(dispute("0001", THING), dispute("0003"), dispute("0003-2"))
    services.answers["helpdesk", "disputes"] = found
    shown = browser("GET", PATH).json
    assert shown == {"disputes": [dispute("0001", THING), dispute("0003")]}
    services.answers["accounts", "linked"] = {"accounts": []}
    assert browser("GET", PATH).json == {"disputes": []}


def test_the_new_holder_does_not_see_what_the_former_one_disputes(
    browser: Browser, services: FakeServices
) -> None:
    mine = access("0001", account="0001-2")
    services.answers["accounts", "owns"] = {**owns("0001"), "access": {"0001": mine}}
    services.answers["helpdesk", "disputes"] = disputes_of(dispute("0001", THING))
    assert browser("GET", f"{PATH}?account=0001").json == {"disputes": []}
    services.answers["helpdesk", "disputes"] = disputes_of(dispute("0001-2"), dispute("0001"))
    assert browser("GET", f"{PATH}?account=0001").json == {"disputes": [dispute("0001")]}


@pytest.mark.parametrize("helpdesk", ["answers", "is silent"])
def test_somebody_elses_account_is_not_found(
    browser: Browser, services: FakeServices, helpdesk: str
) -> None:
    services.answers["accounts", "owns"] = owns(foreign=["0009"])
    found = disputes_of(dispute("0009"))
    services.answers["helpdesk", "disputes"] = (
        found if helpdesk == "answers" else Unavailable("service_unavailable", "x")
    )
    response = browser("GET", f"{PATH}?account=0009")
    assert (response.status_code, response.json["code"]) == (404, "account_not_linked")


def test_a_line_of_a_question_is_passed_on(browser: Browser, services: FakeServices) -> None:
    services.answers["helpdesk", "ask"] = {
        "question_id": THING, "number": 7, "department": "billing", "department_title": "Б",
        "due_on": "2026-05-28",
    }  # fmt: skip
    line = {"period": "2026-04", "service": "heating"}
    body = {"topic": "charges", "account": "0001", "text": "Почему?", "line": line}
    assert browser("POST", "/api/v1/questions", json=body).status_code == 201
    [given] = [given for *called, given in services.calls if called == ["helpdesk", "ask"]]
    assert given["line"] == line


@pytest.mark.parametrize("line", [{}, {"period": "2026-13", "service": "heating"}, "heating"])
def test_a_line_is_a_month_and_a_service(
    browser: Browser, services: FakeServices, line: Any
) -> None:
    body = {"topic": "charges", "account": "0001", "text": "Почему?", "line": line}
    response = browser("POST", "/api/v1/questions", json=body)
    assert response.status_code == 422
    assert all("/line" in error["pointer"] for error in response.json["errors"])
