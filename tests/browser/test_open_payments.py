"""One debt, one order: two tabs, other sums, «back», refunds at the bank, and the file of it all.

The bank is asked what it took; every page is looked at in a narrow window without scripts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest
import requests

from deploy.demo.acquirer_page import CVC, EXPIRY, PAYS, Payer
from deploy.demo.letters import Mailbox
from deploy.demo.person import Journey
from tests.browser import honesty
from tests.browser.bank import Bank
from tests.browser.instruction import log_in
from tests.browser.plain_client import PlainClient
from tests.browser.site import Site, Visitors
from tests.browser.visitor import Visitor
from tests.waiting import eventually

pytestmark = [pytest.mark.nodes, pytest.mark.slow]

AMOUNTS = count(30_01)
LED_ON_WITHIN_MS = 55_000
"""The page looks for the bank's for a minute; the worker registers the order within seconds."""
GIVEN_BACK_WITHIN_S = 120
"""A charge of another sum is returned once it has been reported twice, half a minute apart."""


@pytest.fixture(scope="module")
def bank(site: Site) -> Iterator[Bank]:
    bank = Bank(site)
    yield bank
    bank.switch_on()


class Person:
    """A payer with one account: her pages without scripts, and the API."""

    def __init__(self, site: Site, account: str) -> None:
        self.journey: Journey = site.new_person(account)
        self.account = account
        self.pages = PlainClient(site.url, self.journey.person)
        self.client = self.journey.client

    def form(self, amount: int) -> dict[str, str]:
        """Return the form of «Оплатить» as a tab of its own shows it, with a sum typed in."""
        fields = self.pages.form("/pay", "/pay") | {
            f"amount-{self.account}": f"{amount / 100:.2f}",
            f"penalty-{self.account}": "0",
            "confirmed": "yes",
        }
        fields.pop("_recount", None)
        return fields

    def send(self, fields: dict[str, str]) -> requests.Response:
        return self.pages.post("/pay", fields)

    def pay(self, amount: int) -> str:
        """Pay a sum by card; return the payment."""
        page = self.send(self.form(amount)).headers["Location"]
        Payer().pay(page)
        return self.newest()

    def newest(self) -> str:
        return str(self.client.history()[0]["payment_id"])

    def said(self, payment_id: str) -> honesty.Said:
        return honesty.read_main(self.pages.get(f"/payments/{payment_id}").text)

    def sees(self, payment_id: str, words: str) -> Callable[[], bool]:
        """Return whether the page of a payment has these words by now, asking for news."""

        def is_told() -> bool:
            self.client.payment(payment_id, refresh=True)
            said = self.said(payment_id)
            return words in f"{said.heading}. {said.text}".replace("\u00a0", " ")

        return is_told


def test_two_tabs_make_one_order_of_one_debt(site: Site, bank: Bank) -> None:
    bank.switch_on(drop_callbacks=True)
    person = Person(site, "0100000031")
    amount = next(AMOUNTS)
    tabs = [person.form(amount) for _ in range(4)]
    assert len({tab["_command"] for tab in tabs}) == 4
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(person.send, tabs))
    assert {answer.status_code for answer in answers} == {303}
    assert len(person.client.history()) == 1
    payment_id = person.newest()
    later = person.send(person.form(amount)).headers["Location"]
    Payer().pay(later)
    bank.switch_on()
    eventually(person.sees(payment_id, "Оплачено"), "the one payment")
    assert honesty.postings(person.client, person.account, amount) == 1
    assert len(person.client.history()) == 1


def test_other_sums_close_the_payment_that_is_open(site: Site, bank: Bank) -> None:
    bank.switch_on()
    person = Person(site, "0100000032")
    first_page = person.send(person.form(next(AMOUNTS))).headers["Location"]
    first = person.newest()
    notice = person.pages.get("/pay").text
    assert f'href="/payments/{first}/go"' in notice
    assert person.pages.get(f"/payments/{first}/go").headers["Location"] == first_page
    second_page = person.send(person.form(next(AMOUNTS))).headers["Location"]
    second = person.newest()
    assert second != first
    assert person.said(first).heading == "Вместо этого платежа начат другой"
    assert person.pages.get(f"/payments/{first}/go").headers["Location"] == f"/payments/{first}"
    Payer().pay(second_page)
    eventually(person.sees(second, "Оплачено"), "the second payment")
    assert not bank.has_charged(first)


def test_a_paid_order_is_not_replaced(site: Site, bank: Bank) -> None:
    bank.switch_on(drop_callbacks=True)
    person = Person(site, "0100000033")
    page = person.send(person.form(next(AMOUNTS))).headers["Location"]
    first = person.newest()
    other = person.form(next(AMOUNTS))
    Payer().pay(page)
    bank.switch_on(drop_callbacks=True, lose_status_answer=True)
    refused = person.send(other)
    assert refused.status_code == 409
    assert f'href="/payments/{first}"' in refused.text
    assert len(person.client.history()) == 1
    bank.switch_on()
    eventually(person.sees(first, "Оплачено"), "the payment that was in the way")


@pytest.mark.parametrize(("language", "account"), [("ru", "0100000034"), ("en", "0100000035")])
def test_a_narrow_window_without_scripts_shows_the_way_of_a_payment(
    site: Site, bank: Bank, visitors: Visitors, language: str, account: str
) -> None:
    bank.switch_on()
    person = Person(site, account)
    visitor = visitors.open(f"payments-{language}", scripts=False, width=320, language=language)
    visitor.open("/")
    log_in(visitor, person.journey.person.email, person.journey.person.own_password)
    visitor.page.wait_for_url("**/accounts")
    payment_id = _ordered_by_a_double_click(visitor, person, bank)
    visitor.open("/pay")
    visitor.sees("что с ним")
    visitor.look("open")
    visitor.page.locator(f"a[href='/payments/{payment_id}/go']").click()
    visitor.page.wait_for_url(f"{bank.url}/**")
    visitor.fill(card_number=PAYS, expiry=EXPIRY, cvc=CVC)
    visitor.submit_card()
    eventually(person.sees(payment_id, "Оплачено"), "the payment")
    bank.refund(payment_id, 4_00)
    eventually(person.sees(payment_id, "Возвращено 4,00 ₽ из"), "the refund at the bank")
    assert not honesty.untrue(
        bank, person.client, payment_id, person.said(payment_id), (person.account, 10_00)
    )
    visitor.open(f"/payments/{payment_id}?open=all")
    visitor.sees("Банк вернул на карту сам")
    visitor.look("returned")
    visitor.open(f"/payments/{payment_id}/receipt")
    visitor.sees("Возвраты")
    visitor.look("receipt")
    _history_and_its_file(visitor)
    assert len(person.client.history()) == 1


def _ordered_by_a_double_click(visitor: Visitor, person: Person, bank: Bank) -> str:
    """Order ten roubles by a double click, and again after «back»; return the payment.

    The bank loses what it answers to the order; the page leads on to it all the same.
    """
    bank.switch_on(lose_register_answer=True)
    visitor.open("/pay")
    name = f"amount-{person.account}"
    visitor.fill(**{name: "10", f"penalty-{person.account}": "0"})
    visitor.page.get_by_role("button", name=visitor.words("Заплатить")).dblclick()
    visitor.page.wait_for_url("**/go")
    visitor.sees("Открываем страницу банка…")
    visitor.look("going-to-the-bank")
    payment_id = person.newest()
    bank.switch_on()
    visitor.page.wait_for_url(f"{bank.url}/**", timeout=LED_ON_WITHIN_MS)
    visitor.page.go_back()
    assert visitor.page.url == f"{visitor.url}/pay", "not again to the page that led on"
    visitor.fill(**{name: "10", f"penalty-{person.account}": "0"})
    visitor.click("Заплатить")
    visitor.page.wait_for_url(f"{bank.url}/**")
    assert [one["payment_id"] for one in person.client.history()] == [payment_id]
    return payment_id


def _history_and_its_file(visitor: Visitor) -> None:
    """Choose what was returned, and save it as a file."""
    visitor.open("/payments?open=all")
    visitor.select("state", 2)
    visitor.click("Показать")
    assert "state=returned" in visitor.page.url
    visitor.sees("Возвращён частично")
    visitor.look("history")
    with visitor.page.expect_download() as saved:
        visitor.click("Скачать CSV", "link")
    text = saved.value.path().read_text("utf-8-sig")
    assert saved.value.suggested_filename == "payments-returned.csv"
    assert ";10,00;0,00;10,00;4,00;" in text
    visitor.select("state", 3)
    visitor.click("Показать")
    visitor.sees("Таких платежей нет. Выберите другой год, другое состояние или все счета.")


def test_a_charge_of_another_sum_is_told_and_goes_back(site: Site, bank: Bank) -> None:
    bank.switch_on(charges_other_amount=100)
    person = Person(site, "0100000036")
    amount = next(AMOUNTS)
    payment_id = person.pay(amount)
    bank.switch_on()
    eventually(person.sees(payment_id, "Банк сообщил другую сумму"), "the other sum")
    said = person.said(payment_id)
    assert re.search(r"Заказано \S+ ₽, банк сообщает о", said.text.replace("\u00a0", " "))
    assert not said.offers_payment
    assert "Платёж" in person.pages.get("/pay").text
    told = person.sees(payment_id, "Банк вернул деньги")

    def is_given_back() -> bool:
        found = told()
        lie = honesty.untrue(
            bank, person.client, payment_id, person.said(payment_id), (person.account, amount)
        )
        assert not lie
        return found

    eventually(is_given_back, "the other sum given back", seconds=GIVEN_BACK_WITHIN_S)
    assert not bank.has_taken_money(payment_id)
    assert honesty.postings(person.client, person.account, amount) == 0
    eventually(lambda: _has_letter(site.mailbox, person, "Банк сообщил другую сумму"), "the letter")


def _has_letter(mailbox: Mailbox, person: Person, subject: str) -> bool:
    letters = mailbox.letters_to(person.journey.person.email)
    return sum(subject in letter.subject for letter in letters) == 1
