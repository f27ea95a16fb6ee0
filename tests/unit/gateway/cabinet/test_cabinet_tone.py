"""The tone of every text that a payer reads: short, exact, and never the payer's fault."""

from __future__ import annotations

import re
from collections.abc import Iterator

import polib
import pytest
from test_cabinet_english import CATALOGUES, texts

from gateway.messages import CATALOGUE, FIELDS, LANGUAGES, NOTICES
from gateway.messages.gateway import KINDS

BANNED = {
    "ru": (
        "валидац",
        "некорректн",
        "недопустим",
        "сервис",
        "попробуйте позже",
        "повторите позже",
        "поздравл",
        "!",
    ),
    "en": (
        "invalid",
        "illegal",
        "service is",
        "the service",
        "congratulat",
        "try again later",
        "!",
    ),
}
"""Of our words, not the payer's; "later" without a time helps nobody."""
MOST_WORDS = 25


def messages() -> Iterator[tuple[str, str, str]]:
    """Yield (code, language, text) of everything that the API says, success included."""
    for part in (CATALOGUE, FIELDS, NOTICES, KINDS):
        for code, text in part.items():
            for language in LANGUAGES:
                yield code, language, text[language]


def banned_in(text: str, language: str) -> list[str]:
    return [word for word in BANNED[language] if word in text.lower()]


def test_no_message_has_a_banned_word() -> None:
    found = {
        (code, language): banned_in(text, language)
        for code, language, text in messages()
        if banned_in(text, language)
    }
    assert found == {}


def test_no_message_is_longer_than_a_breath() -> None:
    long = {
        (code, language): text
        for code, language, text in messages()
        if len([word for word in text.split() if re.search(r"\w", word)]) > MOST_WORDS
    }
    assert long == {}


def test_the_payer_is_addressed_by_a_capital() -> None:
    small = re.compile(r"(?<!\w)(вы|вас|вам|вами|ваш\w*)(?!\w)")
    told = [text for _, language, text in messages() if language == "ru"]
    assert [text for text in [*told, *(text for text, _ in texts())] if small.search(text)] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_of_a_page_has_a_banned_word(language: str) -> None:
    if language == "ru":
        shown = [text for text, _ in texts()]
    else:
        shown = [entry.msgstr for path in CATALOGUES for entry in polib.pofile(str(path))]
    found = {text: banned_in(text, language) for text in shown if banned_in(text, language)}
    assert found == {}
