"""All faults of the bank, in every order of callback, return and poll: the pages never lie.

At every moment the page is compared with the bank's own orders and with the ledger.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest

from deploy.demo.acquirer_page import PAYS, PageError, Payer
from tests.browser import honesty
from tests.browser.bank import Bank
from tests.browser.bank_modes import MODES, OPEN, PAID, is_as_wanted
from tests.browser.plain_client import PlainClient, heading_of
from tests.browser.site import Site
from tests.waiting import eventually

pytestmark = [pytest.mark.nodes, pytest.mark.slow]


class Attempt:
    """One payment of one person over one account, seen through the pages without a script."""

    def __init__(self, bank: Bank, person: Resident, amount: int) -> None:
        self.bank = bank
        self.client = person.pages
        self.ledger = person.ledger
        self.account = person.account
        self.amount = amount
        self.payment_id = ""
        self._page_of_bank = ""
        self._fields: dict[str, str] = {}

    def order(self) -> None:
        """Send the form of «Оплатить» over this account alone."""
        self._fields = self.client.form("/pay", "/pay") | {
            f"amount-{self.account}": f"{self.amount / 100:.2f}",
            f"penalty-{self.account}": "0",
            "confirmed": "yes",
        }
        self._fields.pop("_recount", None)
        self.repeat()

    def repeat(self) -> None:
        """Send the same form again; it makes the same order."""
        response = self.client.post("/pay", self._fields)
        assert response.status_code == 303, heading_of(response)
        self._follow(response.headers["Location"])
        newest = self.ledger.history()[0]["payment_id"]
        assert self.payment_id in {"", newest}
        self.payment_id = newest
        self.look()

    def go_on(self) -> None:
        """Wait on our page until it leads to the bank's, as it does by itself in a browser."""

        def is_led_on() -> bool:
            self._follow(f"/payments/{self.payment_id}/go")
            return bool(self._page_of_bank)

        eventually(is_led_on, "the bank's page", seconds=90)

    def _follow(self, address: str) -> None:
        """Keep where an address leads: the bank's page, or "" while there is none."""
        if address.startswith("/"):
            response = self.client.get(address)
            assert response.status_code in {200, 303}
            address = response.headers.get("Location", "")
        self._page_of_bank = address if address.startswith("http") else ""

    def enter(self, card: str) -> None:
        """Enter a card on the bank's page, whatever that answers."""
        if card and self._page_of_bank:
            try:
                Payer().pay(self._page_of_bank, card)
            except PageError:
                assert self.bank.breaks_pages, "the bank's page fails only where it should"
        self.look()

    def come_back(self) -> None:
        """Return from the bank as its page would lead."""
        response = self.client.get(f"/payments/{self.payment_id}?orderId=1&lang=ru")
        assert response.status_code == 303
        self.look()

    def check_now(self) -> None:
        """Press «Проверить сейчас», where the page has it."""
        action = f"/payments/{self.payment_id}/check"
        reader = self.client.forms(f"/payments/{self.payment_id}")
        if action in reader:
            assert self.client.post(action, reader[action]).status_code == 303
        self.look()

    def callback(self) -> None:
        """Let the bank call back."""
        assert self.bank.call_back(self.payment_id) in {200, 503}
        self.look()

    def contrary_callback(self) -> None:
        """A genuine callback that says the contrary of what happened decides nothing."""
        status = int(not self.bank.has_taken_money(self.payment_id))
        assert self.bank.call_back(self.payment_id, status=status) in {200, 503}
        self.look()

    def forged_callback(self) -> None:
        """A callback that the bank has not signed is refused."""
        assert self.bank.call_back(self.payment_id, forged=True) == 403
        self.look()

    def scheduled_poll(self) -> None:
        """Let the schedule poll."""
        self.bank.wait_for_scheduled_poll(self.payment_id)
        self.look()

    def all_at_once(self) -> None:
        """Callbacks, returns and polls at the same time, each of them twice."""
        address = f"/payments/{self.payment_id}"
        with ThreadPoolExecutor(4) as pool:
            for one in (
                *(pool.submit(self.bank.call_back, self.payment_id) for _ in range(2)),
                *(pool.submit(self.client.get, f"{address}?orderId={n}") for n in range(2)),
            ):
                one.result()
        self.look()

    def said(self) -> honesty.Said:
        """Return what the page of the payment says."""
        response = self.client.get(f"/payments/{self.payment_id}")
        assert response.status_code == 200
        return honesty.read_main(response.text)

    def look(self) -> honesty.Said:
        """Assert that no page says of this payment what is not so."""
        said, lines = self.said(), (self.account, self.amount)
        lie = honesty.untrue(self.bank, self.ledger, self.payment_id, said, lines)
        assert not lie, f"{lie}: {said}"
        if not said.denies and not said.affirms:
            pay = self.client.get("/pay").text
            if self.said() != said:  # decided between the two pages
                return self.look()
            assert f'href="/payments/{self.payment_id}"' in pay, "the way to the open payment"
            if said.heading != AT_THE_BANK:
                assert f"amount-{self.account}" not in pay, "a second payment while one is unknown"
        return said


ORDERS: Mapping[str, tuple[Callable[[Attempt], None], ...]] = {
    "callback, return": (Attempt.callback, Attempt.come_back, Attempt.check_now),
    "return, callback": (Attempt.come_back, Attempt.callback),
    "poll alone": (Attempt.scheduled_poll,),
    "check, late callback, return": (
        Attempt.check_now,
        Attempt.callback,
        Attempt.come_back,
    ),
    "all at once": (Attempt.all_at_once, Attempt.all_at_once),
    "forged, contrary, return": (
        Attempt.forged_callback,
        Attempt.contrary_callback,
        Attempt.come_back,
    ),
}


@dataclass(frozen=True)
class Resident:
    """A person with one account: the pages without scripts, and the API to ask the ledger."""

    account: str
    pages: PlainClient
    ledger: Any


AT_THE_BANK = "Ждём ответ банка"
"""While the bank says that no card was entered, other sums may take the place of these."""
HANGS_S = 11.0
"""Longer than the payments service waits for an answer."""
OUTCOME_WITHIN_S = 120
"""The report of the last minutes is asked for twice in this time."""
AMOUNTS = count(10_01)
"""Each payment has a sum of its own, by which the ledger's posting of it is found."""


@pytest.fixture(scope="module")
def bank(site: Site) -> Iterator[Bank]:
    bank = Bank(site)
    yield bank
    bank.switch_on()


@pytest.fixture(scope="module")
def residents(site: Site) -> dict[str, Resident]:
    """A person for each order, so that all orders of a mode are tried at once."""
    found = {}
    for number, order in enumerate(ORDERS, start=20):
        account = f"01000000{number}"
        journey = site.new_person(account)
        found[order] = Resident(account, PlainClient(site.url, journey.person), journey.client)
    return found


@pytest.mark.parametrize("name", MODES)
def test_pages_say_what_is_so_in_any_order(
    bank: Bank, residents: Mapping[str, Resident], name: str
) -> None:
    mode = MODES[name]
    forms = {order: Attempt(bank, who, next(AMOUNTS)) for order, who in residents.items()}
    # The bank's own callbacks would come at a time of their own.
    silent = {"drop_callbacks": True}

    def of_all(step: Callable[[str, Attempt], None]) -> None:
        with ThreadPoolExecutor(len(forms)) as pool:
            list(pool.map(lambda item: step(*item), forms.items()))

    bank.switch_on(**silent, **mode.registering)
    of_all(lambda _, form: form.order())
    bank.switch_on(**silent, **mode.charging)
    of_all(lambda _, form: form.enter(mode.card))
    bank.switch_on(**silent, **mode.reporting)
    # On a slow machine the schedule has polled some before the bank began to report badly.
    early = {one for one, form in forms.items() if mode.reporting and form.look().outcome == PAID}
    of_all(report_in_order)
    for order, form in forms.items():
        wait_for(form, PAID if order in early else mode.outcome, order)
    if mode.goes_on:
        bank.switch_on(**silent)
        of_all(lambda _, form: form.repeat())
        of_all(lambda _, form: form.go_on())
        of_all(lambda _, form: form.enter(mode.card))
    bank.switch_on(end_sessions=True)
    of_all(lambda _, form: form.check_now())
    for order, form in forms.items():
        wait_for(form, mode.finally_, order)
        expected = int(bank.has_taken_money(form.payment_id))
        assert honesty.postings(form.ledger, form.account, form.amount) == expected


@pytest.mark.parametrize("faults", [{"double_callbacks": True}, {"callback_delay_seconds": 1.0}])
def test_the_callbacks_of_the_bank_itself_are_enough(
    bank: Bank, residents: Mapping[str, Resident], faults: dict[str, Any]
) -> None:
    bank.switch_on(**faults)
    form = Attempt(bank, residents["poll alone"], next(AMOUNTS))
    form.order()
    form.enter(PAYS)
    wait_for(form, PAID, "callbacks alone")
    assert honesty.postings(form.ledger, form.account, form.amount) == 1


def test_a_bank_that_hangs_leaves_the_payment_open(
    bank: Bank, residents: Mapping[str, Resident]
) -> None:
    bank.switch_on(drop_callbacks=True)
    form = Attempt(bank, residents["poll alone"], next(AMOUNTS))
    form.order()
    form.enter(PAYS)
    bank.switch_on(drop_callbacks=True, status_delay_seconds=HANGS_S)
    form.come_back()
    assert form.look().outcome == OPEN
    bank.switch_on()
    form.check_now()
    wait_for(form, PAID, "a poll after the bank has hung")


def report_in_order(order: str, form: Attempt) -> None:
    """Take the steps of an order."""
    for step in ORDERS[order]:
        step(form)


def wait_for(form: Attempt, outcome: str, order: str) -> None:
    """Look at the page until it tells an outcome; all that it tells on the way must be true."""
    eventually(
        lambda: is_as_wanted(form.look().outcome, outcome),
        f"{outcome}, in the order: {order}",
        seconds=OUTCOME_WITHIN_S,
    )
