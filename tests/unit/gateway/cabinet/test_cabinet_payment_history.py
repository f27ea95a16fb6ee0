"""The history of payments: by month, filtered, and what each payment has settled."""

from __future__ import annotations

import re

import pytest
from cabinet_person import (
    CabinetPerson,
    due_line,
    history_of,
    main_of,
    owe,
    payment,
    returned,
    settle,
)
from gateway_doubles import THING, Browser, FakeServices

from shared.errors import Unavailable

PAGE = f"/payments/{THING}"


@pytest.fixture(autouse=True)
def posted(services: FakeServices) -> None:
    settle(services)


def test_the_history_opens_by_month_into_what_was_settled(
    person: CabinetPerson, services: FakeServices
) -> None:
    older = payment("failed", failure="declined", created_at="2026-04-30T22:30:00+00:00")
    services.answers["payments", "history"] = history_of(payment(), older, following=5)
    page = person.get("/payments").text
    words = main_of(page)
    assert page.count("<h2>Май") == 1  # half past one of 1 May at the billing office
    assert "Отклонён" in words
    assert "Отопление апрель 2026 4 000,00 ₽" in words
    assert "water долг на начало 400,00 ₽" in words
    assert "Вперёд зачтётся в следующих начислениях 100,00 ₽" in words
    assert "Пени 14,25 ₽" in words
    assert f'href="{PAGE}/receipt"' in page
    assert "<details open" not in page.replace(' class="opening"', "")
    following = re.search(r'href="(/payments\?before=[^"]+)"', page)
    assert following
    person.get(following[1])
    reads = [given for _, method, given in services.calls if method == "history"]
    assert reads[-1]["before"] == 5
    opened = person.get("/payments?open=all").text
    assert opened.count('<details class="opening" open') == 2


def test_the_history_is_filtered_by_account_and_year(
    person: CabinetPerson, services: FakeServices
) -> None:
    owe(services, due_line("0001"), due_line("0002"))
    services.answers["payments", "history"] = history_of(payment(), following=5)
    page = person.get("/payments?account=0002&year=2026").text
    [asked] = [given for _, method, given in services.calls if method == "history"]
    assert asked["account"] == "0002"
    assert asked["since"] == "2026-01-01T00:00:00+03:00"
    assert asked["until"] == "2027-01-01T00:00:00+03:00"
    assert '<option value="0002" selected>' in page
    assert '<option value="2026" selected>' in page
    assert "/payments?account=0002&amp;year=2026&amp;before=" in page
    services.answers["payments", "history"] = history_of()
    empty = person.get("/payments?account=0002&year=2026").text
    assert "Таких платежей нет" in empty
    assert 'class="button main" href="/payments"' in empty


def test_the_history_has_its_totals_its_state_and_its_file(
    person: CabinetPerson, services: FakeServices
) -> None:
    services.answers["payments", "history"] = history_of(returned(), payment("failed"))
    page = person.get("/payments?account=0001&year=2026&state=returned").text
    words = main_of(page)
    assert "За 2026 год: 2 платежа, оплачено 4 514,25 ₽ , возвращено 1 000,00 ₽" in words
    assert "Возвращён частично 0001; возвращено 1 000,00 ₽" in words
    assert '<option value="returned" selected>' in page
    assert 'href="/payments.csv?account=0001&amp;year=2026&amp;state=returned"' in page
    saved = person.get("/payments.csv?account=0001&year=2026&state=returned")
    assert saved.status_code == 200
    assert saved.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert "Возвращён частично;0001;4500,00;14,25;4514,25;1000,00;" in saved.text
    asked = [given for _, method, given in services.calls if method == "history"]
    assert {tuple(one["states"]) for one in asked} == {("partly_refunded", "refunded")}
    assert "Всего: 2 платежа" in main_of(person.get("/payments").text)


def test_the_history_stands_without_the_ledger(
    person: CabinetPerson, services: FakeServices
) -> None:
    services.answers["payments", "history"] = history_of(payment())
    services.answers["ledger", "postings_of_payments"] = Unavailable("service_unavailable", "x")
    page = person.get("/payments")
    assert page.status_code == 200
    assert "сейчас не видно" in main_of(page.text)
    assert "Услуги 4 500,00 ₽" in main_of(page.text)


def test_an_empty_history_has_a_next_step(person: CabinetPerson, services: FakeServices) -> None:
    services.answers["payments", "history"] = history_of()
    page = person.get("/payments").text
    assert "Платежей пока нет" in page
    assert 'class="button main" href="/pay"' in page


def test_the_history_speaks_english(browser: Browser, services: FakeServices) -> None:
    services.answers["payments", "history"] = history_of(payment())
    page = main_of(CabinetPerson(browser, language="en").get("/payments").text)
    assert not re.search(r"[а-яё]", page.replace("Отопление", ""), re.IGNORECASE)
