"""The texts of letters: one template per kind and language, shown as plain text and as HTML.

A template's first line is the subject, the rest the text (`blocks.py`). Facts are plain data: sums
in kopecks, instants and days, codes; the templates find the words. A fact that a template names
must be given: a missing one raises.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from services.notifications.letters.blocks import Blocks
from services.notifications.letters.frames import template
from services.notifications.letters.plain_text import plain_text
from services.notifications.letters.words import filters_of
from shared.config import Settings
from shared.contracts.notifications import LetterKind
from shared.visible_text import SHAPELESS

LANGUAGES = ("ru", "en")
MAX_SUBJECT = 120
MAX_FACT = 300
"""Characters of one fact: what a device calls itself may be longer."""

_INVISIBLE = re.compile(rf"(?:{SHAPELESS.pattern}|[\t\n])+")


class Rendered(NamedTuple):
    """A letter in one language."""

    subject: str
    text: str
    html: str

    def __repr__(self) -> str:
        """Return a text without the content, which must not get into a log or traceback."""
        return "Rendered(...)"


def render(
    kind: LetterKind,
    language: str,
    settings: Settings,
    facts: Mapping[str, object],
    *,
    unsubscribe_url: str | None = None,
) -> Rendered:
    """Return the letter of a kind, from the facts that its template names.

    `unsubscribe_url` is of the kinds that a person may switch off.
    """
    words = _environment(language, settings.timezone)
    letter = Blocks(settings.url)
    written = words.get_template(f"{kind.value}.txt.j2").render(_clean(facts), letter=letter)
    subject, _, body = written.partition("\n")
    footer = words.get_template("footer.txt.j2").render(
        letter=letter,
        for_staff=kind is LetterKind.QUESTION_TO_DEPARTMENT,
        unsubscribe_url=unsubscribe_url,
    )
    blocks, footing = list(letter.of(body)), list(letter.of(footer))
    subject = _bounded(subject.strip(), MAX_SUBJECT)
    html = template("frame.html.j2").render(
        subject=subject, language=language, blocks=blocks, footing=footing
    )
    return Rendered(subject, plain_text(blocks, footing), html)


@lru_cache(maxsize=8)
def _environment(language: str, timezone: str) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / language),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - text; the frame escapes it for HTML
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(filters_of(language, timezone))
    return environment


def _clean(fact: Any) -> Any:
    """Return a fact whose texts are single lines of visible characters."""
    if isinstance(fact, Mapping):
        return {name: _clean(value) for name, value in fact.items()}
    if isinstance(fact, list | tuple):
        return [_clean(value) for value in fact]
    if isinstance(fact, str):
        return _bounded(_INVISIBLE.sub(" ", fact).strip(), MAX_FACT)
    return fact


def _bounded(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"
