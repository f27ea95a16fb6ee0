"""The words of a template in the reader's language: Russian is the source, as on the pages."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from pathlib import Path

from gateway.translation import translations
from shared.documents.papers import texts_of


@lru_cache(maxsize=32)
def words(template: str, language: str) -> dict[str, str]:
    """Return what a template and those it imports say, by the Russian text; empty in Russian."""
    if language == "ru":
        return {}
    catalogue = translations(language)
    return {text: catalogue.gettext(text) for text in texts(template)}


def texts(template: str) -> list[str]:
    """Return the Russian texts of a template and those it imports."""
    folder = Path(str(files("gateway.documents")))
    return texts_of(folder / "templates" / f"{template}.typ")
