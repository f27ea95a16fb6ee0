"""The main pages as a screen reader has them, committed in `snapshots/`."""

from __future__ import annotations

import pytest

from tests.browser import snapshots
from tests.browser.addresses import Resident, invite, new_resident
from tests.browser.instruction import log_in
from tests.browser.site import Site, Visitors

pytestmark = [pytest.mark.nodes, pytest.mark.slow]

BEFORE_LOG_IN = {"log-in": "/", "register": "/register", "look": "/look"}
SIGNED_IN = {
    "accounts": "/accounts",
    "link": "/accounts/link",
    "charges": "/charges?account={account}&open=all",
    "bill": "/accounts/{account}/bills/2026-10",
    "penalty": "/accounts/{second}/penalty?on=31.10.2026",
    "pay": "/pay",
    "payments": "/payments",
    "payment-paid": "/payments/{paid}",
    "payment-declined": "/payments/{declined}",
    "payment-open": "/payments/{open}",
    "questions": "/questions",
    "question": "/questions/{question}",
    "settings": "/settings",
    "security": "/settings/security",
    "data": "/settings/data",
    "email": "/settings/email",
    "sessions": "/settings/sessions",
}
OWN = "0300000026"
"""An account that nobody else has, for the page that shows who else has it."""


@pytest.fixture(scope="module")
def resident(site: Site) -> Resident:
    """Both accounts have penalties already, so that time changes nothing but sums and days."""
    return new_resident(site, "0100000026", "0100000029")


def test_the_main_pages_are_read_out_as_before(
    visitors: Visitors, site: Site, resident: Resident
) -> None:
    visitor = visitors.open("snapshots")
    changed = []
    for name, address in BEFORE_LOG_IN.items():
        visitor.open(address)
        changed.append(snapshots.compare(name, visitor.page))
    visitor.open("/")
    log_in(visitor, resident.journey.person.email, resident.journey.person.own_password)
    visitor.page.wait_for_url("**/accounts")
    for name, address in SIGNED_IN.items():
        visitor.open(resident.at(address))
        changed.append(snapshots.compare(name, visitor.page))
    resident.journey.client.link(OWN, site.new_contract(OWN))
    invite(resident.journey, OWN)
    visitor.open(f"/accounts/{OWN}/access")
    changed.append(snapshots.compare("access", visitor.page))
    differences = "\n".join(filter(None, changed))
    assert not differences, f"{snapshots.HOW}\n{differences}"


def test_no_snapshot_is_left_of_a_page_that_is_gone() -> None:
    names = {file.stem for file in snapshots.FOLDER.glob("*.yaml")}
    assert names == {*BEFORE_LOG_IN, *SIGNED_IN, "access"}


def test_what_changes_from_day_to_day_is_masked() -> None:
    text = "Оплачено 1\u00a0234,56\u00a0₽, 10 августа 2026 14:03, до 16 ноября, вопрос № 17, 3 мая"
    assert snapshots.masked(text) == (
        "Оплачено SUM\u00a0₽, DAY TIME, до DAY, вопрос № NUMBER, DAY\n"
    )
