"""The language of what staff read in a terminal: English, as the code has it, or Russian.

``--lang`` of a verb decides, then ``SALDO_LANG``, then the locale (``LC_ALL``, ``LC_MESSAGES``,
``LANG``); English where none of them names Russian. The Russian texts are in ``locale/ru``, a
catalogue for each subject; a test fails where one is missing or unused.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum
from functools import lru_cache
from gettext import GNUTranslations, NullTranslations
from importlib.resources import files
from typing import Annotated, Any

import typer


class Language(StrEnum):
    """The languages of staff output."""

    RU = "ru"
    EN = "en"


Lang = Annotated[
    Language | None,
    typer.Option("--lang", help="The language of the output; the locale's when left out."),
]

_LOCALE = ("LC_ALL", "LC_MESSAGES", "LANG")
_chosen: ContextVar[Language | None] = ContextVar("saldo_language", default=None)


@contextmanager
def spoken(chosen: Language | None) -> Iterator[None]:
    """Use a language within a block; None: that of the environment."""
    token = _chosen.set(chosen)
    try:
        yield
    finally:
        _chosen.reset(token)


def language() -> Language:
    """Return the language of the output."""
    return _chosen.get() or of_environment(os.environ)


def asked() -> Language | None:
    """Return the language that ``--lang`` names; None where it is left out."""
    return _chosen.get()


def of_environment(environ: Mapping[str, str]) -> Language:
    """Return the language that the environment asks for."""
    locale = next((environ[name] for name in _LOCALE if environ.get(name)), "")
    asked = environ.get("SALDO_LANG") or locale
    return Language.RU if asked.lower().partition("_")[0].partition(".")[0] == "ru" else Language.EN


def text(english: str, **values: Any) -> str:
    """Return a text in the language of the output, with its values in their places."""
    return translated(english, values)


def translated(english: str, values: Mapping[str, Any]) -> str:
    """Return a text that stands in the code elsewhere, as `text` does."""
    found = _catalogue(language()).gettext(english)
    return found.format(**values) if values else found


def refusal(code: str, params: Mapping[str, Any]) -> str | None:
    """Return the text of a service's refusal; None where it is English, or has no such text."""
    found = _catalogue(language()).pgettext("refusal", code)
    try:
        values = {
            name: ", ".join(map(str, value)) if isinstance(value, list) else value
            for name, value in params.items()
        }
        return None if found == code else found.format(**values)
    except (LookupError, ValueError):
        return None


@lru_cache(maxsize=2)
def _catalogue(chosen: Language) -> NullTranslations:
    if chosen is Language.EN:
        return NullTranslations()
    import polib  # only where texts are not English

    entries = polib.POFile()
    entries.metadata = {"Content-Type": "text/plain; charset=utf-8"}
    for path in files("services").joinpath("locale", chosen).iterdir():
        if path.name.endswith(".po"):
            entries.extend(polib.pofile(path.read_text(encoding="utf-8")))
    return GNUTranslations(io.BytesIO(entries.to_binary()))
