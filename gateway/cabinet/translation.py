"""The two languages of the pages: Russian is the source text, English is in ``locale/en``.

Templates and code write Russian inside ``_("...")``; a catalogue for each subject has the English
(``locale/en/<subject>.po``). A test fails where one is missing or unused.
"""

from __future__ import annotations

import io
from functools import lru_cache
from gettext import GNUTranslations, NullTranslations
from importlib.resources import files

import polib


@lru_cache(maxsize=2)
def translations(language: str) -> NullTranslations:
    """Return the catalogue of a language; Russian has none, its texts are the source."""
    if language != "en":
        return NullTranslations()
    entries = polib.POFile()
    entries.metadata = {"Content-Type": "text/plain; charset=utf-8"}
    seen = set()
    for catalogue in files("gateway.cabinet").joinpath("locale", language).iterdir():
        if not catalogue.name.endswith(".po"):
            continue
        for entry in polib.pofile(catalogue.read_text(encoding="utf-8")):
            # Two subjects may share a text; they must not translate it in two ways.
            if entry.msgid not in seen:
                seen.add(entry.msgid)
                entries.append(entry)
    return GNUTranslations(io.BytesIO(entries.to_binary()))
