"""The texts of letters: one template per kind, Russian first, English below.

A template's first line is the subject, the rest the text; the HTML alternative is the same text
in one frame (`frame.html.j2`). A fact that a template names must be given: a missing one raises.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from shared.config import Settings
from shared.contracts.notifications import LetterKind
from shared.money import format_roubles

_ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    undefined=StrictUndefined,
    autoescape=select_autoescape(enabled_extensions=("html.j2",), default=False),
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.filters["roubles"] = format_roubles


@dataclass(frozen=True, repr=False)
class Rendered:
    """The wording of a letter."""

    subject: str
    text: str
    html: str


def render(
    kind: LetterKind,
    language: str,
    settings: Settings,
    facts: Mapping[str, object],
    *,
    unsubscribe_url: str | None = None,
) -> Rendered:
    """Return the letter of a kind, from the facts that its template names."""
    template = _ENVIRONMENT.get_template(f"{kind.value}.txt.j2")
    environment = {name: _formatted(fact, settings) for name, fact in facts.items()}
    subject, _, text = template.render(environment, cabinet_url=settings.url).partition("\n")
    text = text.strip() + "\n"
    html = _ENVIRONMENT.get_template("frame.html.j2").render(
        subject=subject.strip(), paragraphs=_paragraphs(text), is_link=_link_to(settings.url)
    )
    return Rendered(subject=subject.strip(), text=text, html=html)


def _formatted(fact: object, settings: Settings) -> object:
    """Return an instant or a day as people write it."""
    if isinstance(fact, datetime):
        return _formatted(fact.isoformat(), settings)
    if isinstance(fact, str) and re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+[+-]\d\d:\d\d", fact):
        moment = datetime.fromisoformat(fact).astimezone(ZoneInfo(settings.timezone))
        return f"{moment:%d.%m.%Y %H:%M}"
    if isinstance(fact, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", fact):
        return f"{date.fromisoformat(fact):%d.%m.%Y}"
    return fact


def _link_to(cabinet_url: str) -> Callable[[str], bool]:
    """Return whether a line is the address of a page of the cabinet, and nothing else."""
    address = re.compile(re.escape(cabinet_url) + r"(/[A-Za-z0-9/_-]*)?")
    return lambda line: address.fullmatch(line) is not None


def _paragraphs(text: str) -> list[list[str]]:
    return [block.splitlines() for block in text.split("\n\n") if block.strip()]
