"""The texts of letters: one template per kind, Russian first, English below.

A template's first line is the subject, the rest the text; the HTML alternative is the same text
in one frame (`frame.html.j2`). A fact that a template names must be given: a missing one raises.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from services.notifications.envelope import Attachment, Content
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


def render(
    kind: LetterKind,
    to: str,
    settings: Settings,
    facts: Mapping[str, object],
    attachments: tuple[Attachment, ...] = (),
) -> Content:
    """Return the letter of a kind to an address, from the facts that its template names."""
    template = _ENVIRONMENT.get_template(f"{kind.value}.txt.j2")
    subject, _, text = template.render(facts, cabinet_url=settings.url).partition("\n")
    text = text.strip() + "\n"
    html = _ENVIRONMENT.get_template("frame.html.j2").render(
        subject=subject.strip(), paragraphs=_paragraphs(text), is_link=_link_to(settings.url)
    )
    return Content(to=to, subject=subject.strip(), text=text, html=html, attachments=attachments)


def local_time(instant: datetime, settings: Settings) -> str:
    """Return an instant in the installation's time zone: "31.03.2026 21:00"."""
    return instant.astimezone(ZoneInfo(settings.timezone)).strftime("%d.%m.%Y %H:%M")


def local_day(day: str) -> str:
    """Return a day as people write it: "31.03.2026"."""
    return f"{date.fromisoformat(day):%d.%m.%Y}"


def _link_to(cabinet_url: str) -> Callable[[str], bool]:
    """Return whether a line is the address of a page of the cabinet, and nothing else."""
    address = re.compile(re.escape(cabinet_url) + r"(/[A-Za-z0-9/_-]*)?")
    return lambda line: address.fullmatch(line) is not None


def _paragraphs(text: str) -> list[list[str]]:
    return [block.splitlines() for block in text.split("\n\n") if block.strip()]
