"""What may not be paid: an account that is closed, or that a person only looks at."""

from __future__ import annotations

from typing import Any

import pytest
from account_access import access
from cabinet_person import CabinetPerson, due_line, history_of, main_of, owe
from gateway_doubles import FakeServices
from test_cabinet_accounts import BALANCE, MONTH, bills, services_of_accounts

__all__ = ["services_of_accounts"]

CLOSED = {"state": "closed", "until": "2026-06-14"}
VIEWED = {"role": "viewer"}


def holds(services: FakeServices, **changes: Any) -> None:
    """Let the person have the account otherwise than as the owner of an open one."""
    line = due_line()
    line["linked"] |= changes
    owe(services, line)
    mine = access("0001", **changes)
    services.answers["accounts", "owns"] = {"owned": [], "foreign": [], "access": {"0001": mine}}
    services.answers["payments", "history"] = history_of()


@pytest.mark.parametrize("changes", [CLOSED, VIEWED])
@pytest.mark.parametrize("path", ["/accounts", "/accounts/0001"])
def test_page_offers_no_payment_of_what_may_not_be_paid(
    person: CabinetPerson, services: FakeServices, path: str, changes: dict[str, str]
) -> None:
    assert "/pay?account=0001" in person.get(path).text
    holds(services, **changes)
    shown = person.get(path).text
    assert "/pay?account=0001" not in shown
    assert "4 514,25" in main_of(shown)
    assert "Долга нет" not in main_of(shown)
    assert "К оплате" not in main_of(shown)


def test_closed_account_says_so_and_leads_to_its_last_bill(
    person: CabinetPerson, services: FakeServices
) -> None:
    assert "закрыт" not in main_of(person.get("/accounts/0001").text)
    holds(services, **CLOSED)
    shown = person.get("/accounts/0001").text
    assert "Этот лицевой счёт закрыт, его последний день — 14 июня 2026" in main_of(shown)
    assert f'href="/accounts/0001/bills/{MONTH["period"]}"' in shown
    assert "Закрыт 14 июня 2026" in main_of(person.get("/accounts").text)


def test_closed_account_without_a_bill_leads_to_none(
    person: CabinetPerson, services: FakeServices
) -> None:
    holds(services, **CLOSED)
    bills(services)
    assert "/bills/" not in person.get("/accounts/0001").text


@pytest.mark.parametrize(
    ("changes", "words"),
    [(CLOSED, "Лицевой счёт закрыт"), (VIEWED, "Вы можете только смотреть")],
)
def test_paying_what_may_not_be_paid_is_refused_in_words(
    person: CabinetPerson, services: FakeServices, changes: dict[str, str], words: str
) -> None:
    holds(services, **changes)
    refused = person.get("/pay?account=0001")
    assert refused.status_code == 409
    assert words in refused.text
    nothing = person.get("/pay")
    assert nothing.status_code == 200
    assert "или Вы их только смотрите" in nothing.text
    assert "amount-0001" not in nothing.text


def test_somebody_elses_account_is_as_absent_as_before(
    person: CabinetPerson, services: FakeServices
) -> None:
    holds(services, **CLOSED)
    assert person.get("/pay?account=0009").status_code == 404


def test_certificate_of_a_closed_account_offers_no_payment(
    person: CabinetPerson, services: FakeServices
) -> None:
    debt = {
        "number": "0001",
        "on": "2026-11-29",
        "services": BALANCE["services"],
        "principal": 1_00,
        "penalty": 0,
        "advance": 0,
        "owed": 1_00,
    }
    services.answers["ledger", "debt"] = debt
    holds(services, **CLOSED)
    assert "/pay?account=0001" not in person.get("/accounts/0001/certificate").text
