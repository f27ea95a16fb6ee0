"""What the gateway says to people, by code: Russian first, English second.

Every text says what happened in its first sentence and what to do next in the others. Texts may
name parameters of the error (``{attempts_left}``); when a service did not send one, the text of
the kind is used, so that no half-filled sentence is ever shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from werkzeug.datastructures import LanguageAccept

from gateway.messages.accounts import ACCOUNTS
from gateway.messages.fields import FIELDS
from gateway.messages.gateway import GATEWAY, KINDS
from gateway.messages.helpdesk import HELPDESK
from gateway.messages.identity import IDENTITY
from gateway.messages.ledger import LEDGER
from gateway.messages.notices import NOTICES
from gateway.messages.payments import PAYMENTS

LANGUAGES = ("ru", "en")

CATALOGUE: Mapping[str, Mapping[str, str]] = {
    **GATEWAY,
    **IDENTITY,
    **ACCOUNTS,
    **LEDGER,
    **PAYMENTS,
    **HELPDESK,
}


def language_of(accepted: LanguageAccept) -> str:
    """Return the language that a client prefers among ours; Russian unless it says otherwise."""
    return accepted.best_match(LANGUAGES, default="ru")


def text_of(code: str, kind: str, language: str, params: Mapping[str, Any]) -> str:
    """Return what is said of a code; of its kind when the catalogue does not know it."""
    of_kind = KINDS.get(kind, KINDS["internal"])
    try:
        return CATALOGUE.get(code, of_kind)[language].format_map(params)
    except KeyError:
        return of_kind[language]


def notice_text(code: str, language: str) -> str:
    """Return what is said when something went well, or is on its way."""
    return NOTICES[code][language]


def field_text(code: str, language: str, numbers: Sequence[str]) -> str:
    """Return what is said of one wrong member of a request."""
    return FIELDS.get(code, FIELDS["field_refused"])[language].format(*numbers)
