"""The forms of papers, templates in ``forms/``, and their words: Russian stands in the template."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import polib

from shared.documents.typesetting import Typesetter, encoded

LANGUAGES = ("ru", "en")

_FORMS = Path(str(files("shared.documents"))) / "forms"
_PACKAGES = _FORMS.parents[2]
_WORDS = re.compile(r'\bt\("((?:[^"\\]|\\.)*)"\)')
_IMPORTS = re.compile(r'#import "/([\w/]+\.typ)"')


def form(paper: str) -> Path:
    """Return the template of a paper (``reconciliation``)."""
    return _FORMS / f"{paper}.typ"


def paper_pdf(paper: str, data: Mapping[str, Any], language: str) -> bytes:
    """Return the PDF of a paper, for a process that makes one and ends."""
    return Typesetter().pdf(form(paper), encoded_data(paper, data, language))


def encoded_data(paper: str, data: Mapping[str, Any], language: str) -> str:
    """Return what the template of a paper reads."""
    return encoded(data, language, _words(paper, language))


def texts_of(template: Path) -> list[str]:
    """Return the Russian texts inside ``t("...")`` of a template and those it imports."""
    source = template.read_text("utf-8")
    found = _WORDS.findall(source)
    for imported in _IMPORTS.findall(source):
        found += texts_of(_PACKAGES / imported)
    return found


@lru_cache(maxsize=8)
def _words(paper: str, language: str) -> dict[str, str]:
    """Return the words of a paper by the Russian text; empty in Russian."""
    return {} if language == "ru" else {text: english()[text] for text in texts_of(form(paper))}


@lru_cache(maxsize=1)
def english() -> Mapping[str, str]:
    """Return the English of all papers by the Russian text."""
    catalogue = polib.pofile((_FORMS / "en.po").read_text("utf-8"))
    return {entry.msgid: entry.msgstr for entry in catalogue}
