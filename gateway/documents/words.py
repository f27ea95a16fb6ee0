"""The words of a template in the reader's language: Russian is the source, as on the pages."""

from __future__ import annotations

import re
from functools import lru_cache
from importlib.resources import files

from gateway.translation import translations

_WORDS = re.compile(r'\bt\("((?:[^"\\]|\\.)*)"\)')
_IMPORTS = re.compile(r'#import "(\w+)\.typ"')


@lru_cache(maxsize=32)
def words(template: str, language: str) -> dict[str, str]:
    """Return what a template and those it imports say, by the Russian text; empty in Russian."""
    if language == "ru":
        return {}
    catalogue = translations(language)
    return {text: catalogue.gettext(text) for text in texts(template)}


def texts(template: str) -> list[str]:
    """Return the Russian texts inside ``t("...")`` of a template and those it imports."""
    source = files("gateway.documents").joinpath("templates", f"{template}.typ").read_text("utf-8")
    found = _WORDS.findall(source)
    for imported in _IMPORTS.findall(source):
        found += texts(imported)
    return found
