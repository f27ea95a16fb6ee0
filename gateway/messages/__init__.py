"""The texts that people read, by code: Russian first, English second.

Only codes that a route can meet have a text; those that staff alone meet do not. The first
sentence of a text says what happened, the others what to do next. A text may name parameters of
the error (``{attempts_left}``, ``{limit:roubles}``). When one is missing the text of the kind is
used instead, so that nobody sees a placeholder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from string import Formatter
from typing import Any

from werkzeug.datastructures import LanguageAccept

from gateway.messages.accounts import ACCOUNTS
from gateway.messages.fields import FIELDS
from gateway.messages.gateway import GATEWAY, KINDS
from gateway.messages.helpdesk import HELPDESK
from gateway.messages.identity import IDENTITY
from gateway.messages.ledger import LEDGER
from gateway.messages.letters import NOTIFICATIONS
from gateway.messages.notices import NOTICES
from gateway.messages.payments import PAYMENTS
from gateway.messages.second_factor import SECOND_FACTOR
from shared.formats import roubles

LANGUAGES = ("ru", "en")

CATALOGUE: Mapping[str, Mapping[str, str]] = {
    **GATEWAY,
    **IDENTITY,
    **SECOND_FACTOR,
    **ACCOUNTS,
    **LEDGER,
    **PAYMENTS,
    **HELPDESK,
    **NOTIFICATIONS,
}


def language_of(accepted: LanguageAccept) -> str:
    """Return the language of ours that a client prefers; Russian by default."""
    return accepted.best_match(LANGUAGES, default="ru")


def text_of(code: str, kind: str, language: str, params: Mapping[str, Any]) -> str:
    """Return the text of a code, or of its kind when the catalogue has no such code."""
    of_kind = KINDS.get(kind, KINDS["internal"])
    try:
        return _Words(language).vformat(CATALOGUE.get(code, of_kind)[language], (), params)
    except KeyError:
        return of_kind[language]


def notice_text(code: str, language: str) -> str:
    """Return the text of a success, or of something under way."""
    return NOTICES[code][language]


def field_text(code: str, language: str, numbers: Sequence[str]) -> str:
    """Return the text for one wrong member of a request."""
    return FIELDS.get(code, FIELDS["field_refused"])[language].format(*numbers)


def text_explained(code: str, language: str) -> tuple[str, str]:
    """Return the two halves of a code's text: what happened, and what to do next.

    A value that only one occurrence has, such as a time, is written as an ellipsis.
    """
    text = _Words(language).vformat(CATALOGUE[code][language], (), _Elided())
    cause, _, remedy = text.partition(". ")
    return cause.rstrip("."), remedy


def fields_explained(language: str) -> list[tuple[str, str]]:
    """Return the codes of wrong members with their texts."""
    return [(code, words[language].format("…", "…")) for code, words in FIELDS.items()]


class _Words(Formatter):
    """Fills in the places of a text: ``{limit}``, or ``{limit:roubles}`` for kopecks."""

    def __init__(self, language: str) -> None:
        self._language = language

    def format_field(self, value: Any, format_spec: str) -> str:
        if format_spec == "roubles":
            return roubles(value, self._language) if isinstance(value, int) else str(value)
        return str(super().format_field(value, format_spec))


class _Elided(dict[str, str]):
    def __missing__(self, _name: str) -> str:
        return "…"
