"""The steps of the owner's instruction, as a person takes them in a browser."""

from __future__ import annotations

from deploy.demo.acquirer_page import CVC, EXPIRY
from deploy.demo.letters import ABOUT_CODE, ABOUT_PASSWORD, code_in, password_in
from deploy.demo.person import Person
from tests.browser.site import Site
from tests.browser.visitor import Visitor
from tests.waiting import eventually

BOTH_TICKS = ("accept_rules", "consent_personal_data")
ANSWER = "В октябре выросла цена тепловой энергии."


def ask_for_code(visitor: Visitor, site: Site, person: Person) -> None:
    """S1-S3: choose «Физ. лицо», enter the e-mail, and read the letter with the code."""
    visitor.open("/")
    visitor.click("Зарегистрироваться", "link")
    visitor.choose("Физ. лицо")
    visitor.fill(email=person.email)
    visitor.click("Получить код")
    read_code(site, person)


def read_code(site: Site, person: Person) -> None:
    """S3: the letter with the code."""
    person.code = code_in(site.mailbox.wait(person.email, ABOUT_CODE))


def ask_for_code_again(visitor: Visitor, site: Site, person: Person) -> None:
    """S6: «Выслать код заново», for a letter that was lost."""
    visitor.click("Выслать код заново")
    letters = eventually(
        lambda: [
            letter
            for letter in site.mailbox.letters_to(person.email)
            if letter.is_about(ABOUT_CODE)
        ][1:],
        "a second letter with a code",
    )
    person.code = code_in(letters[-1])


def confirm(visitor: Visitor, code: str, *, ticks: tuple[str, ...]) -> None:
    """S3-S5: the check window, with the ticks that are set."""
    visitor.fill(code=code)
    for name in BOTH_TICKS:
        visitor.tick(name, name in ticks)
    visitor.click("Подтвердить")


def read_password(site: Site, person: Person) -> None:
    """S8: the letter with the instruction and the temporary password."""
    letter = site.mailbox.wait(person.email, ABOUT_PASSWORD)
    person.temporary_password = password_in(letter)


def log_in(visitor: Visitor, email: str, password: str) -> None:
    """Log in, from the page with the log-in."""
    visitor.fill(email=email, password=password)
    visitor.click("Войти")


def change_password(visitor: Visitor, current: str, new: str) -> None:
    """S9, S24: a change of password."""
    visitor.fill(current_password=current, new_password=new)
    visitor.click("Сменить пароль")


def check_account(visitor: Visitor, number: str) -> None:
    """S11-S12: «Лицевой счет» and «Проверить»."""
    visitor.fill(number=number)
    visitor.click("Проверить")


def link_account(visitor: Visitor, proof: str) -> None:
    """S13-S14: below what is shown of the contract, a fact of the last bill."""
    visitor.fill(proof=proof)
    visitor.click("Добавить лицевой")


def enter_card(visitor: Visitor, card: str) -> None:
    """S21: the card, on the acquirer's page alone."""
    visitor.fill(card_number=card, expiry=EXPIRY, cvc=CVC)
    visitor.submit_card()
    visitor.page.wait_for_url(f"{visitor.url}/payments/*")


def wait_for_outcome(visitor: Visitor, beginning: str) -> None:
    """Look at the page of a payment until it says what became of it."""

    def is_there() -> bool:
        if visitor.heading.startswith(beginning):
            return True
        visitor.page.reload()
        return False

    eventually(is_there, f"a payment that says «{beginning}»")


def answer_as_staff(site: Site, number: str) -> None:
    """The competent department answers a question (S25)."""
    site.saldo("helpdesk", "show", number)
    site.saldo("helpdesk", "answer", number, "--text", ANSWER)
