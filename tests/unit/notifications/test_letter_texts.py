"""The texts of letters, and protection against header injection."""

from __future__ import annotations

from email import message_from_bytes, policy
from pathlib import Path
from uuid import UUID

import pytest
from cryptography.exceptions import InvalidTag
from letter_doubles import SETTINGS, START

from services.notifications import letters
from services.notifications.envelope import Attachment, Content, seal, unseal
from services.notifications.letters import render
from services.notifications.mailer import UndeliverableError, compose
from shared.config import Settings
from shared.contracts.notifications import LetterKind

LETTER = UUID("0b6e1f66-94a4-4b4e-a9ff-8a3c0e6c4a2d")
LINES = [
    {"account": "0012345678", "amount": 450000, "penalty": 0, "posted": True},
    {"account": "0012345679", "amount": 100050, "penalty": 11963, "posted": True},
]
QUESTION = {
    "number": 17,
    "topic_title": "Начисления",
    "department_title": "Отдел расчётов",
}
FACTS: dict[LetterKind, dict[str, object]] = {
    LetterKind.REGISTRATION_CODE: {"code": "493027", "valid_minutes": 15},
    LetterKind.ALREADY_REGISTERED: {},
    LetterKind.TEMPORARY_PASSWORD: {"password": "Xy7-kLm9-Qw2", "valid_hours": 24},
    LetterKind.PASSWORD_RESET_LINK: {"token": "q0Zb3m1V7x", "valid_minutes": 60},
    LetterKind.EMAIL_TO_CONFIRM: {
        "token": "q0Zb3m1V7x",
        "expires_at": "01.04.2026 21:00",
        "due_at": None,
    },
    LetterKind.EMAIL_TO_LEAVE: {
        "token": "q0Zb3m1V7x",
        "expires_at": "14.04.2026 21:00",
        "due_at": "03.04.2026 21:00",
        "way": "account",
    },
    LetterKind.EMAIL_TAKEN: {},
    LetterKind.EMAIL_CHANGED: {"changed_at": "31.03.2026 21:00"},
    LetterKind.PASSWORD_CHANGED: {"changed_at": "31.03.2026 21:00"},
    LetterKind.SECOND_FACTOR_CHANGED: {
        "changed_at": "31.03.2026 21:00",
        "change": "passkey_added",
    },
    LetterKind.RECOVERY_CODE_USED: {"used_at": "31.03.2026 21:00", "left": 2, "low": True},
    LetterKind.SECOND_FACTOR_GUESSED: {"guessed_at": "31.03.2026 21:00"},
    LetterKind.SIGN_IN_LINK: {"token": "q3Vb9LrX0w2m", "valid_minutes": 30},
    LetterKind.NEW_DEVICE: {"device": "Firefox, Linux", "signed_in_at": "31.03.2026 21:00"},
    LetterKind.PERSON_ERASED: {"erased_at": "31.03.2026 21:00"},
    LetterKind.ACCOUNT_LINKED_BY_ANOTHER: {"number": "0012345678", "linked_at": "31.03.2026 21:00"},
    LetterKind.INVITATION: {
        "number": "0012345678",
        "address": "г. Примерск, ул. Образцовая",
        "role": "viewer",
        "token": "QUJD",
        "valid_days": 7,
    },
    LetterKind.INVITATION_ACCEPTED: {
        "number": "0012345678",
        "linked_at": "31.03.2026 21:00",
        "role": "payer",
    },
    LetterKind.ACCESS_WITHDRAWN: {
        "number": "0012345678",
        "ended_at": "31.03.2026 21:00",
        "by_staff": False,
    },
    LetterKind.PROOFS_GUESSED: {"number": "0012345678", "attempts": 10},
    LetterKind.PAYMENT_RECEIPT: {
        "payment_id": "p-1",
        "lines": LINES,
        "total": 562013,
        "paid_at": "31.03.2026 21:00",
        "masked_card": "411111**1111",
    },
    LetterKind.PAYMENT_FAILED: {
        "payment_id": "p-1",
        "lines": LINES,
        "total": 562013,
        "failure": "declined",
    },
    LetterKind.PAYMENT_REFUNDED: {
        "payment_id": "p-1",
        "lines": [{"account": "0012345678", "amount": 100000}],
        "total": 100000,
        "paid": 562013,
        "whole": False,
        "by_bank": True,
        "refunded_on": "02.04.2026",
    },
    LetterKind.PAYMENT_MISMATCHED: {
        "payment_id": "p-1",
        "case": "7f1c5c58",
        "ordered": 562013,
        "charged": 5620,
        "returns": True,
    },
    LetterKind.QUESTION_ACCEPTED: QUESTION,
    LetterKind.QUESTION_TO_DEPARTMENT: {**QUESTION, "account": None},
    LetterKind.QUESTION_ANSWERED: {**QUESTION, "question_id": "q-1"},
}
REQUIRED_PHRASES = {
    LetterKind.PERSON_ERASED: ["31.03.2026 21:00", "удалён", "зарегистрироваться снова"],
    LetterKind.REGISTRATION_CODE: ["493027", "15 мин.", "Никому не сообщайте этот код"],
    LetterKind.ALREADY_REGISTERED: ["уже есть", "Забыли пароль?"],
    LetterKind.TEMPORARY_PASSWORD: [
        "Xy7-kLm9-Qw2",
        "24 ч.",
        "При первом входе его необходимо сменить",
        "Никому не сообщайте Ваш личный пароль",
        f"{SETTINGS.url}/documents/instruction\n",
    ],
    LetterKind.PASSWORD_RESET_LINK: [f"{SETTINGS.url}/recover/q0Zb3m1V7x\n", "60 мин."],
    LetterKind.EMAIL_TO_CONFIRM: [
        f"{SETTINGS.url}/email/new/q0Zb3m1V7x\n",
        "до 01.04.2026 21:00",
        "когда подтвердят оба",
    ],
    LetterKind.EMAIL_TO_LEAVE: [
        f"{SETTINGS.url}/email/old/q0Zb3m1V7x\n",
        "смену подтвердили платёжным документом",
        "Адрес сменится 03.04.2026 21:00",
        "откажитесь",
    ],
    LetterKind.EMAIL_TAKEN: ["уже есть свой кабинет"],
    LetterKind.EMAIL_CHANGED: ["31.03.2026 21:00", "Если адрес сменили не Вы"],
    LetterKind.PASSWORD_CHANGED: ["31.03.2026 21:00", "Если это были не Вы"],
    LetterKind.SECOND_FACTOR_CHANGED: ["Изменены настройки входа", "не Вы"],
    LetterKind.RECOVERY_CODE_USED: ["Осталось кодов: 2.", "Получите новые"],
    LetterKind.SECOND_FACTOR_GUESSED: ["кто-то ввёл Ваш пароль", "«Забыли пароль?»"],
    LetterKind.SIGN_IN_LINK: [
        f"{SETTINGS.url}/log-in/q3Vb9LrX0w2m\n",
        "30 мин.",
        "Никому не пересылайте это письмо",
    ],
    LetterKind.NEW_DEVICE: ["31.03.2026 21:00", "Firefox, Linux", "Если это были не Вы"],
    LetterKind.ACCOUNT_LINKED_BY_ANOTHER: ["0012345678", "«Вопрос-Ответ»"],
    LetterKind.INVITATION: [
        "0012345678 (г. Примерск, ул. Образцовая)",
        "только смотреть",
        f"{SETTINGS.url}/invitations/QUJD\n",
        "7 дн.",
    ],
    LetterKind.INVITATION_ACCEPTED: [
        "смотреть и оплачивать",
        f"{SETTINGS.url}/accounts/0012345678/access\n",
    ],
    LetterKind.ACCESS_WITHDRAWN: ["Владелец лицевого счёта 0012345678", "31.03.2026 21:00"],
    LetterKind.PROOFS_GUESSED: ["0012345678", "не подошли, раз: 10.", "Счёт никому не открыт"],
    LetterKind.PAYMENT_RECEIPT: [
        "Номер платежа: p-1",
        f"{SETTINGS.url}/payments/p-1/receipt\n",
        "31.03.2026 21:00",
        "411111**1111",
        "Лицевой счёт 0012345678: 4 500,00 руб.\n",
        "Лицевой счёт 0012345679: 1 000,50 руб., пени 119,63 руб.\n",
        "Итого: 5 620,13 руб.",
    ],
    LetterKind.PAYMENT_FAILED: ["p-1", "банк отклонил карту", "«Платежи-Оплатить»"],
    LetterKind.PAYMENT_REFUNDED: [
        "Номер платежа: p-1",
        "Часть Вашего платежа на 5 620,13 руб. возвращена на карту: 1 000,00 руб.",
        "День возврата: 02.04.2026",
        "Деньги вернул банк.",
        "Лицевой счёт 0012345678: 1 000,00 руб.\n",
        "скажет её банк",
        f"{SETTINGS.url}/payments/p-1\n",
    ],
    LetterKind.PAYMENT_MISMATCHED: [
        "заказано 5 620,13 руб., а банк сообщает о списании 56,20 руб.",
        "Номер обращения: 7f1c5c58",
        "вернём её на карту полностью",
        "не платите второй раз",
        f"{SETTINGS.url}/payments/p-1\n",
    ],
    LetterKind.QUESTION_ACCEPTED: ["Отдел расчётов", "«Вопрос-Ответ»"],
    LetterKind.QUESTION_TO_DEPARTMENT: [
        "не указан",
        "saldo helpdesk answer",
    ],
    LetterKind.QUESTION_ANSWERED: [f"{SETTINGS.url}/questions/q-1\n"],
}


#: Without those whose templates come with the letters of mailings and disputes.
KINDS = [
    kind
    for kind in LetterKind
    if kind
    not in {
        LetterKind.QUESTION_CLOSED,
        LetterKind.DISPUTE_DECIDED,
        LetterKind.BILL_READY,
        LetterKind.DUE_SOON,
        LetterKind.OVERDUE,
    }
]


def content_of(kind: LetterKind, facts: dict[str, object], **more: object) -> Content:
    """Return a drawn letter of a kind."""
    wording = render(kind, "ru", SETTINGS, facts)
    to = str(more.pop("to", "a@example.org"))
    return Content(to=to, subject=wording.subject, text=wording.text, html=wording.html, **more)


def spaces(text: str) -> str:
    """Return a text with plain spaces: amounts have non-breaking ones."""
    return text.replace("\u00a0", " ")


def unix(text: str) -> str:
    """Return a text with line feeds: on the wire the line ends are CRLF."""
    return text.replace("\r\n", "\n")


def test_every_kind_has_one_template_and_every_template_a_kind() -> None:
    parts = {"payment_lines", "signature"}  # included by the templates of the kinds
    folder = Path(letters.__file__).parent
    templates = {path.name.removesuffix(".txt.j2") for path in folder.glob("*.txt.j2")}
    assert templates - parts == {kind.value for kind in KINDS}
    assert set(FACTS) == set(REQUIRED_PHRASES) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_its_required_phrases(kind: LetterKind) -> None:
    content = render(kind, "ru", SETTINGS, FACTS[kind])
    text = spaces(content.text)
    for words in REQUIRED_PHRASES[kind]:
        assert words in text
    assert "\n" not in content.subject
    assert content.subject
    assert "\n\n\n" not in text
    assert max(content.html.count(mark) for mark in ("{{", "{%")) == 0


@pytest.mark.parametrize(
    "kind", [kind for kind in KINDS if kind is not LetterKind.QUESTION_TO_DEPARTMENT]
)
def test_letters_to_people_are_signed_with_english_below(kind: LetterKind) -> None:
    text = render(kind, "ru", SETTINGS, FACTS[kind]).text
    assert text.index("In English: ") > text.index("Здравствуйте!")
    assert "\nhttps://saldo.example\n" in text
    html = render(kind, "ru", SETTINGS, FACTS[kind]).html
    assert '<a href="https://saldo.example">' in html


@pytest.mark.parametrize(
    ("kind", "secret"),
    [(LetterKind.REGISTRATION_CODE, "493027"), (LetterKind.PASSWORD_RESET_LINK, "q0Zb3m1V7x")],
)
def test_a_secret_is_not_in_the_subject(kind: LetterKind, secret: str) -> None:
    # Subjects show on locked screens.
    assert secret not in render(kind, "ru", SETTINGS, FACTS[kind]).subject


def test_an_address_of_the_cabinet_on_a_line_of_its_own_is_a_link() -> None:
    facts = FACTS[LetterKind.PASSWORD_RESET_LINK]
    html = render(LetterKind.PASSWORD_RESET_LINK, "ru", SETTINGS, facts).html
    assert f'<a href="{SETTINGS.url}/recover/q0Zb3m1V7x">' in html


def test_a_whole_refund_and_a_mismatch_left_to_staff_are_told_so() -> None:
    refunded = FACTS[LetterKind.PAYMENT_REFUNDED] | {"whole": True, "by_bank": False}
    text = spaces(render(LetterKind.PAYMENT_REFUNDED, "ru", SETTINGS, refunded).text)
    assert "Ваш платёж на 5 620,13 руб. возвращён на карту." in text
    assert "Деньги вернул банк" not in text
    mismatched = FACTS[LetterKind.PAYMENT_MISMATCHED] | {"returns": False}
    text = render(LetterKind.PAYMENT_MISMATCHED, "ru", SETTINGS, mismatched).text
    assert "разбираются сотрудники" in text
    assert "полностью" not in text


def test_the_last_recovery_code_is_called_so() -> None:
    spent = FACTS[LetterKind.RECOVERY_CODE_USED] | {"left": 0}
    text = render(LetterKind.RECOVERY_CODE_USED, "ru", SETTINGS, spent).text
    assert "Это был последний код. Получите новые" in text
    assert "почти не осталось" not in text


def test_a_change_of_address_by_staff_blames_no_password() -> None:
    by_staff = FACTS[LetterKind.EMAIL_TO_LEAVE] | {"way": "staff"}
    text = render(LetterKind.EMAIL_TO_LEAVE, "ru", SETTINGS, by_staff).text
    assert "кто-то выдал себя за Вас: откажитесь" in text
    assert "знает Ваш пароль" not in text


@pytest.mark.parametrize("kind", KINDS)
def test_every_subject_reads_back_as_it_was_written(kind: LetterKind) -> None:
    content = content_of(kind, FACTS[kind])
    message = compose(LETTER, content, sender="saldo@example.org", queued_at=START)
    read = message_from_bytes(message.as_bytes(), policy=policy.default)
    assert read["Subject"] == content.subject
    assert max(len(line) for line in message.as_bytes().splitlines()) <= 78


def test_missing_fact_is_an_error() -> None:
    with pytest.raises(Exception, match="valid_minutes"):
        render(LetterKind.REGISTRATION_CODE, "ru", SETTINGS, {"code": "493027"})


def test_text_of_people_is_escaped_in_html() -> None:
    facts = {**FACTS[LetterKind.QUESTION_TO_DEPARTMENT], "topic_title": "Почему <b>так</b>?"}
    html = render(LetterKind.QUESTION_TO_DEPARTMENT, "ru", SETTINGS, facts).html
    assert "<b>" not in html
    assert "&lt;b&gt;так&lt;/b&gt;" in html


def test_a_message_reads_back_as_it_was_written() -> None:
    content = content_of(
        LetterKind.TEMPORARY_PASSWORD,
        FACTS[LetterKind.TEMPORARY_PASSWORD],
        to="ivan@почта.рф",
        attachments=(
            Attachment(filename="Инструкция.txt", text="1. Выберите тип\n"),
            Attachment(filename="Инструкция.pdf", media_type="application/pdf", data=b"%PDF-1"),
        ),
    )
    message = compose(LETTER, content, sender=SETTINGS.mail_from, queued_at=START)
    read = message_from_bytes(message.as_bytes(), policy=policy.default)
    assert read["Message-ID"] == f"<{LETTER}.1@saldo.example>"
    assert read["To"] == "ivan@xn--80a1acny.xn--p1ai"
    assert read["From"] == "Сальдо <no-reply@saldo.example>"
    assert read["Subject"] == content.subject
    assert read["Auto-Submitted"] == "auto-generated"
    assert read["Date"].datetime == START
    assert unix(read.get_body(("plain",)).get_content()) == content.text
    assert unix(read.get_body(("html",)).get_content()) == content.html + "\n"
    plain, typeset = read.iter_attachments()
    assert plain.get_filename() == "Инструкция.txt"
    assert unix(plain.get_content()) == "1. Выберите тип\n"
    assert typeset.get_filename() == "Инструкция.pdf"
    assert typeset.get_content_type() == "application/pdf"
    assert typeset.get_content() == b"%PDF-1"


@pytest.mark.parametrize(
    "address",
    [
        "a@b.ru\r\nBcc: thief@evil.example",
        "a@b.ru\nSubject: x",
        "a@b.ru, thief@evil.example",
        "<a@b.ru>",
        "a@b.ru ",
        "a b@c.ru",
        "nobody",
        "@b.ru",
        "a@",
        "",
    ],
)
def test_an_address_cannot_carry_a_header_or_a_second_recipient(address: str) -> None:
    content = Content(to=address, subject="s", text="t\n", html="<p>t</p>")
    with pytest.raises(UndeliverableError) as caught:
        compose(LETTER, content, sender=SETTINGS.mail_from, queued_at=START)
    assert "evil" not in str(caught.value)


@pytest.mark.parametrize("subject", ["s\r\nBcc: thief@evil.example", "s\nx", "s\rx"])
def test_a_subject_cannot_carry_a_header(subject: str) -> None:
    content = Content(to="a@b.ru", subject=subject, text="t\n", html="<p>t</p>")
    with pytest.raises(UndeliverableError):
        compose(LETTER, content, sender=SETTINGS.mail_from, queued_at=START)


def test_a_topic_with_a_line_feed_stays_out_of_the_headers() -> None:
    facts = {**QUESTION, "topic_title": "x\nBcc: thief@evil.example"}
    content = content_of(LetterKind.QUESTION_ACCEPTED, facts)
    message = compose(LETTER, content, sender=SETTINGS.mail_from, queued_at=START)
    assert message["Bcc"] is None


def test_envelope_is_bound_to_its_key_and_letter() -> None:
    content = Content(to="a@b.ru", subject="s", text="493027\n", html="<p>493027</p>")
    sealed = seal(SETTINGS, LETTER, content)
    assert unseal(SETTINGS, LETTER, sealed) == content
    assert "493027" not in sealed
    assert "493027" not in repr(content)
    with pytest.raises(InvalidTag):
        unseal(SETTINGS, UUID(int=1), sealed)
    other = Settings(amqp_url="amqp://nowhere", secret=bytes(32))
    with pytest.raises(InvalidTag):
        unseal(other, LETTER, sealed)
