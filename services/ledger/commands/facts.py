"""What is known of one thing, as a table of two columns that fits a narrow terminal."""

from __future__ import annotations

from collections.abc import Iterable
from textwrap import fill

from services.language import text
from services.terminal import new_table, show

_WIDTH = 50
"""Characters of a line: a longer one is folded, also where the output is a pipe."""


def show_facts(title: str, facts: Iterable[tuple[str, str]]) -> None:
    """Print facts, a row each, under a title."""
    table = new_table(title, text("What"), "")
    for what, value in facts:
        table.add_row(what, "\n".join(fill(line, _WIDTH) for line in value.splitlines()))
    show(table)
