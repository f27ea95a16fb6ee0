"""The penalty in plain words, a line that somebody disagrees with, and the seal of the ledger."""

from __future__ import annotations

import gzip
from typing import Any

import pytest
from account_access import owns
from cabinet_person import CabinetPerson, due_line, main_of, owe
from gateway_doubles import Browser, FakeServices
from gateway_samples import MONTH, QUESTION

from deploy.demo.charges import all_bills
from deploy.demo.company import DEMO_PERSON_ACCOUNTS, demo_accounts
from shared import formats
from shared.errors import Forbidden, Unavailable

LINE = {**MONTH["lines"][0], "explanation": None}  # type: ignore[index]
LATER_PAGE = 8_000
"""Bytes of a page over the network, headers included."""
NOTE = "billing.example/ledger\n8\nRaFsEQ==\n\n— billing.example/ledger signature\n"


@pytest.fixture(autouse=True)
def ledger(services: FakeServices) -> None:
    owe(services, due_line())
    services.answers["accounts", "owns"] = owns("0001")
    services.answers["ledger", "charges"] = {
        "months": [{**MONTH, "bill_number": None, "lines": [LINE]}],
        "next": None,
    }
    services.answers["helpdesk", "topics"] = {
        "topics": [
            {"topic": "charges", "title": "Начисления", "title_en": "Charges", "department": "b"}
        ]
    }


def late(on: str | None) -> dict[str, Any]:
    """Return what the ledger says of a debt whose rate grows on 15 July 2199."""
    owed = {"2199-07-14": 85_50}.get(on or "", 80_00)
    segments = [
        {
            "from": first_day, "to": last_day, "days": 60, "base": 450_000, "rate": "9.5",
            "divisor": divisor, "amount": owed, "reason": "accrual",
        }
        for first_day, last_day, divisor in (
            ("2199-05-16", "2199-07-14", 300),
            ("2199-07-15", "2199-09-01", 130),
        )
    ]  # fmt: skip
    return {
        "number": "0001", "on": on or "2199-07-01", "rules": "r", "principal": 450_000,
        "total": 90_00, "accrued": 60_00, "owed": owed, "provisional": True,
        "debts": [
            {
                "period": "2199-03", "payer_kind": "household", "due_on": "2199-04-15",
                "principal": 450_000, "unpaid": 450_000, "total": owed, "segments": segments,
            }
        ],
    }  # fmt: skip


def test_the_penalty_says_until_when_to_pay_and_what_follows(
    person: CabinetPerson, services: FakeServices
) -> None:
    services.answers["ledger", "penalty"] = lambda number, on: late(on)
    words = main_of(person.get("/accounts/0001/penalty").text)
    assert "Если заплатить до 14 июля включительно, пени составят 85,50 ₽." in words
    assert "С 15 июля ставка вырастет: 1/300 → 1/130 ключевой ставки в день." in words


def test_the_penalty_is_divided_into_what_is_accrued_and_what_has_grown_since(
    person: CabinetPerson, services: FakeServices
) -> None:
    services.answers["ledger", "penalty"] = lambda number, on: late(on)
    words = main_of(person.get("/accounts/0001/penalty").text)
    assert "Начислено, не оплачено 50,00 ₽" in words
    assert "После последнего начисления 30,00 ₽" in words
    assert "Пени вместе 80,00 ₽" in words
    assert "В выписке видны только начисленные; остальное начислим не позже дня оплаты." in words
    assert "из них оплачено или списано 10,00 ₽" in words


def test_a_penalty_accrued_beyond_the_rules_is_shown_with_what_comes_off(
    person: CabinetPerson, services: FakeServices
) -> None:
    services.answers["ledger", "penalty"] = lambda number, on: late(on) | {"accrued": 100_00}
    words = main_of(person.get("/accounts/0001/penalty").text)
    assert "Начислено, не оплачено 90,00 ₽" in words
    assert "После последнего начисления −10,00 ₽" in words
    assert "Пени вместе 80,00 ₽" in words


def test_a_penalty_that_is_accrued_whole_needs_no_explanation(
    person: CabinetPerson, services: FakeServices
) -> None:
    services.answers["ledger", "penalty"] = lambda number, on: late(on) | {"accrued": 90_00}
    words = main_of(person.get("/accounts/0001/penalty").text)
    assert "После последнего начисления 0,00 ₽ Пени вместе 80,00 ₽" in words
    assert "остальное начислим" not in words


def test_capital_repair_is_named_where_a_month_comes_twice(
    person: CabinetPerson, services: FakeServices
) -> None:
    [debt] = late(None)["debts"]
    debts = [debt, {**debt, "payer_kind": "capital_repair"}]
    services.answers["ledger", "penalty"] = lambda number, on: late(on) | {"debts": debts}
    words = main_of(person.get("/accounts/0001/penalty").text)
    assert words.count("За март 2199") == 2
    assert words.count("За март 2199, капитальный ремонт") == 1
    assert "Пени за март 2199, капитальный ремонт по дням" in words


def test_the_penalty_stands_without_its_forecast(
    person: CabinetPerson, services: FakeServices
) -> None:
    def only_today(number: str, on: str | None) -> Any:
        if on is None:
            return late(on)
        raise Unavailable("service_unavailable", "x")

    services.answers["ledger", "penalty"] = only_today
    page = person.get("/accounts/0001/penalty")
    assert page.status_code == 200
    assert "Если заплатить" not in page.text


@pytest.mark.parametrize("on", ["31.12.9999", "2000-01-01"])
def test_a_forecast_is_only_made_of_days_to_come(
    person: CabinetPerson, services: FakeServices, on: str
) -> None:
    services.answers["ledger", "penalty"] = lambda number, on: late(on)
    page = person.get(f"/accounts/0001/penalty?on={on}")
    assert page.status_code == 200
    assert "Если заплатить до" not in main_of(page.text)


def test_an_english_page_names_units_and_tariffs_in_its_own_way(browser: Browser) -> None:
    page = main_of(CabinetPerson(browser, language="en").get("/charges/0001/2026-04").text)
    assert "1.918 Gcal × ₽2,345.678901" in page


@pytest.mark.parametrize(
    ("name", "russian", "english"),
    [("м³", "м³", "m³"), ("Гкал", "Гкал", "Gcal"), ("куб.м", "куб.м", "куб.м"), (None, "", "")],
)
def test_a_unit_that_is_not_known_stays_as_it_is(
    name: str | None, russian: str, english: str
) -> None:
    assert (formats.unit(name), formats.unit(name, "en")) == (russian, english)


@pytest.mark.parametrize(
    ("language", "name"), [("ru", "Отдел: Расчётный отдел"), ("en", "Department: Billing")]
)
def test_a_department_has_its_name_in_the_language_of_the_page(
    browser: Browser, services: FakeServices, language: str, name: str
) -> None:
    services.answers["helpdesk", "question"] = {
        **QUESTION, "department_title_en": "Billing", "dispute": None, "messages": [],
    }  # fmt: skip
    page = CabinetPerson(browser, language=language).get(f"/questions/{QUESTION['question_id']}")
    assert name in main_of(page.text)


def test_the_seal_is_shown_in_numbers_to_everybody(
    person: CabinetPerson, services: FakeServices
) -> None:
    services.answers["identity", "authenticate"] = Forbidden("not_signed_in", "x")
    services.answers["ledger", "verifier_keys"] = {"keys": ["billing.example/ledger+f1e2d3c4+A"]}
    services.answers["ledger", "last_checkpoint"] = {
        "checkpoint": {"size": 8, "sealed_at": "2026-05-14T09:31:15+00:00", "note": NOTE}
    }
    words = main_of(person.get("/trust").text)
    assert "Запечатано 8 записей, последняя печать — 14 мая 2026, 12:31" in words
    assert "RaFsEQ==" in words
    assert "billing.example/ledger+f1e2d3c4+A" in words
    for method in ("verifier_keys", "last_checkpoint"):
        services.answers["ledger", method] = Unavailable("service_unavailable", "x")
    page = person.get("/trust")
    assert page.status_code == 200
    assert "сейчас не видно" in main_of(page.text)


def test_a_year_of_an_account_is_light(person: CabinetPerson, services: FakeServices) -> None:
    services.answers["ledger", "charges"] = {"months": year_of_the_demo_person(), "next": None}
    page = person.get("/charges?account=0001")
    packed = gzip.compress(page.get_data(), 6)
    assert len(packed) + len(str(page.headers)) <= LATER_PAGE


def test_all_reasons_of_a_difference_stand_on_the_page_of_the_month(
    person: CabinetPerson, services: FakeServices
) -> None:
    months = year_of_the_demo_person()
    services.answers["ledger", "charges"] = {"months": months[:2], "next": None}
    rows = "Из чего складывается разница"
    assert rows in person.get(f"/charges/0001/{months[0]['period']}").text
    assert rows not in person.get("/charges?account=0001").text


def test_everything_is_open_for_print(person: CabinetPerson, services: FakeServices) -> None:
    services.answers["ledger", "charges"] = {"months": year_of_the_demo_person(), "next": None}
    assert "<details" in person.get("/charges?account=0001").text
    page = person.get("/charges?account=0001&open=all").text
    assert page.count("<details") == page.count(' class="opening" open') > 13


def year_of_the_demo_person() -> list[dict[str, Any]]:
    """Return thirteen months of an account of the demo, newest first, as the ledger has them."""
    account = next(one for one in demo_accounts() if one.number == DEMO_PERSON_ACCOUNTS[0])
    return [
        {
            **MONTH,
            "period": bill.period,
            "total": sum(line.charged + line.recalculation for line in bill.lines),
            "bill_number": f"{bill.period}/9",
            "lines": [
                {
                    **LINE,
                    "service": line.service.code,
                    "name": line.service.name,
                    "unit": line.service.unit,
                    "tariff": str(line.tariff),
                    "volume": str(line.volume),
                    "charged": line.charged,
                    "recalculation": line.recalculation,
                    "payable": line.charged + line.recalculation,
                    "explanation": line.explanation or None,
                }
                for line in bill.lines
            ],
            "adjustments": [],
        }
        for bill in reversed(all_bills([account]))
    ]
