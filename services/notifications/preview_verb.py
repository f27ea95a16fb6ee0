"""``saldo notifications preview``: look at letters without sending one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from services.language import text
from services.notifications.letters import LANGUAGES
from services.notifications.letters import preview as previews
from services.terminal import Json, out, print_json, reporting
from shared.config import load_settings
from shared.contracts.notifications import LetterKind


def preview(
    kind: Annotated[
        str | None, typer.Argument(help="A kind of letter; --all: every kind.", show_default=False)
    ] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="Every kind.")] = False,
    language: Annotated[
        str | None, typer.Option(help="ru or en, the language of the letters; both if left out.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option(help="Write the HTML of a letter into this file.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(help="Write all letters into this folder, with an index.")
    ] = None,
    json: Json = False,
) -> None:
    """Show the letters of a kind with made-up facts; nothing is sent.

    Without --html or --folder their text is printed, all cases of a kind after each other; --html
    has the first case.
    """
    with reporting():
        letters = previews.shown(load_settings(), _kinds(kind, every), _languages(language))
        if html is not None:
            html.write_text(letters[0].letter.html, "utf-8")
        if folder is not None:
            out.print(str(previews.write(folder, letters)), soft_wrap=True)
    if json:
        names = ("kind", "case", "language", "subject", "text", "html")
        print_json(
            [dict(zip(names, (*sample[:3], *letter), strict=True)) for sample, letter in letters]
        )
    elif html is None and folder is None:
        for sample, letter in letters:
            sys.stdout.write(f"=== {sample.name}\n{letter.subject}\n\n{letter.text}\n")


def _kinds(kind: str | None, every: bool) -> list[LetterKind]:
    if every == (kind is not None):
        raise ValueError(text("Name a kind of letter, or give --all."))
    if kind is not None and kind not in set(LetterKind):
        kinds = ", ".join(LetterKind)
        raise ValueError(
            text("{kind}: there is no such letter; there are {kinds}", kind=kind, kinds=kinds)
        )
    return list(LetterKind) if kind is None else [LetterKind(kind)]


def _languages(language: str | None) -> list[str]:
    if language is not None and language not in LANGUAGES:
        raise ValueError(text("--language: ru or en"))
    return list(LANGUAGES) if language is None else [language]
