"""The routes of letters: their language, which of them come, the last ones, the links."""

from __future__ import annotations

from typing import Any

import pytest
from gateway_doubles import LINK_TOKEN, PERSON, THING, Browser, FakeServices
from gateway_samples import LETTER, PROFILE

from gateway.messages import LANGUAGES
from gateway.messages.letters import LETTERS, letter_title
from gateway.schemas.letters import OptionalChoices, OptionalLetters
from shared.contracts.notifications import OPTIONAL, LetterKind
from shared.errors import NotFound

WANTED = {"bill_ready": True, "due_soon": False, "overdue": True}
BOUNCED = "2026-05-10T08:00:00+00:00"


@pytest.fixture(autouse=True)
def _answers(services: FakeServices) -> None:
    services.answers |= {
        ("identity", "profile"): {**PROFILE, "language": "en"},
        ("identity", "choose_language"): {"language": "en"},
        ("notifications", "choices"): {"optional": WANTED, "bounced_since": BOUNCED},
        ("notifications", "letters"): {"letters": [LETTER]},
        ("notifications", "choose"): {},
        ("notifications", "subscription"): {"kind": "due_soon", "wanted": True},
        ("notifications", "unsubscribe"): {"kind": "due_soon"},
    }


def test_letters_are_told_in_words_and_without_content(
    browser: Browser, services: FakeServices
) -> None:
    shown = browser("GET", "/api/v1/me/letters").get_json()
    assert (shown["language"], shown["optional"]) == ("en", WANTED)
    assert shown["bounced_since"] == BOUNCED
    assert shown["letters"] == [
        {
            "letter_id": THING,
            "kind": "payment_receipt",
            "title": "Платёж прошёл: квитанция",
            "state": "sent",
            "queued_at": LETTER["queued_at"],
            "sent_at": LETTER["sent_at"],
        }
    ]
    asked = {call[2].get("person_id") for call in services.calls if call[1] != "authenticate"}
    assert asked == {PERSON}


@pytest.mark.parametrize(
    ("state", "reason", "told"),
    [
        ("queued", None, "queued"),
        ("bounced", None, "bounced"),
        ("failed", "stale", "not_needed"),
        ("failed", "gave_up", "failed"),
        ("failed", "refused_by_server", "failed"),
    ],
)
def test_a_letter_that_nobody_needs_any_more_has_not_failed(
    browser: Browser, services: FakeServices, state: str, reason: str | None, told: str
) -> None:
    letter = {**LETTER, "state": state, "reason": reason, "sent_at": None}
    services.answers["notifications", "letters"] = {"letters": [letter]}
    (shown,) = browser("GET", "/api/v1/me/letters").get_json()["letters"]
    assert shown["state"] == told
    assert "reason" not in shown


def test_language_and_letters_are_chosen_together(browser: Browser, services: FakeServices) -> None:
    body = {"language": "en", "optional": {"overdue": False}}
    chosen = browser("PUT", "/api/v1/me/letters", json=body)
    assert chosen.status_code == 200
    assert chosen.get_json()["message"].startswith("Сохранено.")
    assert services.calls[-2:] == [
        ("identity", "choose_language", {"person_id": PERSON, "language": "en"}),
        ("notifications", "choose", {"person_id": PERSON, "wanted": {"overdue": False}}),
    ]
    assert all(services.command_ids[-2:])


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"language": "de", "optional": {}}, "#/language"),
        ({"optional": {}}, "#/language"),
        ({"language": "en"}, "#/optional"),
        ({"language": "en", "optional": {"payment_receipt": False}}, "#/optional/payment_receipt"),
        ({"language": "en", "optional": {"overdue": "no"}}, "#/optional/overdue"),
        ({"language": "en", "optional": {}, "person_id": THING}, "#/person_id"),
    ],
)
def test_a_wrong_choice_is_refused(
    browser: Browser, services: FakeServices, body: dict[str, Any], pointer: str
) -> None:
    refused = browser("PUT", "/api/v1/me/letters", json=body)
    assert refused.status_code == 422
    assert [error["pointer"] for error in refused.get_json()["errors"]] == [pointer]
    assert {method for _, method, _ in services.calls} == {"authenticate"}


def test_a_link_is_looked_at_and_followed_without_a_session(
    browser: Browser, services: FakeServices
) -> None:
    seen = browser("GET", f"/api/v1/letters/unsubscribe/{LINK_TOKEN}", token=None)
    assert seen.get_json() == {"kind": "due_soon", "title": "Скоро срок оплаты", "wanted": True}
    assert services.calls == [("notifications", "subscription", {"token": LINK_TOKEN})]
    done = browser("POST", "/api/v1/letters/unsubscribe", token=None, json={"token": LINK_TOKEN})
    assert done.status_code == 200
    assert done.get_json()["kind"] == "due_soon"
    assert services.calls[-1] == ("notifications", "unsubscribe", {"token": LINK_TOKEN})


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_unknown_link_is_said_kindly(
    browser: Browser, services: FakeServices, language: str
) -> None:
    missing = NotFound("unsubscribe_link_unknown", "There is no such link.")
    services.answers["notifications", "unsubscribe"] = missing
    refused = browser(
        "POST",
        "/api/v1/letters/unsubscribe",
        token=None,
        json={"token": LINK_TOKEN},
        headers={"Accept-Language": language},
    )
    assert refused.status_code == 404
    assert {"ru": "ссылки", "en": "link"}[language] in refused.get_json()["detail"]


def test_every_kind_of_letter_has_its_name() -> None:
    assert LETTERS.keys() == {kind.value for kind in LetterKind}
    assert all(words.keys() == set(LANGUAGES) for words in LETTERS.values())
    assert letter_title("a_kind_of_next_year", "ru") == "Письмо"


def test_the_optional_letters_are_those_of_notifications() -> None:
    for shape in (OptionalLetters, OptionalChoices):
        assert shape().fields.keys() == {kind.value for kind in OPTIONAL}
