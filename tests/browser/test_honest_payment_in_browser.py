"""Each fault of the bank once in Chromium, with the script that polls: the pages never lie."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest
from playwright.sync_api import Browser

from deploy.demo.acquirer_page import ASKS_FOR_CODE, CODE, CVC, EXPIRY
from tests.browser import honesty
from tests.browser.addresses import Resident, new_resident
from tests.browser.bank import Bank
from tests.browser.bank_modes import MODES, OPEN, PAID, Mode, is_as_wanted
from tests.browser.conftest import SCREENSHOTS
from tests.browser.instruction import log_in
from tests.browser.site import Site, Visitors
from tests.browser.visitor import Visitor
from tests.waiting import eventually

pytestmark = [pytest.mark.nodes, pytest.mark.slow]

OUTCOME_WITHIN_S = 60
AMOUNTS = count(20_01)
MEANT = "the server responded with a status of 50"
"""What Chromium's console says of the pages that a fault breaks."""


@pytest.fixture(scope="module")
def bank(site: Site) -> Iterator[Bank]:
    bank = Bank(site)
    yield bank
    bank.switch_on()


@pytest.fixture(scope="module")
def resident(site: Site) -> Resident:
    return new_resident(site, "0100000018", "0100000019")


@pytest.fixture(scope="module")
def visitor(chromium: Browser, site: Site, resident: Resident) -> Iterator[Visitor]:
    """One browser for all faults, signed in."""
    opened = Visitors(chromium, site, SCREENSHOTS)
    visitor = opened.open("bank-faults")
    visitor.open("/")
    log_in(visitor, resident.journey.person.email, resident.journey.person.own_password)
    visitor.page.wait_for_url("**/accounts")
    yield visitor
    opened.close()
    assert not [finding for finding in opened.findings() if MEANT not in finding]


@pytest.mark.parametrize("name", MODES)
def test_a_payer_sees_what_is_so(
    visitor: Visitor, bank: Bank, resident: Resident, name: str
) -> None:
    mode = MODES[name]
    payer = Payer(visitor, bank, resident, next(AMOUNTS))
    silent = {"drop_callbacks": True}
    bank.switch_on(**silent, **mode.registering)
    payer.order()
    # The bank's page leads back by itself, which is a reason to poll.
    bank.switch_on(**silent, **mode.charging, **mode.reporting)
    if mode.goes_on:
        payer.wait_for_bank()
    payer.enter_card(mode)
    payer.come_back()
    payer.wait_for(mode.finally_ if mode.goes_on else mode.outcome)
    bank.switch_on(end_sessions=True)
    payer.come_back()
    payer.wait_for(mode.finally_)
    visitor.look("-".join(name.split()))


def test_the_page_follows_by_itself(visitor: Visitor, bank: Bank, resident: Resident) -> None:
    payer = Payer(visitor, bank, resident, next(AMOUNTS))
    bank.switch_on(drop_callbacks=True, status_lags=True)
    payer.order()
    payer.enter_card(MODES["no fault"])
    payer.come_back()
    assert payer.look().outcome == OPEN
    bank.switch_on()
    assert bank.call_back(payer.payment_id) == 200
    # The script of the page polls and loads it anew.
    visitor.page.locator("h1", has_text="Оплачено").wait_for()
    assert payer.look().outcome == PAID


class Payer:
    """One payment over the resident's first account, made by clicks."""

    def __init__(self, visitor: Visitor, bank: Bank, resident: Resident, amount: int) -> None:
        self.visitor, self.bank, self.ledger = visitor, bank, resident.journey.client
        self.account, self.amount = resident.facts["account"], amount
        self.payment_id = ""

    def order(self) -> None:
        """Fill in «Оплатить» and send it."""
        visitor = self.visitor
        visitor.open(f"/pay?account={self.account}")
        roubles = f"{self.amount // 100},{self.amount % 100:02d}"
        visitor.fill(**{f"amount-{self.account}": roubles, f"penalty-{self.account}": "0"})
        visitor.click("Заплатить")
        self.payment_id = self.ledger.history()[0]["payment_id"]

    def enter_card(self, mode: Mode) -> None:
        """Enter the card where the bank's page is open."""
        page = self.visitor.page
        if not mode.card or page.url.startswith(self.visitor.url):
            return
        self.visitor.fill(card_number=mode.card, expiry=EXPIRY, cvc=CVC)
        self.visitor.submit_card()
        if mode.card == ASKS_FOR_CODE:
            self.visitor.fill(code=CODE)
            page.locator("form button").click()
        page.wait_for_load_state()

    def come_back(self) -> None:
        """Open the payment from «История платежей», and ask for news."""
        self.visitor.open("/payments?open=all")
        self.visitor.page.locator(f"a[href='/payments/{self.payment_id}']").click()
        self.look()
        if self.visitor.page.get_by_role("button", name="Проверить сейчас").count():
            self.visitor.click("Проверить сейчас")
            self.look()

    def wait_for_bank(self) -> None:
        """Let the page lead on by itself, once the bank works again."""
        assert self.visitor.heading == "Открываем страницу банка…"
        self.visitor.look("going-to-the-bank")
        self.visitor.page.wait_for_url(f"{self.bank.url}/**", timeout=50_000)
        assert self.ledger.history()[0]["payment_id"] == self.payment_id, "the same payment"

    def look(self) -> honesty.Said:
        """Assert that the page shown says nothing untrue."""
        self.visitor.page.wait_for_load_state()
        said = honesty.read_main(self.visitor.page.content())
        lines = (self.account, self.amount)
        lie = honesty.untrue(self.bank, self.ledger, self.payment_id, said, lines)
        assert not lie, f"{lie}: {said}"
        return said

    def wait_for(self, outcome: str) -> None:
        """Look at the page again and again, until it tells an outcome."""

        def is_told() -> bool:
            if is_as_wanted(self.look().outcome, outcome):
                return True
            self.visitor.page.reload()
            return False

        eventually(is_told, f"{outcome} on {self.visitor.page.url}", OUTCOME_WITHIN_S)
