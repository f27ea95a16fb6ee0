"""Letters of made-up facts, for staff and translators to look at, as files that a browser opens."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from services.notifications.letters import LANGUAGES, Rendered, render
from services.notifications.letters.frames import template
from services.notifications.letters.samples import TOKEN, Sample, samples
from services.notifications.unsubscribe import url_of
from shared.config import Settings
from shared.contracts.notifications import OPTIONAL, LetterKind

WIDTHS = (320, 640)
INDEX = "index.html"


class Shown(NamedTuple):
    """A sample, and the letter that it makes."""

    sample: Sample
    letter: Rendered


def shown(
    settings: Settings,
    kinds: Sequence[LetterKind] = tuple(LetterKind),
    languages: Sequence[str] = LANGUAGES,
) -> list[Shown]:
    """Return the letters of kinds, all cases of each, in the languages."""
    return [Shown(sample, _letter(settings, sample)) for sample in samples(kinds, languages)]


def write(folder: Path, letters: Sequence[Shown]) -> Path:
    """Write letters as HTML and as text, with an index; return the file to begin with."""
    folder.mkdir(parents=True, exist_ok=True)
    for sample, letter in letters:
        (folder / f"{sample.name}.html").write_text(letter.html, "utf-8")
        (folder / f"{sample.name}.txt").write_text(f"{letter.subject}\n\n{letter.text}", "utf-8")
    index = folder / INDEX
    index.write_text(template("index.html.j2").render(letters=letters, widths=WIDTHS), "utf-8")
    return index


def _letter(settings: Settings, sample: Sample) -> Rendered:
    optional = sample.kind in OPTIONAL
    return render(
        sample.kind,
        sample.language,
        settings,
        sample.facts,
        unsubscribe_url=url_of(settings, TOKEN) if optional else None,
    )
