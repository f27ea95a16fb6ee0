"""Reading the mailbox: what the catcher keeps of the letters that are really sent."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from deploy.demo.letters import (
    ABOUT_CODE,
    ABOUT_PASSWORD,
    Letter,
    LetterError,
    Mailbox,
    code_in,
    password_in,
)
from deploy.doubles.mailcatcher.letters import Letters
from services.notifications.envelope import Content
from services.notifications.letters import render
from services.notifications.mailer import compose
from shared.config import Settings
from shared.contracts.notifications import LetterKind

SETTINGS = Settings(amqp_url="", secret=bytes(32), url="http://127.0.0.1:1")


def send(caught: Letters, kind: LetterKind, to: str, language: str = "ru", **facts: object) -> None:
    lasts = {"valid_minutes": 15, "valid_hours": 24, "expires_at": datetime.now(UTC)}
    wording = render(kind, language, SETTINGS, lasts | facts)
    content = Content(to=to, subject=wording.subject, text=wording.text, html=wording.html)
    now = datetime.now(UTC)
    message = compose(uuid4(), content, sender="Saldo <no-reply@saldo.invalid>", queued_at=now)
    caught.add("no-reply@saldo.invalid", [to], message.as_bytes())


def test_codes_are_read_from_real_letters(tmp_path: Path) -> None:
    caught = Letters(tmp_path / "mail")
    mailbox = Mailbox(tmp_path / "mail")
    send(caught, LetterKind.REGISTRATION_CODE, "a@b.invalid", code="040923")
    send(
        caught,
        LetterKind.TEMPORARY_PASSWORD,
        "a@b.invalid",
        password="k7vd-m3xp-w9ah",
    )
    send(caught, LetterKind.REGISTRATION_CODE, "c@d.invalid", code="111111", language="en")
    assert code_in(mailbox.wait("a@b.invalid", ABOUT_CODE)) == "040923"
    assert password_in(mailbox.wait("a@b.invalid", ABOUT_PASSWORD)) == "k7vd-m3xp-w9ah"
    assert len(mailbox.letters_to("a@b.invalid")) == 2
    assert code_in(mailbox.wait("c@d.invalid", ABOUT_CODE, saying="111111\n")) == "111111"


def test_newest_letter_counts_and_earlier_ones_do_not(tmp_path: Path) -> None:
    caught = Letters(tmp_path / "mail")
    send(caught, LetterKind.REGISTRATION_CODE, "a@b.invalid", code="000001")
    mailbox = Mailbox(tmp_path / "mail")
    assert mailbox.letters_to("a@b.invalid") == []
    send(caught, LetterKind.REGISTRATION_CODE, "a@b.invalid", code="000002")
    assert code_in(mailbox.wait("a@b.invalid", "код")) == "000002"
    send(caught, LetterKind.REGISTRATION_CODE, "a@b.invalid", code="000003")
    assert code_in(mailbox.wait("a@b.invalid", "код")) == "000003"


def test_missing_letter_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LetterError, match="no letter about «Квитанция»"):
        Mailbox(tmp_path).wait("a@b.invalid", "Квитанция", seconds=0.1)
    with pytest.raises(LetterError, match="has no check code"):
        code_in(Letter("Тема", "Здравствуйте!"))
