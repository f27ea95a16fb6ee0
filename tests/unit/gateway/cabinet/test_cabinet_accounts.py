"""«Лицевые» and the page of one account: what is due, by which day, made of what."""

from __future__ import annotations

import re
from typing import Any

import pytest
from account_access import owns
from cabinet_person import CabinetPerson, due_line, main_of, owe
from gateway_doubles import Browser, FakeServices

from shared.errors import NotFound, Unavailable

MONTH = {
    "period": "2026-04",
    "total": 4_000_00,
    "due_on": "2026-05-15",
    "bill_number": None,
    "lines": [],
    "adjustments": [],
}
BALANCE = {
    "number": "0001",
    "as_of": None,
    "version": 3,
    "principal": 4_500_00,
    "penalty": 14_25,
    "penalty_due": 14_25,
    "advance": 0,
    "services": [
        {"service": "heating", "name": "Отопление", "amount": 4_100_00},
        {"service": "water", "name": "Вода", "amount": 400_00},
    ],
}
TOTALS = dict.fromkeys(
    ("opening", "charged", "recalculated", "concession", "penalty", "paid", "closing"), 0
)


def movement(position: int, amount: int = 100_00) -> dict[str, Any]:
    return {
        "position": position,
        "effective_on": "2026-05-14",
        "recorded_at": "2026-05-14T09:30:00+00:00",
        "kind": "payment",
        "text": "Оплата",
        "amount": -amount,
        "penalty": 0,
        "balance": 0,
    }


@pytest.fixture(autouse=True)
def services_of_accounts(services: FakeServices) -> None:
    owe(services, due_line())
    services.answers["accounts", "owns"] = owns("0001")
    bills(services, MONTH)
    services.answers["ledger", "balance"] = BALANCE
    services.answers["ledger", "statements_between"] = lambda numbers, **_: {
        "accounts": [
            {
                "number": one,
                "movements": [movement(number, number * 100) for number in range(1, 8)],
                "totals": TOTALS,
            }
            for one in numbers
        ],
        "next": None,
    }


def bills(services: FakeServices, *months: dict[str, Any]) -> None:
    """Let every account have these months."""
    page = {"months": list(months), "next": None}
    services.answers["ledger", "charges"] = page
    services.answers["ledger", "charges_of_accounts"] = lambda numbers, **_: {
        "accounts": [{"number": one, **page} for one in numbers]
    }


def advance(account: str, amount: int) -> dict[str, Any]:
    line = due_line(account, amount=0, penalty=0)
    line["balance"]["advance"] = amount
    return line


def test_a_debt_is_shown_with_its_day(person: CabinetPerson) -> None:
    page = person.get("/accounts").text
    words = main_of(page)
    assert "К оплате 4 514,25 ₽ срок прошёл 15 мая" in words
    assert "Сумма 4 500,00 ₽ Пени 14,25 ₽" in words
    assert 'href="/pay?account=0001"' in page
    assert "Оплатить всё" not in words


def test_a_day_to_come_is_a_day_to_pay_by(person: CabinetPerson, services: FakeServices) -> None:
    bills(services, {**MONTH, "due_on": "2199-01-15"})
    assert "4 514,25 ₽ до 15 января" in main_of(person.get("/accounts").text)


def test_the_sum_stands_without_its_day(person: CabinetPerson, services: FakeServices) -> None:
    services.answers["ledger", "charges_of_accounts"] = Unavailable("service_unavailable", "x")
    words = main_of(person.get("/accounts").text)
    assert "К оплате 4 514,25 ₽" in words
    assert "срок" not in words


def test_nothing_owed_and_paid_ahead_are_told_apart(
    person: CabinetPerson, services: FakeServices
) -> None:
    owe(services, due_line("0001", 0, 0), advance("0002", 120_00))
    page = person.get("/accounts").text
    words = main_of(page)
    assert "Долга нет. Переплата 120,00 ₽" in words
    first, second = words.split("0002")[:2]
    assert "Долга нет" in first.split("0001")[1]
    assert "Переплата 120,00 ₽" in second
    assert 'href="/pay?' not in page


def test_several_accounts_are_paid_at_once_or_one_by_one(
    person: CabinetPerson, services: FakeServices
) -> None:
    owe(services, due_line("0001"), due_line("0002"))
    page = person.get("/accounts").text
    assert "Оплатить всё" in page
    assert re.findall(r'href="(/pay[^"]*)"', page[page.index("<main") :])[:3] == [
        "/pay?account=0001",
        "/pay?account=0002",
        "/pay",
    ]


def test_an_account_shows_its_balance_by_service(person: CabinetPerson) -> None:
    page = person.get("/accounts/0001").text
    words = main_of(page)
    assert "К оплате 4 514,25 ₽ срок прошёл 15 мая" in words
    assert "Отопление 4 100,00 ₽ Вода 400,00 ₽ Пени 14,25 ₽ Итого 4 514,25 ₽" in words
    assert "Владелец Иванов И. И." in words
    assert "Счёт открыт в Вашем кабинете с 14 мая 2026" in words
    shown = re.findall(r'<data class="sum" value="-(\d+)">', page)
    assert shown == ["700", "600", "500", "400", "300"], "the last five, the newest first"


@pytest.mark.parametrize(
    ("accrued", "language", "brief", "rest"),
    [
        (5_00, "ru", "Пени из них начислено 5,00 ₽", ", остальное начислим не позже дня оплаты"),
        (0, "ru", "Пени ещё не начислены", ", начислим не позже дня оплаты 14,25 ₽"),
        (20_00, "ru", "Пени начислено 20,00 ₽", ", лишнее снимем при следующем начислении"),
        (5_00, "en", "of it accrued: ₽5.00", ", the rest will be accrued by the day you pay"),
        (0, "en", "not accrued yet", "; it will be by the day you pay"),
        (20_00, "en", "accrued: ₽20.00", ", the next accrual will take off what is too much"),
    ],
)
def test_the_penalty_is_that_of_today_and_says_what_is_accrued(
    browser: Browser,
    services: FakeServices,
    accrued: int,
    language: str,
    brief: str,
    rest: str,
) -> None:
    services.answers["ledger", "balance"] = {**BALANCE, "penalty": accrued}
    line = due_line()
    line["balance"]["penalty"] = accrued
    owe(services, line)
    person = CabinetPerson(browser, language=language)
    assert brief + rest in main_of(person.get("/accounts/0001").text)
    words = main_of(person.get("/accounts").text)
    assert brief in words
    assert rest not in words


@pytest.mark.parametrize(
    ("accrued", "said"), [(0, "Пени не были начислены"), (5_00, "Пени из них начислено 5,00 ₽")]
)
def test_a_past_day_says_what_was_accrued(
    person: CabinetPerson, services: FakeServices, accrued: int, said: str
) -> None:
    past = {**BALANCE, "as_of": "2026-04-15", "penalty": accrued}
    services.answers["ledger", "balance"] = past
    assert f"{said} 14,25 ₽" in main_of(person.get("/accounts/0001?on=15.04.26").text)


def test_a_penalty_that_is_accrued_whole_is_not_explained(person: CabinetPerson) -> None:
    for path in ("/accounts/0001", "/accounts"):
        assert "начислено" not in main_of(person.get(path).text)


def test_an_advance_is_deducted_and_named(person: CabinetPerson, services: FakeServices) -> None:
    services.answers["ledger", "balance"] = {
        **BALANCE,
        **dict.fromkeys(("principal", "penalty", "penalty_due"), 0),
        "advance": 120_00,
        "services": [],
    }
    words = main_of(person.get("/accounts/0001").text)
    assert "Переплата 120,00 ₽" in words
    assert "Переплата, вычитается −120,00 ₽ Итого −120,00 ₽" in words


def test_the_balance_of_a_past_day_says_its_day(
    person: CabinetPerson, services: FakeServices
) -> None:
    services.answers["ledger", "balance"] = {**BALANCE, "as_of": "2026-04-15"}
    page = person.get("/accounts/0001?on=15.04.26").text
    assert "Долг на конец дня 15 апреля 2026 4 514,25 ₽" in main_of(page)
    [asked] = [given for _, method, given in services.calls if method == "balance"]
    assert asked["as_of"] == "2026-04-15"
    assert "Оплатить" not in main_of(page)


@pytest.mark.parametrize("typed", ["вчера", "31.02.2026", "01.01.2199"])
def test_a_day_that_is_none_or_to_come_is_refused_beside_its_field(
    person: CabinetPerson, typed: str
) -> None:
    page = person.get(f"/accounts/0001?on={typed}")
    assert page.status_code == 422
    assert 'id="on-error"' in page.text
    assert f'value="{typed}"' in page.text


def test_an_account_without_entries_owes_nothing(
    person: CabinetPerson, services: FakeServices
) -> None:
    services.answers["ledger", "balance"] = NotFound("account_not_found", "x")
    services.answers["ledger", "statements_between"] = lambda numbers, **_: {
        "accounts": [{"number": one, "movements": [], "totals": TOTALS} for one in numbers],
        "next": None,
    }
    words = main_of(person.get("/accounts/0001").text)
    assert "Долга нет" in words
    assert "За последний год движений не было." in words


def test_an_account_stands_without_the_ledger(
    person: CabinetPerson, services: FakeServices
) -> None:
    for method in ("balance", "statements_between", "charges"):
        services.answers["ledger", method] = Unavailable("service_unavailable", "x")
    page = person.get("/accounts/0001")
    assert page.status_code == 200
    assert "Сумму сейчас не видно" in main_of(page.text)
    assert "Владелец Иванов И. И." in main_of(page.text)


def test_another_persons_account_is_a_missing_page(person: CabinetPerson) -> None:
    assert person.get("/accounts/0002").status_code == 404


def test_the_last_account_stays_and_another_is_offered(person: CabinetPerson) -> None:
    page = person.get("/accounts/0001/unlink").text
    assert "без счёта кабинет пуст" in main_of(page)
    assert 'class="button main" href="/accounts/link"' in page
