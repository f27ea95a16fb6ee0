"""A month in letters: the bill is ready, is due soon, and an old one is about to cost more."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from deploy.demo.client import Problem
from deploy.demo.letters import Letter
from deploy.demo.person import Journey
from services.discovery import open_store
from services.notifications.mailings.noting import note_days
from shared import context, formats
from shared.config import Settings, load_settings
from shared.eventstore.postgres import PostgresStore
from tests.browser.instruction import log_in
from tests.browser.site import Site, Visitors
from tests.fixed_clock import FixedClock
from tests.waiting import eventually

pytestmark = [pytest.mark.nodes, pytest.mark.slow]

ACCOUNTS = {"first": "0300000051", "second": "0300000052", "third": "0300000053"}
TODAY = date.today()  # noqa: DTZ011 - the installation goes by the machine's day, too
DUE = TODAY + timedelta(days=10)
LONG_DUE = TODAY - timedelta(days=27)
PENALTIES_FROM = TODAY + timedelta(days=4)
"""A household's debt bears a penalty from the 31st day after its due day."""
PERIOD, LONG_AGO = f"{TODAY:%Y-%m}", f"{LONG_DUE - timedelta(days=40):%Y-%m}"
COLUMNS = "account;period;due_on;effective_on;service;name;charged"


@dataclass
class LaterWorker:
    """The worker on another day: it notes what is due then, in the installation's own tables."""

    settings: Settings
    store: PostgresStore

    def call(self, service: str, method: str, *, deadline: float = 5.0, **asked: Any) -> Any:
        raise AssertionError(f"{service}.{method}")


def remind_as_of(site: Site, day: date) -> None:
    """Note the reminders of a day to come; the installation's worker mails them at once."""
    settings = load_settings(site.environment)
    noon = datetime.combine(day, time(12), ZoneInfo(settings.timezone)).astimezone(UTC)
    with (
        closing(open_store("notifications", settings, clock=FixedClock(noon))) as store,
        context.bind(actor="service:notifications"),
    ):
        assert note_days(LaterWorker(settings, store))


def bill(site: Site, period: str, due_on: date, **roubles: str) -> None:
    """Import the bills of a month, as the billing centre's staff do."""
    billed = min(due_on - timedelta(days=10), TODAY)
    rows = [
        f"{ACCOUNTS[name]};{period};{due_on};{billed};heating;Отопление;{amount}"
        for name, amount in roubles.items()
    ]
    with TemporaryDirectory() as folder:
        path = Path(folder, f"charges-{period}.csv")
        path.write_text("\n".join((COLUMNS, *rows, "")), "utf-8")
        site.saldo("ledger", "import", str(path), "--reason", "a month", "--bills", str(len(rows)))


def resident(site: Site, *accounts: str, language: str = "ru") -> Journey:
    """Register a person with accounts of her own, who reads letters in a language."""
    journey = site.new_person()
    journey.client.call("PUT", "/me/letters", {"language": language, "optional": {}})
    for name in accounts:
        number = ACCOUNTS[name]
        journey.client.link(number, site.new_contract(number))
        eventually(lambda number=number: is_open(journey, number), "the ledger knows the account")
    return journey


def is_open(journey: Journey, number: str) -> bool:
    try:
        journey.client.balance(number)
    except Problem:
        return False
    return True


def about(site: Site, journey: Journey, subject: str) -> list[Letter]:
    letters = site.mailbox.letters_to(journey.person.email)
    return [letter for letter in letters if subject in letter.subject]


def test_a_month_in_letters(visitors: Visitors, site: Site) -> None:
    anna = resident(site, "first", "second")
    john = resident(site, "third", language="en")
    bill(site, PERIOD, DUE, first="100,00", second="50,50", third="70,00")

    ready = site.mailbox.wait(anna.person.email, "Квитанци", saying=ACCOUNTS["first"])
    assert ACCOUNTS["second"] in ready.text
    assert "150,50" in plain(ready.subject)
    assert f"{site.url}/charges" in ready.text
    yours = site.mailbox.wait(john.person.email, "Your bill", saying=ACCOUNTS["third"])
    link = f"/accounts/{ACCOUNTS['third']}/bills/{PERIOD}"
    assert f"{site.url}{link}" in yours.text
    visitor = visitors.open("mailings", language="en", scripts=False, width=320)
    visitor.open(link)
    log_in(visitor, john.person.email, john.person.own_password)
    visitor.page.wait_for_url(f"**{link}")
    visitor.look("bill")
    assert "70.00" in plain(visitor.text)

    remind_as_of(site, DUE - timedelta(days=5))
    soon = site.mailbox.wait(anna.person.email, "К оплате", saying=ACCOUNTS["first"])
    assert ACCOUNTS["second"] in soon.text
    assert "150,50" in plain(soon.subject)
    site.mailbox.wait(john.person.email, "to pay by", saying=ACCOUNTS["third"])

    bill(site, LONG_AGO, LONG_DUE, first="30,00")
    remind_as_of(site, TODAY + timedelta(days=1))
    late = site.mailbox.wait(anna.person.email, "Не оплачено", saying=ACCOUNTS["first"])
    assert "30,00" in plain(late.subject)
    assert formats.day(PENALTIES_FROM, "ru") in late.text
    visitor.open("/settings/letters")
    visitor.look("letters")
    for subject in ("Квитанци", "К оплате", "Не оплачено"):
        assert len(about(site, anna, subject)) == 1, subject
    assert about(site, john, "overdue") == []
    mailings = json.loads(site.saldo("notifications", "mailings", "--json"))["mailings"]
    counts = {(one["kind"], one["queued"], one["sent"]) for one in mailings if one["queued"]}
    assert {("bill_ready", 2, 2), ("due_soon", 2, 2), ("overdue", 1, 1)} <= counts


def plain(text: str) -> str:
    return text.replace("\u00a0", " ").replace("\u202f", " ")
