"""«Платежи-Оплатить»: prefilled sums, refusals beside the field, the question above the debt."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from cabinet_person import (
    BANK_PAGE,
    KEY,
    CabinetPerson,
    due_line,
    history_of,
    main_of,
    owe,
    payment,
)
from gateway_doubles import THING, Browser, FakeServices

from shared.errors import Conflict, NotFound, Unavailable, ValidationFailed

STARTED = {
    "payment_id": THING,
    "total": 4_514_25,
    "redirect_url": BANK_PAGE,
    "state": "awaiting_payment",
}


@pytest.fixture(autouse=True)
def bank(services: FakeServices) -> None:
    owe(services, due_line())
    services.answers["payments", "history"] = history_of()
    services.answers["payments", "start"] = STARTED


def form(amount: str = "4500,00", penalty: str = "14,25", **more: str) -> dict[str, str]:
    fields = {"amount-0001": amount, "penalty-0001": penalty, "was-0001": "450000.1425"}
    return {**fields, "_command": KEY, **more}


def started(services: FakeServices) -> list[Any]:
    return [given["lines"] for _, method, given in services.calls if method == "start"]


def value_of(page: str, name: str) -> str:
    found = re.search(rf'name="{name}"[^>]*value="([^"]*)"', page)
    assert found, name
    return unescape(found[1])


def test_sums_are_prefilled_with_what_is_due(person: CabinetPerson) -> None:
    page = person.get("/pay").text
    assert value_of(page, "amount-0001") == "4500,00"
    assert value_of(page, "penalty-0001") == "14,25"
    assert "К оплате 4 514,25 ₽" in main_of(page)
    assert "Комиссия 0 ₽" in main_of(page)
    assert "на странице банка" in main_of(page)


def test_enter_pays(person: CabinetPerson) -> None:
    page = person.get("/pay").text
    inside = page[page.index('action="/pay"') :]
    buttons = re.findall(r"<button[^>]*>([^<]+)</button>", inside)
    assert buttons[:2] == ["Заплатить", "Пересчитать"]


def test_the_policy_lets_the_form_lead_to_the_bank(person: CabinetPerson) -> None:
    policy = person.get("/pay").headers["Content-Security-Policy"]
    assert "form-action 'self' https://bank.example;" in policy
    elsewhere = person.get("/payments").headers["Content-Security-Policy"]
    assert "bank.example" not in elsewhere


def test_one_account_puts_zeros_at_the_others(
    person: CabinetPerson, services: FakeServices
) -> None:
    owe(services, due_line(), due_line("0002", 100_00, 0))
    page = person.get("/pay?account=0002").text
    assert value_of(page, "amount-0001") == "0,00"
    assert value_of(page, "amount-0002") == "100,00"
    assert "Останется долг: 4 514,25 ₽" in main_of(page)
    assert person.get("/pay?account=0009").status_code == 404


def test_the_order_leads_straight_to_the_bank(
    person: CabinetPerson, services: FakeServices
) -> None:
    response = person.post("/pay", form())
    assert (response.status_code, response.headers["Location"]) == (303, BANK_PAGE)
    assert started(services) == [[{"account": "0001", "amount": 4_500_00, "penalty": 14_25}]]


def test_posts_of_one_form_are_one_command(person: CabinetPerson, services: FakeServices) -> None:
    answers = {person.post("/pay", form()).headers["Location"] for _ in range(20)}
    assert answers == {BANK_PAGE}
    commands = {
        command
        for (_, method, _), command in zip(services.calls, services.command_ids, strict=True)
        if method == "start"
    }
    assert len(commands) == 1


def test_an_account_with_two_zeros_is_left_out(
    person: CabinetPerson, services: FakeServices
) -> None:
    owe(services, due_line(), due_line("0002", 100_00, 0))
    fields = {"amount-0002": "100", "penalty-0002": "", "was-0002": "10000.0"}
    person.post("/pay", form("0", "0,00", **fields))
    assert started(services) == [[{"account": "0002", "amount": 100_00, "penalty": 0}]]


@pytest.mark.parametrize("amount", ["4 500,00", "4500.00 р", "4,500.00", "4500", "４５００"])
def test_sums_in_any_spelling(person: CabinetPerson, services: FakeServices, amount: str) -> None:
    assert person.post("/pay", form(amount)).status_code == 303
    assert started(services)[0][0]["amount"] == 4_500_00


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        ("0", "Все суммы равны нулю"),
        ("-5", "Сумма со знаком минус не подходит"),
        ("пять", "Введите сумму цифрами"),
        ("1,2,3", "Введите сумму цифрами"),
        ("12,345", "Введите сумму цифрами"),
    ],
)
def test_wrong_sums_are_refused_beside_their_field(
    person: CabinetPerson, services: FakeServices, amount: str, words: str
) -> None:
    response = person.post("/pay", form(amount, "0"))
    assert response.status_code == 422
    assert f'value="{amount}"' in response.text
    beside = re.search(r'id="amount-0001-error">(.*?)</p>', response.text, re.DOTALL)
    assert beside
    assert words in beside[1]
    assert "<title>Ошибка:" in response.text
    assert started(services) == []


def test_a_form_without_its_command_pays_nothing(
    person: CabinetPerson, services: FakeServices
) -> None:
    for _ in range(2):
        response = person.post("/pay", form(_command=""))
        assert response.status_code == 200
        assert value_of(response.text, "_command")
    assert started(services) == []


def test_recounting_pays_nothing(person: CabinetPerson, services: FakeServices) -> None:
    response = person.post("/pay", form("1000", "0", _recount="yes"))
    assert response.status_code == 200
    assert "Итого 1 000,00 ₽" in main_of(response.text)
    assert "Останется долг: 3 514,25 ₽" in main_of(response.text)
    assert value_of(response.text, "amount-0001") == "1000"
    assert started(services) == []


def test_more_than_the_debt_is_asked_once(person: CabinetPerson, services: FakeServices) -> None:
    asked = person.post("/pay", form("5000"))
    assert asked.status_code == 303
    assert asked.headers["Location"].startswith("/pay/check?order=")
    assert started(services) == []

    question = person.get(asked.headers["Location"])
    assert "Вы платите больше долга" in main_of(question.text)
    assert "Больше долга на 500,00 ₽" in main_of(question.text)
    assert "https://bank.example" in question.headers["Content-Security-Policy"]
    names = ("amount-0001", "penalty-0001", "was-0001", "confirmed", "_command")
    hidden = {name: value_of(question.text, name) for name in names}
    assert hidden["_command"] == KEY
    assert person.post("/pay", hidden).headers["Location"] == BANK_PAGE
    assert started(services) == [[{"account": "0001", "amount": 5_000_00, "penalty": 14_25}]]


def test_a_debt_that_changed_is_shown_old_and_new(
    person: CabinetPerson, services: FakeServices
) -> None:
    owe(services, due_line(amount=4_700_00))
    asked = person.post("/pay", form())
    question = main_of(person.get(asked.headers["Location"]).text)
    assert "Долг изменился, пока страница была открыта" in question
    assert "Сумма 4 500,00 ₽ 4 700,00 ₽ 4 500,00 ₽" in question
    assert "Взять новые суммы" in question
    assert started(services) == []


def test_the_question_of_another_person_is_not_shown(
    person: CabinetPerson, services: FakeServices
) -> None:
    asked = person.post("/pay", form("5000")).headers["Location"]
    services.answers["identity", "authenticate"] |= {"person_id": KEY}
    assert person.get(asked).headers["Location"] == "/pay"
    assert person.get("/pay/check?order=forged").headers["Location"] == "/pay"


def test_nothing_due_can_be_paid_in_advance(person: CabinetPerson, services: FakeServices) -> None:
    owe(services, due_line(amount=0, penalty=0))
    page = person.get("/pay").text
    assert "Долга нет, можно внести вперёд" in main_of(page)
    assert value_of(page, "amount-0001") == "0,00"


def test_without_an_account_the_page_leads_to_linking(
    person: CabinetPerson, services: FakeServices
) -> None:
    owe(services)
    page = person.get("/pay").text
    assert 'href="/accounts/link"' in page
    assert "Заплатить" not in main_of(page)


@pytest.mark.parametrize(
    ("state", "outcome"),
    [
        ("captured", None),
        ("unknown", "unknown"),
        ("mismatch", "mismatch"),
        ("awaiting_payment", "unknown"),
    ],
)
def test_no_second_pay_button_while_money_may_be_on_its_way(
    person: CabinetPerson, services: FakeServices, state: str, outcome: str | None
) -> None:
    services.answers["payments", "history"] = history_of(payment(state, outcome=outcome))
    page = person.get("/pay").text
    assert "Не платите второй раз" in main_of(page)
    assert f'href="/payments/{THING}"' in page
    assert "Заплатить" not in main_of(page)
    assert "amount-0001" not in page

    owe(services, due_line(), due_line("0002"))
    page = person.get("/pay").text
    assert "amount-0001" not in page
    assert "amount-0002" in page


@pytest.mark.parametrize("state", ["completed", "partly_refunded", "refunded", "failed", "expired"])
def test_a_decided_payment_closes_nothing(
    person: CabinetPerson, services: FakeServices, state: str
) -> None:
    services.answers["payments", "history"] = history_of(payment(state))
    assert "amount-0001" in person.get("/pay").text


def test_what_had_no_answer_goes_on_by_the_same_command(
    person: CabinetPerson, services: FakeServices
) -> None:
    services.answers["payments", "start"] = Unavailable("service_unavailable", "x")
    response = person.post("/pay", form())
    assert (response.status_code, response.headers["Retry-After"]) == (503, "5")
    assert value_of(response.text, "_command") == KEY
    assert "Карта не тронута" in main_of(response.text)
    assert "второго не будет" in main_of(response.text)


@pytest.mark.parametrize(
    ("refusal", "status", "words"),
    [
        (ValidationFailed("amount_too_large", "x", limit=50_00), 422, "до 50,00 ₽. Заплатите"),
        (Conflict("payment_open", "x", payment_id=THING), 409, "банк его не закрывает"),
        (Conflict("too_many_open_payments", "x", limit=3), 409, "больше 3 начать нельзя"),
        (Conflict("command_reused", "x"), 422, "уже начат платёж с другими суммами"),
        (NotFound("account_not_linked", "x"), 422, "счёт"),
    ],
)
def test_what_payments_refuses_is_said_on_the_form(
    person: CabinetPerson, services: FakeServices, refusal: Exception, status: int, words: str
) -> None:
    services.answers["payments", "start"] = refusal
    response = person.post("/pay", form())
    assert response.status_code == status
    assert words in main_of(response.text)
    assert value_of(response.text, "amount-0001") == "4500,00"
    assert value_of(response.text, "_command") != KEY


def test_more_than_the_largest_payment_is_refused_before_any_question(
    person: CabinetPerson, services: FakeServices
) -> None:
    response = person.post("/pay", form("299 990,00", "14,25"))
    assert response.status_code == 422
    beside = re.search(r'id="amount-0001-error">(.*?)</p>', response.text, re.DOTALL)
    assert beside
    assert "до 300\u00a0000,00\u00a0₽. Заплатите частями." in beside[1]
    assert 'value="299 990,00"' in response.text
    assert person.post("/pay", form("299 985,75", "14,25")).status_code == 303
    assert started(services) == []


def test_the_account_of_another_person_is_not_paid(
    person: CabinetPerson, services: FakeServices
) -> None:
    fields = form() | {"amount-0002": "1,00", "penalty-0002": "0", "was-0002": "0.0"}
    assert person.post("/pay", fields).status_code == 404
    assert started(services) == []


def test_payments_in_english(browser: Browser) -> None:
    page = main_of(CabinetPerson(browser, language="en").get("/pay").text)
    assert "To pay ₽4,514.25" in page
    assert not re.search(r"[а-яё]", page.replace("ул. Ленина", "").replace("Адрес", ""), re.I)
