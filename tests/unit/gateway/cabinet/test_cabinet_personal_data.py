"""«Мои данные»: what is held, in titles that can be understood, and the withdrawal of consent."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from gateway.cabinet import cookies
from gateway.cabinet.held_words import titled, titles
from shared.errors import ValidationFailed

HELD = {
    "identity": {
        "profile": {"email": "anna@example.org", "organisation": None},
        "acceptances": [{"consent_version": "2026-11-01", "network_address": "203.0.113.7"}],
        "sessions": [{"device": "Firefox", "last_seen_at": "2026-11-29T10:00:00+00:00"}],
        "security_log": [{"at": "2026-11-29", "by": "person", "action": "signed_in"}],
    },
    "accounts": {
        "linked": [{"number": "0100000001", "role": "owner"}],
        "invitations": [{"number": "0100000001", "email": "b@example.org", "expires_at": "x"}],
        "attempts": [],
    },
    "payments": {"payments": [{"total": 450000, "lines": [{"account": "0100000001"}]}]},
    "helpdesk": {
        "questions": [
            {
                "question_id": "q",
                "topic": "charges",
                "dispute": {"account": "0100000001", "period": "2026-10", "service": "heating"},
                "messages": [{"author": "person", "attachments": [{"attachment_id": "a"}]}],
            }
        ]
    },
    "notifications": {"letters": [{"kind": "payment_receipt", "sent_at": None}]},
}


def names_of(held: Any) -> Iterator[str]:
    if isinstance(held, Mapping):
        for name, value in held.items():
            yield name
            yield from names_of(value)
    for each in held if isinstance(held, list) else ():
        yield from names_of(each)


def test_every_part_has_a_title_and_keeps_its_value() -> None:
    known = titles(str)
    assert set(names_of(HELD)) <= known.keys()
    shown = titled(HELD, str)
    assert shown["Кабинет"]["О Вас"] == {
        "Электронная почта": "anna@example.org",
        "Организация": None,
    }
    assert shown["Платежи"]["Платежи"][0]["Сумма, копеек"] == 450000


def test_the_copy_is_a_file_in_the_language_of_the_reader(services: Any, cabinet: Any) -> None:
    services.answers["identity", "held_about"] = HELD
    cabinet.sign_in()
    for language, title in (("ru", "Кабинет"), ("en", "Cabinet")):
        found = cabinet.get("/settings/data.json", Accept_Language=language)
        assert found.status == 200
        assert found.headers["Content-Disposition"].startswith("attachment; filename=")
        copy = json.loads(found.text)
        assert title in copy
        assert "http://localhost:18080/questions/q/attachments/a" in json.dumps(copy)


def test_the_page_says_what_goes_and_what_stays(cabinet: Any) -> None:
    cabinet.sign_in()
    page = cabinet.get("/settings/data")
    assert page.status == 200
    for phrase in ("Что удаляется", "Что остаётся", "402-ФЗ", "зарегистрироваться снова"):
        assert phrase in page.text


def test_withdrawing_ends_the_session_of_the_browser(services: Any, cabinet: Any) -> None:
    services.answers["identity", "withdraw_consent"] = {"person_id": "x", "erased": True}
    cabinet.sign_in()
    done = cabinet.submit(
        "/settings/data", "/settings/data", current_password="четыре синих чайника"
    )
    assert (done.status, done.headers["Location"]) == (303, "/")
    assert services.calls[-1][2]["password"] == "четыре синих чайника"
    (dropped,) = [
        value for value in done.headers.getlist("Set-Cookie") if value.startswith(cookies.SESSION)
    ]
    assert f"{cookies.SESSION}=;" in dropped


@pytest.mark.parametrize("password", ["", "не та фраза"])
def test_a_wrong_password_is_said_at_its_field(services: Any, cabinet: Any, password: str) -> None:
    services.answers["identity", "withdraw_consent"] = ValidationFailed(
        "wrong_current_password", "The current password is wrong."
    )
    cabinet.sign_in()
    shown = cabinet.submit("/settings/data", "/settings/data", current_password=password)
    assert shown.status == 422
    assert 'href="#current_password"' in shown.markup
    assert "Что удаляется" in shown.text
