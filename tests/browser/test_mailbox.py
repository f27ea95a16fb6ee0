"""What is done by letters: a lost password, a mistyped address, another mailbox."""

from __future__ import annotations

import pytest

from deploy.demo.letters import ABOUT_CODE, code_in, token_in
from deploy.demo.person import Person, new_address
from tests.browser.authenticator_app import set_up_app
from tests.browser.instruction import BOTH_TICKS, confirm, log_in, read_password
from tests.browser.site import Site, Visitors
from tests.waiting import eventually

pytestmark = [pytest.mark.nodes, pytest.mark.slow]

RECOVERY_LETTER = "Ссылка для восстановления пароля"
NEW_MAILBOX_LETTER = "Подтвердите новый адрес"
OLD_MAILBOX_LETTER = "Подтвердите смену адреса"
WARNING_LETTER = "Адрес Вашего личного кабинета меняют"
CHANGED_LETTER = "Адрес Вашего личного кабинета изменён"
NEW_PASSWORD = "Липа и клён 56"
ACCOUNT = "0100000001"
WAYS = [{"width": 320, "scripts": False}, {"language": "en"}]


@pytest.mark.parametrize("how", WAYS)
def test_a_lost_password_is_recovered_by_a_link_that_serves_once(
    visitors: Visitors, site: Site, how: dict[str, object]
) -> None:
    person = site.new_person().person
    visitor = visitors.open("recovery-" + "-".join(map(str, how)), **how)
    visitor.open("/")
    visitor.click("Забыли пароль?", "link")
    visitor.look("whose")
    visitor.fill(email=person.email)
    visitor.click("Прислать ссылку")
    assert visitor.heading == visitor.words("Проверьте почту")
    visitor.look("sent")
    link = "/recover/" + token_in(site.mailbox.wait(person.email, RECOVERY_LETTER), "/recover/")
    visitor.open(link)
    visitor.fill(new_password="Пароль2026")
    visitor.click("Сохранить пароль")
    assert visitor.error_of("new_password"), "the message beside the field"
    visitor.look("common")
    visitor.fill(new_password=NEW_PASSWORD)
    visitor.click("Сохранить пароль")
    log_in(visitor, person.email, NEW_PASSWORD)
    visitor.tab("Настройки")
    assert person.email in visitor.text
    visitor.open(link)
    visitor.fill(new_password="Ель и дуб 57 шт")
    visitor.click("Сохранить пароль")
    visitor.sees("Прислать ссылку ещё раз")
    visitor.look("used")
    assert visitor.page.url.endswith(link)


def test_an_unknown_address_sees_the_same_and_gets_no_letter(
    visitors: Visitors, site: Site
) -> None:
    known, unknown = site.new_person().person.email, new_address("nobody")
    shown = []
    for email in (unknown, known):
        visitor = visitors.open(f"recovery-{len(shown)}")
        visitor.open("/recover")
        visitor.fill(email=email)
        visitor.click("Прислать ссылку")
        shown.append((visitor.page.url, visitor.text))
    assert shown[0] == shown[1]
    site.mailbox.wait(known, RECOVERY_LETTER)
    assert not site.mailbox.letters_to(unknown)


@pytest.mark.parametrize("kind", ["Физ. лицо", "Юр. лицо"])
def test_a_mistyped_address_is_corrected_before_the_code(
    visitors: Visitors, site: Site, kind: str
) -> None:
    visitor = visitors.open(f"mistyped-{kind[:2]}", width=320, scripts=False)
    person, mistyped = Person(own_password=NEW_PASSWORD), new_address("mistyped")
    visitor.open("/register")
    visitor.choose(kind)
    visitor.fill(email=mistyped)
    visitor.click("Получить код")
    if kind == "Юр. лицо":
        visitor.fill(
            **{
                "organisation-name": "ООО «Ромашка»",
                "organisation-inn": "7707083893",
                "organisation-kpp": "773601001",
            }
        )
        visitor.click("Получить код")
    visitor.look("code")
    lost = code_in(site.mailbox.wait(mistyped, ABOUT_CODE))
    visitor.click("Ошиблись в адресе? Исправить", "link")
    visitor.fill(email="x")
    visitor.click("Получить код")
    assert visitor.error_of("email"), "the message beside the field"
    visitor.look("email")
    visitor.fill(email=person.email)
    visitor.click("Получить код")
    confirm(visitor, lost, ticks=BOTH_TICKS)
    assert visitor.error_of("code"), "the code went to another mailbox"
    confirm(visitor, code_in(site.mailbox.wait(person.email, ABOUT_CODE)), ticks=BOTH_TICKS)
    read_password(site, person)
    visitor.open("/")
    log_in(visitor, person.email, person.temporary_password)
    visitor.fill(current_password=person.temporary_password, new_password="Пароль2026")
    visitor.click("Сменить пароль")
    assert visitor.error_of("new_password")
    visitor.fill(current_password=person.temporary_password, new_password=person.temporary_password)
    visitor.click("Сменить пароль")
    assert visitor.error_of("new_password")
    visitor.look("password")
    visitor.fill(current_password=person.temporary_password, new_password=NEW_PASSWORD)
    visitor.click("Сменить пароль")
    if kind == "Юр. лицо":
        set_up_app(visitor, NEW_PASSWORD)
    visitor.tab("Настройки")
    assert person.email in visitor.text


@pytest.mark.parametrize("how", WAYS)
def test_both_mailboxes_confirm_another_address(
    visitors: Visitors, site: Site, how: dict[str, object]
) -> None:
    person, new = site.new_person().person, new_address("moved")
    visitor = visitors.open("email-" + "-".join(map(str, how)), **how)
    visitor.open("/")
    log_in(visitor, person.email, person.own_password)
    visitor.tab("Настройки")
    visitor.click("Сменить адрес почты", "link")
    visitor.fill(email=new, current_password="wrong")
    visitor.click("Прислать ссылки")
    assert visitor.error_of("current_password"), "the message beside the field"
    visitor.fill(email=new, current_password=person.own_password)
    visitor.click("Прислать ссылки")
    assert new in visitor.text
    visitor.look("pending")
    for email, letter, side in (
        (new, NEW_MAILBOX_LETTER, "new"),
        (person.email, OLD_MAILBOX_LETTER, "old"),
    ):
        token = token_in(site.mailbox.wait(email, letter), f"/email/{side}/")
        visitor.open(f"/email/{side}/{token}")
        visitor.look(side)
        visitor.click("Подтвердить" if side == "new" else "Сменить адрес")
        assert visitor.heading == visitor.words("Ответ принят")
    visitor.look("done")
    for email in (new, person.email):
        site.mailbox.wait(email, CHANGED_LETTER)
    visitor.open("/settings/email")
    assert new in visitor.text
    visitor.log_out()
    log_in(visitor, new, person.own_password)
    visitor.tab("Настройки")
    assert new in visitor.text


def test_the_old_mailbox_refuses_a_change_by_a_bill(visitors: Visitors, site: Site) -> None:
    person, new = site.new_person(ACCOUNT).person, new_address("moved")
    visitor = visitors.open("email-by-bill", width=320)
    visitor.open("/")
    log_in(visitor, person.email, person.own_password)
    visitor.open("/settings/email")
    visitor.click("Прежняя почта Вам недоступна?", "link")
    visitor.look("form")
    visitor.fill(email=new, number=ACCOUNT, proof="wrong", current_password=person.own_password)
    visitor.click("Сменить через три дня")
    assert visitor.error_of("proof"), "the message beside the field"
    visitor.look("wrong")
    visitor.fill(proof=site.account(ACCOUNT).proof, current_password=person.own_password)
    visitor.click("Сменить через три дня")
    visitor.sees("Сменится")
    visitor.look("waits")
    token = token_in(site.mailbox.wait(person.email, WARNING_LETTER), "/email/old/")
    visitor.open(f"/email/old/{token}")
    visitor.click("Отказаться")
    visitor.look("refused")
    visitor.open("/settings")
    assert visitor.heading == visitor.words("Вход в личный кабинет"), "every session has ended"
    log_in(visitor, person.email, person.own_password)
    visitor.open("/settings/email")
    eventually(lambda: new not in visitor.text, "no change under way")
