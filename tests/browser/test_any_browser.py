"""The instruction in short, in every kind of browser: by keyboard, without scripts, in English."""

from __future__ import annotations

from typing import Any

import pytest

from deploy.demo.acquirer_page import PAYS
from deploy.demo.person import Person
from tests.browser.instruction import (
    BOTH_TICKS,
    ask_for_code,
    change_password,
    check_account,
    confirm,
    enter_card,
    link_account,
    log_in,
    read_password,
    wait_for_outcome,
)
from tests.browser.keyboard import KeyboardVisitor
from tests.browser.site import Site, Visitors

pytestmark = [pytest.mark.nodes, pytest.mark.slow]

OWN_PASSWORD = "Сосна и берёза 77"
ENGLISH_PHONE = {"scripts": False, "width": 320, "language": "en", "colours": "dark"}


@pytest.mark.parametrize(
    ("name", "number", "how"),
    [
        ("phone-without-scripts", "0100000003", {"scripts": False, "width": 320}),
        ("english", "0100000004", {"language": "en"}),
        ("english-phone-without-scripts", "0100000006", ENGLISH_PHONE),
        ("dark", "0100000005", {"colours": "dark", "width": 720}),
        ("keyboard", "0100000007", {"kind": KeyboardVisitor, "width": 320}),
        ("keyboard-wide", "0100000008", {"kind": KeyboardVisitor}),
    ],
)
def test_the_instruction_works_in_any_browser(
    visitors: Visitors, site: Site, name: str, number: str, how: dict[str, Any]
) -> None:
    visitor, person = visitors.open(name, **how), Person(own_password=OWN_PASSWORD)
    ask_for_code(visitor, site, person)
    visitor.look("check-window")
    confirm(visitor, person.code, ticks=BOTH_TICKS)
    visitor.look("registered")
    read_password(site, person)
    visitor.open("/")
    log_in(visitor, person.email, person.temporary_password)
    visitor.look("first-log-in")
    change_password(visitor, person.temporary_password, person.own_password)
    check_account(visitor, f" {number} ")
    visitor.look("contract")
    link_account(visitor, site.account(number).proof)
    visitor.look("accounts")
    visitor.tab("Начисления")
    visitor.unfold(1)
    visitor.look("charges")
    visitor.tab("Платежи-Оплатить")
    visitor.fill(**{f"amount-{number}": "12,34", f"penalty-{number}": "0"})
    visitor.look("pay")
    visitor.click("Заплатить")
    enter_card(visitor, PAYS)
    wait_for_outcome(visitor, visitor.words("Оплачено %(sum)s, %(day)s").partition(" ")[0])
    visitor.look("paid")
    visitor.click("Квитанция", "link")
    visitor.look("receipt")
    visitor.tab("Вопрос-Ответ")
    visitor.select("topic", 1)
    visitor.fill(text="Когда пересчитают отопление?")
    visitor.click("Отправить")
    visitor.look("question")
    visitor.log_out()
    visitor.sees("Вы вышли из кабинета.")
