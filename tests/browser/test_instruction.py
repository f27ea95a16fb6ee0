"""The owner's instruction (S1-S26), followed word by word in a browser."""

from __future__ import annotations

import re

import pytest

from deploy.demo.acquirer_page import DECLINED, PAYS
from deploy.demo.checks import other_code
from deploy.demo.person import Person
from tests.browser.instruction import (
    ANSWER,
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
from tests.browser.site import Site, Visitors
from tests.browser.visitor import Visitor

pytestmark = [pytest.mark.nodes, pytest.mark.slow]

FIRST, SECOND = "0100000001", "0100000002"
OWN_PASSWORD = "Сосна и берёза 77"


def test_the_instruction_works_word_by_word(visitors: Visitors, site: Site) -> None:
    visitor, person = visitors.open("instruction"), Person(own_password=OWN_PASSWORD)
    register(visitor, site, person)
    change_the_temporary_password(visitor, person)
    link_two_accounts(visitor, site)
    unlink_all_but_one(visitor, site)
    see_the_charges(visitor)
    pay_one_of_two(visitor)
    see_the_payments(visitor)
    change_the_settings(visitor, person)
    ask_and_read_the_answer(visitor, site)
    visitor.page.get_by_role("button", name="Выйти").click()
    visitor.sees("Вы вышли из кабинета.")
    visitor.open("/accounts")
    assert visitor.heading == "Вход в личный кабинет", "nothing answers after the log-out"


def register(visitor: Visitor, site: Site, person: Person) -> None:
    """S1-S8, with what may go wrong (S26)."""
    visitor.open("/")
    visitor.look("log-in")
    visitor.open("/register")
    visitor.look("type-and-address")
    visitor.fill(email="not an address")
    visitor.click("Получить код")
    assert "Это не адрес электронной почты." in visitor.error_of("email")
    visitor.look("wrong-address")
    ask_for_code(visitor, site, person)
    visitor.sees("Спам")
    visitor.look("check-window")
    confirm(visitor, other_code(person.code), ticks=BOTH_TICKS)
    visitor.sees("Код не подходит. Сверьте его с последним письмом")
    visitor.look("wrong-code")
    confirm(visitor, person.code, ticks=())
    visitor.sees("Не поставлена галочка «Я согласен(на) с правилами предоставления доступа».")
    visitor.look("no-tick")
    confirm(visitor, person.code, ticks=("accept_rules",))
    visitor.sees("Нет согласия на обработку персональных данных.")
    read_the_documents(visitor)
    ask_for_code_again(visitor, site, person)
    visitor.sees("Код выслан заново. Подойдёт только код из последнего письма.")
    confirm(visitor, person.code, ticks=BOTH_TICKS)
    visitor.sees("ВРЕМЕННЫЙ пароль для 1-ого входа")
    visitor.sees("Никому не сообщайте Ваш личный пароль.")
    visitor.look("registered")
    read_password(site, person)


def read_the_documents(visitor: Visitor) -> None:
    """S5: the rules and the consent, in a tab of their own: what is typed stays where it is."""
    for name in ("rules", "consent"):
        with visitor.page.expect_popup() as opened:
            visitor.page.locator(f".documents a[href^='/documents/{name}?']").click()
        assert opened.value.locator("h1").inner_text()
        opened.value.close()


def change_the_temporary_password(visitor: Visitor, person: Person) -> None:
    """S9-S10: nothing else answers before."""
    visitor.open("/")
    log_in(visitor, person.email, "not the password")
    visitor.sees("Адрес или пароль не подходят.")
    visitor.look("wrong-password")
    log_in(visitor, person.email, person.temporary_password)
    assert visitor.heading == "Смените временный пароль"
    visitor.look("first-log-in")
    for path in ("/accounts", "/pay", "/settings", "/questions"):
        visitor.open(path)
        assert visitor.page.url.endswith("/password"), path
    change_password(visitor, person.temporary_password, "short")
    visitor.sees("Пароль слишком короткий.")
    visitor.look("short-password")
    change_password(visitor, person.temporary_password, person.own_password)
    visitor.sees("Пароль изменён.")
    visitor.look("no-accounts")


def link_two_accounts(visitor: Visitor, site: Site) -> None:
    """S11-S15."""
    check_account(visitor, "9999999999")
    visitor.sees("Лицевой счёт не найден. Сверьте номер с последней квитанцией.")
    visitor.look("account-not-found")
    check_account(visitor, f"  {FIRST[:4]} {FIRST[4:]} ")
    account = site.account(FIRST)
    visitor.sees(FIRST)
    assert account.holder not in visitor.text, "masked until it is proven"
    visitor.look("contract")
    link_account(visitor, "1,00")
    visitor.sees("Номер и код не сходятся.")
    visitor.look("wrong-proof")
    link_account(visitor, account.proof)
    visitor.sees("Лицевой счёт добавлен.")
    visitor.page.get_by_text("Договор", exact=True).click()
    visitor.sees(account.holder)
    visitor.look("one-account")
    visitor.click("Добавить лицевой", "link")
    check_account(visitor, FIRST)
    link_account(visitor, account.proof)
    visitor.sees("Этот лицевой счёт уже есть в Вашем кабинете.")
    visitor.look("linked-already")
    visitor.open("/accounts/link")
    check_account(visitor, SECOND)
    link_account(visitor, site.account(SECOND).proof)
    visitor.sees(SECOND)
    visitor.look("two-accounts")


def unlink_all_but_one(visitor: Visitor, site: Site) -> None:
    """S16-S18: «Отвязать» under each account, and the last one stays."""
    visitor.tab("Лицевые")
    visitor.click(f"Отвязать лицевой счёт {SECOND}", "link")
    visitor.look("unlink")
    visitor.click("Отвязать")
    visitor.sees("Лицевой счёт отвязан.")
    assert SECOND not in visitor.text
    visitor.click(f"Отвязать лицевой счёт {FIRST}", "link")
    visitor.sees("Это последний лицевой счёт кабинета, а без счёта кабинет пуст.")
    visitor.look("last-account")
    visitor.click("Добавить лицевой", "link")
    check_account(visitor, SECOND)
    link_account(visitor, site.account(SECOND).proof)
    visitor.sees("Лицевой счёт добавлен.")


def see_the_charges(visitor: Visitor) -> None:
    """S19: a month opens into its services."""
    visitor.tab("Начисления")
    visitor.look("charges")
    first = visitor.page.locator("details.opening").first
    assert not first.get_by_text("Отопление").first.is_visible()
    first.locator("summary").click()
    assert first.get_by_text("Отопление").first.is_visible()
    visitor.look("charges-opened")
    visitor.click(FIRST, "link")
    visitor.look("charges-of-one")
    visitor.click("Пени по дням", "link")
    visitor.look("penalty")


def pay_one_of_two(visitor: Visitor) -> None:
    """S20-S22: the sums are there; 0 leaves an account out; all zeros are refused."""
    visitor.tab("Платежи-Оплатить")
    amounts = {number: visitor.page.locator(f"#amount-{number}") for number in (FIRST, SECOND)}
    assert re.fullmatch(r"\d+,\d\d", amounts[FIRST].input_value().replace("\u00a0", ""))
    assert visitor.page.locator(f"#penalty-{FIRST}").input_value()
    visitor.look("pay")
    nothing = {f"{part}-{number}": "0" for part in ("amount", "penalty") for number in amounts}
    visitor.fill(**nothing)
    visitor.click("Заплатить")
    visitor.sees("Все суммы равны нулю. Введите сумму хотя бы по одному лицевому счёту.")
    visitor.look("all-zeros")
    visitor.fill(**{f"amount-{FIRST}": "сто"})
    visitor.click("Заплатить")
    assert "Введите сумму цифрами, например 1234,56." in visitor.error_of(f"amount-{FIRST}")
    visitor.look("wrong-sum")
    visitor.fill(**nothing | {f"amount-{FIRST}": "100,50"})
    visitor.click("Заплатить")
    visitor.look("card")
    enter_card(visitor, DECLINED)
    wait_for_outcome(visitor, "Банк отклонил платёж")
    visitor.sees("деньги не списаны")
    visitor.look("declined")
    visitor.click("Заплатить другой картой", "link")
    visitor.fill(**{f"amount-{FIRST}": "100,50", f"penalty-{FIRST}": "0"})
    if visitor.page.locator(f"#amount-{SECOND}").count():
        visitor.fill(**{f"amount-{SECOND}": "0", f"penalty-{SECOND}": "0"})
    visitor.click("Заплатить")
    enter_card(visitor, PAYS)
    wait_for_outcome(visitor, "Оплачено 100,50")
    assert SECOND not in visitor.text, "an account whose sum is 0 is left out"
    visitor.look("paid")


def see_the_payments(visitor: Visitor) -> None:
    """S23: a payment opens into its accounts; the receipt."""
    visitor.tab("Платежи-История платежей")
    visitor.look("history")
    paid = visitor.page.locator("details.opening").first
    split = paid.get_by_role("table", name=FIRST)
    assert not split.is_visible()
    paid.locator("summary").click()
    assert split.is_visible()
    visitor.look("history-opened")
    visitor.click("Квитанция", "link")
    visitor.sees("Сто рублей 50 копеек")
    visitor.look("receipt")


def change_the_settings(visitor: Visitor, person: Person) -> None:
    """S24: name, telephone, password."""
    visitor.tab("Настройки")
    visitor.fill(full_name="Образцова Анна Петровна", phone="8 (999) 123-45-67")
    visitor.look("settings")
    visitor.click("Сохранить")
    visitor.sees("Сохранено.")
    assert visitor.page.locator("#phone").input_value().startswith("+7")
    visitor.fill(phone="12")
    visitor.click("Сохранить")
    assert "Номер телефона не подходит." in visitor.error_of("phone")
    visitor.look("wrong-telephone")
    visitor.open("/settings")
    visitor.click("Сменить пароль", "link")
    change_password(visitor, "not the password", "Новая сосна 88")
    assert "Нынешний пароль введён неверно." in visitor.error_of("current_password")
    visitor.look("wrong-current-password")
    change_password(visitor, person.own_password, "Новая сосна 88")
    visitor.sees("Пароль изменён.")


def ask_and_read_the_answer(visitor: Visitor, site: Site) -> None:
    """S25: the question goes to the department, and the answer comes back."""
    visitor.tab("Вопрос-Ответ")
    visitor.click("Отправить")
    assert "Выберите, о чём вопрос." in visitor.error_of("topic")
    visitor.look("no-question")
    visitor.page.locator("#topic").select_option(index=1)
    visitor.page.locator("#account").select_option(FIRST)
    visitor.fill(text="Почему в октябре больше?\nВ сентябре было меньше.")
    visitor.click("Отправить")
    visitor.sees("Вопрос принят и передан в отдел.")
    visitor.sees("ждёт ответа")
    visitor.look("question")
    answer_as_staff(site, number_in(visitor.heading))
    visitor.tab("Вопрос-Ответ")
    visitor.sees("есть ответ")
    visitor.look("questions")
    visitor.click("Вопрос №", "link")
    visitor.sees(ANSWER)
    visitor.look("answer")


def number_in(heading: str) -> str:
    """Return the number of a question, from the heading of its page."""
    found = re.search(r"\d+", heading)
    assert found, heading
    return found[0]
