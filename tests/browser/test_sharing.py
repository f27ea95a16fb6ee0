"""Sharing an account: the invitation outlives registration and log-in, and can be taken back."""

from __future__ import annotations

import re

import pytest

from deploy.demo.person import Person
from tests.browser.instruction import (
    BOTH_TICKS,
    change_password,
    confirm,
    log_in,
    read_code,
    read_password,
)
from tests.browser.site import Site, Visitors
from tests.browser.visitor import Visitor

pytestmark = [pytest.mark.nodes, pytest.mark.slow]

NUMBER, ANOTHER = "0300000037", "0300000038"
OWN_PASSWORD = "Липа и клён 55"


def register(visitor: Visitor, site: Site, person: Person) -> None:
    """Register from the page that is open, and log in for the first time."""
    visitor.click("Зарегистрироваться", "link")
    visitor.fill(email=person.email)
    visitor.click("Получить код")
    read_code(site, person)
    confirm(visitor, person.code, ticks=BOTH_TICKS)
    read_password(site, person)
    visitor.open("/")
    log_in(visitor, person.email, person.temporary_password)
    change_password(visitor, person.temporary_password, person.own_password)


def test_a_guest_registers_accepts_sees_and_loses_the_account(
    visitors: Visitors, site: Site
) -> None:
    journey = site.new_person("0100000038")
    journey.client.link(NUMBER, site.new_contract(NUMBER))
    guest = Person(own_password=OWN_PASSWORD)
    owner = visitors.open("owner", width=320)
    owner.open("/")
    log_in(owner, journey.person.email, journey.person.own_password)
    owner.open(f"/accounts/{NUMBER}/access")
    owner.look("alone")
    owner.fill(email="не адрес")
    owner.click("Отправить приглашение")
    assert owner.error_of("email")
    owner.look("wrong-email")
    owner.fill(email=guest.email)
    owner.click("Отправить приглашение")
    owner.sees("Приглашение отправлено.")
    owner.look("invited")

    letter = site.mailbox.wait(guest.email, NUMBER, "/invitations/")
    found = re.search(r"/invitations/\S+", letter.text)
    assert found
    visitor = visitors.open("guest", width=320, language="en")
    visitor.open(found[0])
    visitor.look("before-log-in")
    register(visitor, site, guest)
    visitor.open("/accounts")
    visitor.look("waiting")
    visitor.click("Посмотреть приглашение", "link")
    visitor.look("invitation")
    visitor.click("Принять приглашение")
    assert NUMBER in visitor.text
    visitor.look("accepted")
    visitor.open(f"/accounts/{NUMBER}/access")
    assert visitor.page.locator("main .card").count() == 2, "each one sees who else has access"
    assert visitor.page.locator("main form").count() == 0, "a guest neither invites nor withdraws"
    visitor.look("seen-by-guest")
    assert visitor.open(found[0]) == 409
    visitor.look("used-up")

    site.mailbox.wait(journey.person.email, "доступ по приглашению", NUMBER)
    owner.open(f"/accounts/{NUMBER}/access")
    owner.look("two")
    owner.click("Закрыть доступ")
    owner.sees("Доступ закрыт.")
    # The guest registered in an English browser: so are the letters.
    site.mailbox.wait(guest.email, f"{NUMBER} has ended", "ended your access")
    assert visitor.open(f"/accounts/{NUMBER}/access") == 404
    assert visitor.open(f"/accounts/{NUMBER}") == 404


def test_a_withdrawn_invitation_opens_nothing(visitors: Visitors, site: Site) -> None:
    journey = site.new_person()
    journey.client.link(ANOTHER, site.new_contract(ANOTHER))
    guest = Person()
    journey.client.invite(ANOTHER, guest.email, "payer")
    letter = site.mailbox.wait(guest.email, ANOTHER, "/invitations/")
    found = re.search(r"/invitations/\S+", letter.text)
    assert found
    owner = visitors.open("withdrawing", scripts=False)
    owner.open("/")
    log_in(owner, journey.person.email, journey.person.own_password)
    owner.open(f"/accounts/{ANOTHER}/access")
    owner.click("Отозвать приглашение")
    owner.sees("Доступ закрыт.")
    visitor = visitors.open("too-late")
    assert visitor.open(found[0]) == 409
    assert visitor.heading == "Приглашение не подходит"
    assert visitor.open("/invitations/" + "A" * 43) == 404
    visitor.look("unknown")
