"""The instruction, S1-S25, in every kind of browser: by keyboard, without scripts, in English."""

from __future__ import annotations

import re
from typing import Any

import pytest

from deploy.demo.acquirer_page import PAYS
from deploy.demo.person import Person
from tests.browser.instruction import (
    BOTH_TICKS,
    answer_as_staff,
    ask_for_code,
    ask_for_code_again,
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
from tests.browser.visitor import Visitor

pytestmark = [pytest.mark.nodes, pytest.mark.slow]

OWN_PASSWORD = "Сосна и берёза 77"
ANOTHER = "0100000020"
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
    register(visitor, site, person)
    link_and_unlink(visitor, site, number)
    pay(visitor, number)
    change_the_name(visitor)
    ask(visitor, site)
    visitor.log_out()
    visitor.sees("Вы вышли из кабинета.")


def register(visitor: Visitor, site: Site, person: Person) -> None:
    """S1-S10."""
    ask_for_code(visitor, site, person)
    visitor.look("check-window")
    ask_for_code_again(visitor, site, person)
    confirm(visitor, person.code, ticks=BOTH_TICKS)
    visitor.look("registered")
    read_password(site, person)
    visitor.open("/")
    log_in(visitor, person.email, person.temporary_password)
    visitor.look("first-log-in")
    change_password(visitor, person.temporary_password, person.own_password)


def link_and_unlink(visitor: Visitor, site: Site, number: str) -> None:
    """S11-S18."""
    check_account(visitor, f" {number} ")
    visitor.look("contract")
    link_account(visitor, "1,00")
    visitor.look("wrong-proof")
    link_account(visitor, site.account(number).proof)
    assert visitor.heading == visitor.words("Лицевые")
    visitor.sees(number)
    visitor.click("Добавить лицевой", "link")
    check_account(visitor, ANOTHER)
    link_account(visitor, site.account(ANOTHER).proof)
    visitor.look("accounts")
    visitor.click(visitor.words("Отвязать лицевой счёт %(number)s") % {"number": ANOTHER}, "link")
    visitor.look("unlink")
    visitor.click("Отвязать")
    assert visitor.heading == visitor.words("Лицевые")
    assert ANOTHER not in visitor.text


def pay(visitor: Visitor, number: str) -> None:
    """S19-S23."""
    visitor.tab("Начисления")
    visitor.unfold(1)
    visitor.look("charges")
    visitor.tab("Платежи-Оплатить")
    visitor.fill(**{f"amount-{number}": "0", f"penalty-{number}": "0"})
    visitor.click("Заплатить")
    assert visitor.page.title().startswith(visitor.words("Ошибка:")), "all zeros are refused"
    visitor.fill(**{f"amount-{number}": "12,34", f"penalty-{number}": "0"})
    visitor.look("pay")
    visitor.click("Заплатить")
    enter_card(visitor, PAYS)
    wait_for_outcome(visitor, visitor.words("Оплачено %(sum)s, %(day)s").partition(" ")[0])
    visitor.look("paid")
    visitor.click("Квитанция", "link")
    visitor.look("receipt")
    visitor.tab("Платежи-История платежей")
    visitor.unfold(0)
    visitor.look("history")


def change_the_name(visitor: Visitor) -> None:
    """S24."""
    visitor.tab("Настройки")
    visitor.fill(full_name="Образцова Анна Петровна", phone="8 (999) 123-45-67")
    visitor.click("Сохранить")
    visitor.look("settings")
    visitor.open("/settings")
    assert visitor.page.locator("#full_name").input_value() == "Образцова Анна Петровна"


def ask(visitor: Visitor, site: Site) -> None:
    """S25."""
    visitor.tab("Вопрос-Ответ")
    visitor.select("topic", 1)
    visitor.fill(text="Когда пересчитают отопление?")
    visitor.click("Отправить")
    visitor.look("question")
    answer_as_staff(site, re.sub(r"\D", "", visitor.heading))
    visitor.tab("Вопрос-Ответ")
    visitor.sees("есть ответ")
    visitor.look("questions")
