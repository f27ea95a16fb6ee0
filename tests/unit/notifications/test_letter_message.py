"""The message of a letter: headers, bodies, attachments; what is sealed; no injected header."""

from __future__ import annotations

from email import message_from_bytes, policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import parseaddr
from smtplib import SMTP
from typing import Any
from unittest.mock import patch
from uuid import UUID

import pytest
from cryptography.exceptions import InvalidTag
from letter_doubles import SETTINGS, START

from services.notifications.envelope import Attachment, Content, seal, unseal
from services.notifications.letters import Rendered, render
from services.notifications.letters.preview import Shown, shown
from services.notifications.letters.samples import SAMPLES, samples
from services.notifications.mailer import (
    UndeliverableError,
    _LetterPolicy,
    compose,
    message_id_of,
)
from shared.config import Settings
from shared.contracts.notifications import LetterKind
from tests.hostile_texts import HOSTILE

LETTER = UUID("0b6e1f66-94a4-4b4e-a9ff-8a3c0e6c4a2d")


def content_of(letter: Rendered, to: str = "a@example.org", **more: Any) -> Content:
    """Return the content of a letter to an address."""
    return Content(to=to, subject=letter.subject, text=letter.text, html=letter.html, **more)


def unfolded(message: bytes) -> str:
    """Return a message with each header on one line."""
    return message.decode("ascii").replace("\r\n ", " ")


def unix(text: str) -> str:
    """Return a text with line feeds: on the wire the line ends are CRLF."""
    return text.replace("\r\n", "\n")


@pytest.mark.parametrize("one", shown(SETTINGS), ids=lambda one: one.sample.name)
def test_every_subject_reads_back_as_it_was_written(one: Shown) -> None:
    content = content_of(one.letter)
    message = compose(LETTER, content, sender="saldo@example.org", queued_at=START)
    read = message_from_bytes(message.as_bytes(), policy=policy.default)
    assert read["Subject"] == content.subject
    assert max(len(line) for line in message.as_bytes().splitlines()) <= 78


def test_a_message_reads_back_as_it_was_written() -> None:
    facts = SAMPLES[LetterKind.TEMPORARY_PASSWORD][""]
    content = content_of(
        render(LetterKind.TEMPORARY_PASSWORD, "ru", SETTINGS, facts),
        to="ivan@почта.рф",
        language="en",
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
    assert read["Content-Language"] == "en"
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


def test_an_optional_letter_is_switched_off_by_one_click_and_no_other_is() -> None:
    url = "https://saldo.example/letters/unsubscribe/" + "q0Zb3m1V7x" * 9
    optional = Content(to="a@b.ru", subject="s", text="t\n", html="<p>t</p>", unsubscribe_url=url)
    other = Content(to="a@b.ru", subject="s", text="t\n", html="<p>t</p>")
    headers = []
    for content in (optional, other):
        message = compose(LETTER, content, sender=SETTINGS.mail_from, queued_at=START)
        read = message_from_bytes(message.as_bytes(), policy=policy.default)
        headers.append((read["List-Unsubscribe"], read["List-Unsubscribe-Post"]))
        # Mail programs look for the address as it is, not for an encoded word.
        assert (url in unfolded(message.as_bytes())) is (content is optional)
    assert headers == [(f"<{url}>", "List-Unsubscribe=One-Click"), (None, None)]


def test_a_long_message_id_stays_as_it_is() -> None:
    content = Content(to="a@b.ru", subject="s", text="t\n", html="<p>t</p>")
    sender = f"no-reply@{'long.' * 12}example"
    message = compose(LETTER, content, sender=sender, queued_at=START)
    assert f"<{LETTER}.1@{'long.' * 12}example>" in unfolded(message.as_bytes())


@pytest.mark.parametrize("subject", ["s\r\nBcc: thief@evil.example", "s\nx", "s\rx"])
def test_a_subject_cannot_carry_a_header(subject: str) -> None:
    content = Content(to="a@b.ru", subject=subject, text="t\n", html="<p>t</p>")
    with pytest.raises(UndeliverableError):
        compose(LETTER, content, sender=SETTINGS.mail_from, queued_at=START)


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_title_stays_out_of_the_headers(hostile: str) -> None:
    kind = LetterKind.QUESTION_TO_DEPARTMENT  # its subject has the title of a topic
    [facts, *_] = (sample.facts for sample in samples([kind], ["ru"]))
    letter = render(kind, "ru", SETTINGS, {**facts, "topic_title": f"x\nBcc: a@b.c{hostile}"})
    message = compose(LETTER, content_of(letter), sender=SETTINGS.mail_from, queued_at=START)
    read = message_from_bytes(message.as_bytes(), policy=policy.default)
    assert read["Subject"] == letter.subject
    assert not {"Bcc", "Cc", "Reply-To"} & set(read.keys())
    assert read["To"] == "a@example.org"


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


@pytest.mark.parametrize("one", shown(SETTINGS), ids=lambda one: one.sample.name)
def test_a_message_is_what_the_email_package_makes(one: Shown) -> None:
    url = "https://saldo.example/letters/unsubscribe/" + "q0Zb3m1V7x" * 9
    content = content_of(one.letter, to="ivan@почта.рф", unsubscribe_url=url)
    for sender in ("saldo@example.org", SETTINGS.mail_from, f"A. <a@{'long.' * 12}example>"):
        message = compose(LETTER, content, sender=sender, queued_at=START)
        made = by_the_package(content, sender)
        assert message.as_bytes() == made.as_bytes()
        assert bytes_sent(message) == bytes_sent(made)


WORD = "=?utf-8?q?a=0D=0ABcc=3A_x@y?="


@pytest.mark.parametrize("subject", [WORD, "x " * 45 + WORD, f"тема {WORD}", f"a\tb {WORD}"])
@pytest.mark.parametrize("attached", [False, True])
def test_subject_is_text_and_never_another_header(subject: str, attached: bool) -> None:
    file = Attachment(filename="a.txt", text="x", media_type="", data=b"")
    one = shown(SETTINGS)[0].letter
    content = Content(
        to="a@b.ru", subject=subject, text=one.text, html=one.html, attachments=(file,) * attached
    )
    message = compose(LETTER, content, sender="saldo@example.org", queued_at=START)
    assert b"\nBcc" not in bytes(message)
    read = message_from_bytes(bytes(message), policy=policy.default)
    assert WORD in str(read["Subject"]), "it is shown as it was written"


def by_the_package(content: Content, sender: str) -> EmailMessage:
    """Return the same message, whose headers and bodies the package has parsed and made."""
    name, address = parseaddr(sender)
    message = EmailMessage(policy=_LetterPolicy(linesep="\r\n"))
    message["From"] = Address(display_name=name, addr_spec=address)
    message["To"] = Address(addr_spec="ivan@xn--80a1acny.xn--p1ai")
    message["Subject"] = content.subject
    message["Date"] = START
    message["Message-ID"] = message_id_of(LETTER, sender, 1)
    message["Auto-Submitted"] = "auto-generated"
    message["List-Unsubscribe"] = f"<{content.unsubscribe_url}>"
    message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message.set_content(content.text, cte="base64")
    message.add_alternative(content.html, subtype="html", cte="base64")
    message["Content-Language"] = content.language
    message.set_boundary(f"=_{LETTER.hex}.1.0")
    return message


def bytes_sent(message: EmailMessage) -> bytes:
    """Return what smtplib sends."""
    sent: list[bytes] = []
    smtp = SMTP()
    with (
        patch.object(smtp, "ehlo_or_helo_if_needed"),
        patch.object(smtp, "sendmail", lambda _from, to, text, *_: sent.extend([*to, text])),
    ):
        smtp.send_message(message, from_addr="a@b.ru")
    to, text = sent
    assert to == "ivan@xn--80a1acny.xn--p1ai"
    return text
