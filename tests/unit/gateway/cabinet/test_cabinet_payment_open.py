"""A payment that is open: the way on to the bank, other sums in its place, the bank to choose."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cabinet_doubles import SETTINGS, CabinetBrowser
from cabinet_person import (
    BANK_PAGE,
    CabinetPerson,
    due_line,
    history_of,
    main_of,
    owe,
    payment,
)
from gateway_doubles import THING, Browser, FakeServices

from shared.acquirer_settings import AcquirerSettings
from shared.config import Settings
from shared.errors import Conflict, NotFound, Unavailable

PAGE = f"/payments/{THING}"
GO = f"{PAGE}/go"
TWO_BANKS = replace(
    SETTINGS,
    acquirers=(
        AcquirerSettings("main", "rbs", "https://bank.example", title="Первый банк"),
        AcquirerSettings(
            "kassa", "yookassa", "https://api.kassa.example", pages=("https://kassa.example",)
        ),
    ),
)


@pytest.fixture(autouse=True)
def debts(services: FakeServices) -> None:
    owe(services, due_line(), due_line("0002"))
    services.answers["payments", "history"] = history_of()


def started(minutes: float) -> str:
    return (datetime.now(UTC) - timedelta(minutes=minutes)).isoformat()


def show(services: FakeServices, state: str, **changes: Any) -> None:
    services.answers["payments", "payment"] = payment(state, **changes)


def test_the_way_leads_on_to_the_bank_as_soon_as_its_page_is_known(
    person: CabinetPerson, services: FakeServices
) -> None:
    show(services, "awaiting_payment")
    answer = person.get(GO)
    assert (answer.status_code, answer.headers["Location"]) == (303, BANK_PAGE)


def test_a_page_on_another_host_is_opened_without_a_redirect(
    person: CabinetPerson, services: FakeServices
) -> None:
    elsewhere = "https://pay.example/confirm?orderId=1"
    show(services, "awaiting_payment", redirect_url=elsewhere)
    answer = person.get(GO)
    assert (answer.status_code, answer.headers["Refresh"]) == (200, f"0; url={elsewhere}")
    assert f'href="{elsewhere}"' in answer.text


def test_the_way_waits_for_the_bank_without_a_script(
    person: CabinetPerson, services: FakeServices
) -> None:
    show(services, "created", created_at=started(0.1))
    answer = person.get(GO)
    assert (answer.status_code, answer.headers["Refresh"]) == (200, "2")
    assert "Открываем страницу банка…" in main_of(answer.text)
    assert "карта не тронута" in main_of(answer.text)
    assert f'href="{PAGE}"' in answer.text
    assert {given["refresh"] for _, method, given in services.calls if method == "payment"} == {
        False
    }


def test_the_way_does_not_wait_for_ever(person: CabinetPerson, services: FakeServices) -> None:
    show(services, "created", created_at=started(1.1))
    answer = person.get(GO)
    assert answer.status_code == 200
    assert "Refresh" not in answer.headers
    assert "Банк пока не отвечает" in main_of(answer.text)
    assert "Карта не тронута" in main_of(answer.text)
    assert 'href="/pay">Вернуться к оплате</a>' in answer.text


@pytest.mark.parametrize("state", ["unknown", "mismatch", "captured", "completed", "failed"])
def test_the_way_of_a_payment_that_needs_no_card_ends_at_its_page(
    person: CabinetPerson, services: FakeServices, state: str
) -> None:
    show(services, state)
    assert person.get(GO).headers["Location"] == PAGE


def test_the_way_of_another_persons_payment_is_a_missing_page(
    person: CabinetPerson, services: FakeServices
) -> None:
    services.answers["payments", "payment"] = NotFound("payment_not_found", "x")
    assert person.get(GO).status_code == 404


@pytest.mark.parametrize(
    ("state", "words"),
    [("created", "деньги по нему не списаны"), ("awaiting_payment", "если карта по нему ещё")],
)
def test_an_open_payment_may_go_on_or_be_replaced(
    person: CabinetPerson, services: FakeServices, state: str, words: str
) -> None:
    services.answers["payments", "history"] = history_of(payment(state))
    page = person.get("/pay").text
    assert f'href="{GO}"' in page
    assert words in main_of(page)
    assert "сам он закроется обычно в 14 мая 2026, 12:50" in main_of(page)
    assert 'name="amount-0001"' in page


def test_a_payment_whose_page_nobody_saw_blocks_nothing(
    person: CabinetPerson, services: FakeServices
) -> None:
    services.answers["payments", "history"] = history_of(payment("created", outcome="unknown"))
    assert 'name="amount-0001"' in person.get("/pay").text


@pytest.mark.parametrize(
    "started_at_ours", [f"http://localhost:18080{GO}", "https://pay.example/confirm"]
)
def test_an_order_without_a_page_that_the_form_may_open_waits_on_ours(
    person: CabinetPerson, services: FakeServices, started_at_ours: str
) -> None:
    services.answers["payments", "start"] = {
        "payment_id": THING,
        "total": 1_00,
        "redirect_url": started_at_ours,
        "state": "created",
    }
    assert person.post("/pay", order()).headers["Location"] == GO
    services.answers["payments", "start"] |= {"redirect_url": None, "state": "completed"}
    assert person.post("/pay", order()).headers["Location"] == PAGE


def test_a_payment_that_cannot_be_closed_is_linked_where_it_is_in_the_way(
    person: CabinetPerson, services: FakeServices
) -> None:
    services.answers["payments", "history"] = history_of(payment("awaiting_payment"))
    services.answers["payments", "start"] = Conflict("payment_open", "x", payment_id=THING)
    answer = person.post("/pay", order())
    assert answer.status_code == 409
    assert "банк его не закрывает" in main_of(answer.text)
    assert f'href="{PAGE}"' in answer.text


def test_one_bank_is_no_choice(person: CabinetPerson) -> None:
    assert 'name="acquirer"' not in person.get("/pay").text


def test_one_of_several_banks_is_chosen(
    cabinet_of: Callable[[Settings], CabinetBrowser], services: FakeServices
) -> None:
    services.answers["payments", "start"] = {
        "payment_id": THING,
        "total": 1_00,
        "redirect_url": "https://kassa.example/page",
        "state": "awaiting_payment",
    }
    cabinet = cabinet_of(TWO_BANKS)
    cabinet.sign_in()
    page = cabinet.get("/pay")
    assert "Карта, Первый банк Карта, kassa" in page.text
    assert page.fields["acquirer"] == "main"
    policy = page.headers["Content-Security-Policy"]
    assert "form-action 'self' https://bank.example https://kassa.example;" in policy
    chosen = cabinet.post("/pay", {**page.fields, "acquirer": "kassa"})
    assert chosen.location == "https://kassa.example/page"
    cabinet.post("/pay", {**page.fields, "acquirer": "stranger"})
    asked = [given["acquirer"] for _, method, given in services.calls if method == "start"]
    assert asked == ["kassa", "main"]


def test_the_chosen_bank_survives_the_question(
    cabinet_of: Callable[[Settings], CabinetBrowser], services: FakeServices
) -> None:
    cabinet = cabinet_of(TWO_BANKS)
    cabinet.sign_in()
    fields = cabinet.get("/pay").fields | {"acquirer": "kassa", "amount-0001": "5000,00"}
    question = cabinet.get(cabinet.post("/pay", fields).location)
    assert question.fields["acquirer"] == "kassa"


def test_a_code_for_faster_payments_stands_beside_the_card(
    person: CabinetPerson, services: FakeServices
) -> None:
    link = "https://qr.nspk.example/AS10003P3RH0LJ2A9ROO038L6NT5RU1M"
    for answer, stands in (
        ({"payload": None}, False),
        (Unavailable("service_unavailable", "x"), False),
        ({"payload": link}, True),
    ):
        services.answers["payments", "faster_payment"] = answer
        show(services, "awaiting_payment")
        page = person.get(PAGE).text
        assert ("Или через СБП" in main_of(page)) is stands
        assert (re.search(r'class="qr" role="img"[^>]*><svg', page) is not None) is stands
        assert (f'href="{link}"' in page) is stands
    services.calls.clear()
    for state in ("created", "unknown", "completed"):
        show(services, state)
        assert "СБП" not in main_of(person.get(PAGE).text)
    assert not [method for _, method, _ in services.calls if method == "faster_payment"]


def test_the_way_speaks_english(browser: Browser, services: FakeServices) -> None:
    services.answers["payments", "history"] = history_of(payment("awaiting_payment"))
    english = CabinetPerson(browser, language="en")
    for minutes in (0.1, 2):
        show(services, "created", created_at=started(minutes))
        assert not re.search("[а-яё]", main_of(english.get(GO).text), re.IGNORECASE)
    services.answers["payments", "faster_payment"] = {"payload": "https://qr.example/1"}
    show(services, "awaiting_payment")
    assert not re.search("[а-яё]", main_of(english.get(PAGE).text), re.IGNORECASE)


def order() -> dict[str, str]:
    """Return the form of a payment of what is due on the first account."""
    fields = {"amount-0001": "4500,00", "penalty-0001": "14,25", "was-0001": "450000.1425"}
    return {**fields, "_command": "9d9f0a52-6d11-4a0e-9a3f-1f5a2f0f1b09"}
