"""The act of reconciliation and certificates: files of API and cabinet, and a page."""

from __future__ import annotations

import re
from typing import Any

import pypdfium2
import pytest
from account_access import owned_of
from cabinet_doubles import CabinetBrowser
from gateway_doubles import Browser, FakeServices
from gateway_samples import NO_TURNOVER, OWED, PAID, act
from test_cabinet_documents import ACCOUNT, NUMBER, STRANGERS

from shared.clock import SystemClock
from shared.errors import ValidationFailed


@pytest.fixture(autouse=True)
def played(services: FakeServices, cabinet: CabinetBrowser) -> None:
    services.answers["accounts", "linked"] = {"accounts": [ACCOUNT]}
    services.answers["accounts", "owns"] = lambda person_id, numbers: owned_of(numbers, NUMBER)
    services.answers["ledger", "reconciliation"] = act
    services.answers["ledger", "debt"] = OWED
    services.answers["ledger", "statements_between"] = lambda numbers, **_: {
        "accounts": [{"number": one, "movements": [], "totals": NO_TURNOVER} for one in numbers],
        "next": None,
    }
    cabinet.sign_in()


def text_of(response: Any) -> str:
    assert response.status_code == 200, response.get_data(as_text=True)
    assert response.headers["Content-Type"] == "application/pdf"
    assert response.headers["Cache-Control"] == "no-store"
    pages = pypdfium2.PdfDocument(response.data)
    return " ".join(" ".join(page.get_textpage().get_text_bounded() for page in pages).split())


def test_act_is_a_file_of_the_days_that_were_asked_for(
    cabinet: CabinetBrowser, browser: Browser
) -> None:
    page = cabinet.get(f"/accounts/{NUMBER}/statement?from=01.06.2026&to=30.06.2026")
    [link] = [link for link in page.links if "reconciliation" in link]
    for response in (
        cabinet.client.get(link.replace("&amp;", "&")),
        browser(
            "GET", f"/api/v1/accounts/{NUMBER}/reconciliation.pdf?from=2026-06-01&to=2026-06-30"
        ),
    ):
        text = text_of(response)
        for fact in (
            "Акт сверки взаимных расчётов",
            "С 1 июня 2026 по 30 июня 2026 включительно",
            "Иванов И. И.",
            "ул. Ленина, 5",
            "Входящий остаток на начало дня 1 июня 2026: долг плательщика 5 734,56 ₽",
            "На конец дня 30 июня 2026: долг плательщика 4 500,00 ₽",
            "20.06.2026 Оплата 1 234,56 4 500,00 ₽",
            "причитается ещё 14,25 ₽",
            "Подписи сторон",
            "Страница 1 / 1",
        ):
            assert fact in text
        assert response.headers["Content-Disposition"] == (
            f'inline; filename="reconciliation-{NUMBER}-2026-06-01-2026-06-30.pdf"'
        )


def test_papers_are_written_in_english_too(browser: Browser, services: FakeServices) -> None:
    english = {"Accept-Language": "en"}
    found = browser("GET", f"/api/v1/accounts/{NUMBER}/reconciliation.pdf", headers=english)
    assert "the payer owes ₽4,500.00" in text_of(found)
    services.answers["ledger", "debt"] = PAID
    found = browser("GET", f"/api/v1/accounts/{NUMBER}/certificate.pdf", headers=english)
    assert "At the end of 30 June 2026 nothing is owed" in text_of(found)


def test_paid_account_has_its_certificate(
    cabinet: CabinetBrowser, browser: Browser, services: FakeServices
) -> None:
    services.answers["ledger", "debt"] = PAID
    page = cabinet.get(f"/accounts/{NUMBER}/certificate?on=30.06.2026")
    assert page.status == 200
    assert "Долга нет на 30 июня 2026: ни за услуги, ни по пеням" in page.text
    link = f"/accounts/{NUMBER}/certificate.pdf?on=2026-06-30"
    assert link in page.links
    for response in (cabinet.client.get(link), browser("GET", f"/api/v1{link}")):
        assert "На конец дня 30 июня 2026 задолженности по лицевому счёту нет" in text_of(response)
    refused = browser("GET", f"/api/v1{link}&kind=debt")
    assert (refused.status_code, refused.json["code"]) == (409, "account_not_in_debt")


def test_account_in_debt_gets_no_certificate_but_that_of_its_debt(
    cabinet: CabinetBrowser, browser: Browser
) -> None:
    page = cabinet.get(f"/accounts/{NUMBER}/certificate?on=30.06.2026")
    assert "Пока не выдаётся: на 30 июня 2026 есть долг 4 514,25 ₽" in page.text
    path = f"/accounts/{NUMBER}/certificate.pdf?on=2026-06-30"
    assert path not in page.links
    refused = browser("GET", f"/api/v1{path}")
    assert (refused.status_code, refused.json["code"]) == (409, "account_in_debt")
    assert cabinet.get(path).status == 409
    text = text_of(browser("GET", f"/api/v1{path}&kind=debt"))
    assert "есть долг: 4 514,25 ₽" in text
    assert "Пени 14,25 ₽ Всего 4 514,25 ₽" in text
    assert browser("GET", f"/api/v1/accounts/{NUMBER}/debt").json["owed"] == 451425


def test_debt_of_today_is_offered_to_be_paid(
    cabinet: CabinetBrowser, services: FakeServices
) -> None:
    today = re.compile(rf'href="(/pay\?account={NUMBER})"')
    assert not today.search(cabinet.get(f"/accounts/{NUMBER}/certificate").markup)
    day = SystemClock().today().isoformat()
    services.answers["ledger", "debt"] = {**OWED, "on": day}
    assert today.search(cabinet.get(f"/accounts/{NUMBER}/certificate").markup)


@pytest.mark.parametrize("typed", ["завтра", "31.12.2099"])
def test_day_that_cannot_be_certified_is_asked_for_again(
    cabinet: CabinetBrowser, services: FakeServices, typed: str
) -> None:
    def debt(number: str, on: str | None) -> Any:
        if on == "2099-12-31":
            raise ValidationFailed("invalid_day", "A day to come.")
        return {**OWED, "number": number}

    services.answers["ledger", "debt"] = debt
    shown = cabinet.get(f"/accounts/{NUMBER}/certificate?on={typed}")
    assert shown.status == 422
    assert "Введите сегодняшний день или прошедший" in shown.text
    assert shown.fields["on"] == typed


@pytest.mark.parametrize("paper", ["certificate", "certificate.pdf", "reconciliation.pdf"])
def test_papers_of_others_do_not_exist(cabinet: CabinetBrowser, paper: str) -> None:
    assert cabinet.get(f"/accounts/{STRANGERS}/{paper}").status == 404
    assert cabinet.get(f"/accounts/drop-table/{paper}").status == 404
