"""A letter as plain text: short lines, each address on a line of its own."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from services.notifications.letters.blocks import (
    Block,
    Code,
    Facts,
    Heading,
    Link,
    Paragraph,
    Table,
)

WIDTH = 76
INDENT = "    "
RULE = "-- "
"""Stands above the footer: mail programs know it as the start of a signature."""


def plain_text(body: Iterable[Block], footer: Iterable[Block]) -> str:
    """Return the text of a letter."""
    return f"{_text(body)}\n\n{RULE}\n{_text(footer)}\n"


def _text(blocks: Iterable[Block]) -> str:
    text = ""
    for block in blocks:
        text += f"{_shown(block)}\n" + ("" if isinstance(block, Heading) else "\n")
    return text.rstrip("\n")


def _shown(block: Block) -> str:
    match block:
        case Paragraph():
            return _wrapped(block.text)
        case Heading():
            return _wrapped(f"* {block.text} *")
        case Link():
            return f"{_wrapped(block.label)}:\n{block.url}"
        case Code():
            return INDENT + block.value
        case Facts():
            return "\n".join(_wrapped(f"{name}: {value}") for name, value in block.rows)
        case Table():
            return _table(block)


def _table(table: Table) -> str:
    thing = table.heads[0]
    lines = [
        f"{thing} {row.name}: {row.amount}" + (f", {row.note}" if row.note else "")
        for row in table.rows
    ]
    lines.append(f"{table.total.name}: {table.total.amount}")
    return "\n".join(map(_wrapped, lines))


def _wrapped(text: str) -> str:
    return "\n".join(textwrap.wrap(text, WIDTH, break_long_words=False, break_on_hyphens=False))
