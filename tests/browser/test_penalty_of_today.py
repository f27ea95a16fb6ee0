"""A payer sees the penalty of today on every page, pays what is shown, and owes nothing then."""

from __future__ import annotations

from typing import Any

import pytest

from deploy.demo.acquirer_page import CVC, EXPIRY, PAYS
from deploy.demo.journey import wait_until_completed
from deploy.demo.person import Journey
from shared.formats import roubles
from tests.browser.instruction import log_in
from tests.browser.site import Site, Visitors
from tests.browser.visitor import Visitor
from tests.waiting import eventually

pytestmark = [pytest.mark.nodes, pytest.mark.slow]

ACCOUNT = "0100000025"
LOOKS: list[dict[str, Any]] = [
    {"language": "ru", "scripts": False, "width": 320},
    {"language": "en", "scripts": True, "width": 320},
    {"language": "ru", "scripts": True, "width": 1280, "colours": "dark"},
]


@pytest.fixture(scope="module")
def debtor(site: Site) -> Journey:
    """A person with an account that has been in debt for a year, and was accrued a month ago."""
    return site.new_person(ACCOUNT)


def signed_in(visitors: Visitors, debtor: Journey, name: str, **how: Any) -> Visitor:
    visitor = visitors.open(name, **how)
    visitor.open("/")
    log_in(visitor, debtor.person.email, debtor.person.own_password)
    visitor.page.wait_for_url("**/accounts")
    return visitor


def typed(kopecks: int, language: str) -> str:
    return roubles(kopecks, language).replace("\u00a0", " ").replace("\u202f", " ")


@pytest.mark.parametrize("how", LOOKS, ids=lambda how: "-".join(map(str, how.values())))
def test_every_page_has_the_penalty_of_today(
    visitors: Visitors, debtor: Journey, how: dict[str, Any]
) -> None:
    language = how["language"]

    def shown() -> tuple[str, str]:
        """Return the penalty of today and the accrued one, as a page has them."""
        balance = debtor.client.balance(ACCOUNT)
        assert balance["penalty"] > balance["penalty_accrued"] > 0
        return typed(balance["penalty"], language), typed(balance["penalty_accrued"], language)

    visitor = signed_in(visitors, debtor, "penalty-" + "-".join(map(str, how.values())), **how)
    for path, name in (
        ("/accounts", "accounts"),
        (f"/accounts/{ACCOUNT}", "account"),
        (f"/accounts/{ACCOUNT}/penalty", "penalty"),
        (f"/pay?account={ACCOUNT}", "pay"),
    ):
        before = shown()
        visitor.open(path)
        visitor.look(name)
        # At midnight it is another one.
        due, accrued = before if before[0] in visitor.text else shown()
        assert due in visitor.text, path
        if name == "account":
            visitor.sees("остальное начислим не позже дня оплаты")
        if name != "pay":
            assert accrued in visitor.text, path
    visitor.open(f"/accounts/{ACCOUNT}")
    visitor.click("Пени", "link")
    visitor.sees(
        "Пени растут каждый день. В выписке видны только начисленные; остальное начислим не позже "
        "дня оплаты."
    )


def test_whoever_pays_what_is_shown_owes_nothing(visitors: Visitors, debtor: Journey) -> None:
    client = debtor.client
    [line] = client.due()
    visitor = signed_in(visitors, debtor, "penalty-paid", scripts=False, width=320)
    visitor.open(f"/pay?account={ACCOUNT}")
    visitor.click("Заплатить")
    visitor.fill(card_number=PAYS, expiry=EXPIRY, cvc=CVC)
    visitor.submit_card()
    payment = wait_until_completed(client, client.history()[0]["payment_id"])
    assert payment["total"] == line.total
    eventually(lambda: not client.due()[0].total, "the payment is posted")
    balance = client.balance(ACCOUNT)
    sums = ("principal", "penalty", "penalty_accrued", "advance")
    assert [balance[name] for name in sums] == [0, 0, 0, 0]
    visitor.open(f"/accounts/{ACCOUNT}")
    visitor.look("paid")
    visitor.sees("Долга нет")
