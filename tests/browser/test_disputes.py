"""A line that somebody does not agree with: from the click to the correction by two clerks."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.browser.instruction import log_in
from tests.browser.site import Site, Visitors
from tests.browser.visitor import Visitor

pytestmark = [pytest.mark.nodes, pytest.mark.slow]

NUMBER, PERIOD = "0100000016", "2026-10"
MONTH, BILL = f"/charges/{NUMBER}/{PERIOD}", f"/accounts/{NUMBER}/bills/{PERIOD}"
WHY, DOUBT = "По акту № 7: радиатор был холодным", "Радиатор был холодным всю неделю."


def opened(visitors: Visitors, name: str, journey: Any, **how: Any) -> Visitor:
    """Return a browser in which a person has logged in."""
    visitor = visitors.open(name, **how)
    visitor.open("/")
    log_in(visitor, journey.person.email, journey.person.own_password)
    visitor.page.wait_for_url("**/accounts")
    return visitor


def propose(site: Site, number: str, amount: str) -> str:
    """Propose an adjustment as a clerk; return the id of the proposal."""
    arguments = ("helpdesk", "propose", number, "--amount", amount, "--reason", WHY, "--json")
    return str(json.loads(site.saldo(*arguments))["correction_id"])


def see_it_under_review(asker: Visitor, reader: Visitor) -> None:
    """Find the mark on every page of the line; only the asker has the way to the question."""
    asker.open("/charges")
    asker.sees("на проверке")
    asker.look("charges")
    for path in ("/charges?open=all", MONTH, BILL):
        asker.open(path)
        asker.sees("на проверке")
        asker.sees("Ваш вопрос")
        reader.open(path)
        reader.sees("на проверке")
        assert reader.words("Ваш вопрос") not in reader.text
    asker.open(MONTH)
    asker.look("under-review")
    reader.open(MONTH)
    reader.look("under-review")


def test_a_line_is_disputed_reviewed_and_corrected(visitors: Visitors, site: Site) -> None:
    journey, other = site.new_person(NUMBER), site.new_person(NUMBER)
    asker = opened(visitors, "asker", journey, width=320, scripts=False)
    reader = opened(visitors, "reader", other, language="en", colours="dark")
    asker.open(MONTH)
    asker.look("month")
    asker.click("Не согласен", "link")
    assert asker.page.locator("#text").input_value() == ""
    asker.sees("Отопление за октябрь 2026, начислено 347,66 ₽")
    asker.look("form")
    asker.click("Отправить")
    assert asker.error_of("text")
    asker.fill(text=DOUBT)
    asker.look("wrong")
    asker.click("Отправить")
    asker.sees("на проверке")
    asker.look("thread")
    thread = asker.page.url
    number = re.findall(r"№ (\d+)", asker.heading)[0]

    see_it_under_review(asker, reader)
    assert reader.open(thread) == 404

    with site.approver() as terminal:
        proposal = propose(site, number, "-123,45")
        asker.open(MONTH)
        asker.sees("на проверке")
        site.saldo("ledger", "approve", proposal, amqp_url=terminal)
        site.mailbox.wait(journey.person.email, "Перерасчёт сделан", MONTH)
        asker.open(MONTH)
        asker.sees("сделан перерасчёт")
        asker.sees(WHY)
        asker.sees("−123,45")
        asker.look("corrected")
        asker.open(thread)
        asker.sees("По Вашему обращению сделан перерасчёт.")
        asker.sees(WHY)
        asker.look("told")
        reader.open(MONTH)
        reader.sees("сделан перерасчёт")
        reader.look("corrected")

        line = {"period": PERIOD, "service": "cold_water"}
        body = {"topic": "charges", "account": NUMBER, "text": DOUBT, "line": line}
        asked = other.client.call("POST", "/questions", body)
        refused = propose(site, str(asked["number"]), "-1,00")
        site.saldo("ledger", "reject", refused, "--reason", "нет акта", amqp_url=terminal)
    site.mailbox.wait(other.person.email, "Начисление проверено", asked["question_id"])
    reader.open(f"/questions/{asked['question_id']}")
    assert "The recalculation was not approved" in reader.text
    reader.look("rejected")
    asker.open(MONTH)
    asker.sees("проверено, без перерасчёта")
    asker.look("rejected")
