"""«Письма» as a person meets them: the settings, and the link in a letter that ends them."""

from __future__ import annotations

import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from gateway.messages.letters import letter_title
from gateway.messages.notices import NOTICES
from tests.browser.instruction import log_in
from tests.browser.site import Site, Visitors
from tests.browser.visitor import Visitor
from tests.waiting import eventually

pytestmark = [pytest.mark.nodes, pytest.mark.slow]

FIRST, SECOND = "0100000028", "0100000037"
WAYS: dict[str, dict[str, Any]] = {
    FIRST: {"language": "ru", "colours": "dark"},
    SECOND: {"language": "en", "width": 320, "scripts": False},
}
BILL = "account;period;due_on;effective_on;service;name;unit;tariff;volume;charged"
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.mark.parametrize("number", WAYS)
def test_a_person_chooses_the_letters_and_leaves_a_list_by_its_link(
    visitors: Visitors, site: Site, tmp_path: Path, number: str
) -> None:
    journey, way = site.new_person(number), WAYS[number]
    visitor = visitors.open(f"letters-{way['language']}", **way)
    visitor.open("/")
    log_in(visitor, journey.person.email, journey.person.own_password)
    choose_english(visitor)

    link = letter_with_a_link(site, tmp_path, number, journey.person.email)
    guest = visitors.open(f"unsubscribe-{way['language']}", **way)
    guest.open(link)
    guest.look("asked")
    assert journey.client.call("GET", "/me/letters")["optional"]["bill_ready"], (
        "a look does nothing"
    )
    guest.click("Отключить")
    title = letter_title("bill_ready", way["language"])
    assert title in guest.heading
    guest.look("switched-off")
    assert guest.page.locator("main form").count() == 0

    visitor.open("/settings/letters")
    assert not visitor.page.locator("#bill_ready").is_checked()
    assert title in visitor.text, "it is among the last letters"
    visitor.look("afterwards")


def test_a_mail_program_ends_letters_by_one_post(site: Site, tmp_path: Path) -> None:
    number = "0100000024"
    journey = site.new_person(number)
    link = letter_with_a_link(site, tmp_path, number, journey.person.email)
    for _ in range(2):
        answer = requests.post(site.url + link, data=ONE_CLICK, allow_redirects=False, timeout=30)
        assert answer.status_code == 200
    assert journey.client.call("GET", "/me/letters")["optional"] == {
        "bill_ready": False,
        "due_soon": True,
        "overdue": True,
    }


def choose_english(visitor: Visitor) -> None:
    """Have letters in English, and no reminders; the pages stay in their language."""
    visitor.open("/settings")
    visitor.click("Письма: язык и напоминания", "link")
    visitor.look("settings")
    visitor.page.locator("input[name=language][value=en]").check()
    visitor.tick("due_soon", on=False)
    visitor.click("Сохранить")
    assert NOTICES["letters_chosen"][visitor.language] in visitor.text
    assert visitor.page.locator("html").get_attribute("lang") == visitor.language
    assert not visitor.page.locator("#due_soon").is_checked()
    visitor.look("chosen")


def letter_with_a_link(site: Site, folder: Path, number: str, email: str) -> str:
    """Bill a month, wait for the letter about it, and return the path of its link."""
    today = date.today()  # noqa: DTZ011 - any day that is to come
    row = f"{number};{today:%Y-%m};{today + timedelta(days=20)};{today};heating;Отопление;;;;100,00"
    bills = folder / "bills.csv"
    bills.write_text(f"{BILL}\n{row}\n", "utf-8")
    site.saldo("ledger", "import", str(bills), "--reason", "the month's bills")
    letter = eventually(
        lambda: next(
            (one for one in site.mailbox.letters_to(email) if "/letters/unsubscribe/" in one.text),
            None,
        ),
        "the letter about the month's bill",
        60.0,
    )
    found = re.search(r"/letters/unsubscribe/[\w-]{43}", letter.text)
    assert found
    return found[0]
