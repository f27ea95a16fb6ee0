"""The blocks of a letter: its templates put them, plain text and HTML show each their way.

A template is text: a blank line ends a paragraph, ``## `` begins a heading. Whatever is more than
text it puts by a method of `Blocks`, which leaves a mark in its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import ClassVar, NamedTuple, TypeAlias
from urllib.parse import quote

import msgspec

MARK = "\x1e"
"""Stands around the number of a block; facts hold no control characters."""
HEADING = "## "

_PUT = re.compile(f"{MARK}([0-9]+){MARK}")
_BLANK_LINE = re.compile(r"\n[ \t]*\n")


class _Block(msgspec.Struct, frozen=True):
    name: ClassVar[str]


class Paragraph(_Block, frozen=True):
    name = "paragraph"
    text: str


class Heading(_Block, frozen=True):
    name = "heading"
    text: str


class Link(_Block, frozen=True):
    """A link to a page of the cabinet; ``main``: the one thing to do, shown as a button."""

    name = "link"
    label: str
    url: str
    main: bool


class Code(_Block, frozen=True):
    """A code or a password, to be read and typed."""

    name = "code"
    value: str


class Facts(_Block, frozen=True):
    """Names and values, a row for each."""

    name = "facts"
    rows: tuple[tuple[str, str], ...]


class Row(NamedTuple):
    """A sum, what it is of, and what else there is to say of it."""

    name: str
    amount: str
    note: str = ""


class Table(_Block, frozen=True):
    """Sums of things, under two heads; ``total`` is the last row."""

    name = "table"
    heads: tuple[str, str]
    rows: tuple[Row, ...]
    total: Row


Block: TypeAlias = Paragraph | Heading | Link | Code | Facts | Table


class Blocks:
    """What the template of one letter puts; ``letter`` in the templates."""

    def __init__(self, cabinet_url: str) -> None:
        self._cabinet_url = cabinet_url
        self._put: list[Block] = []

    def button(self, label: str, path: str) -> str:
        """Put the main link of the letter, to a page of the cabinet."""
        return self._mark(Link(label, self._url(path), main=True))

    def link(self, label: str, path: str) -> str:
        """Put a link to a page of the cabinet."""
        return self._mark(Link(label, self._url(path), main=False))

    def code(self, value: str) -> str:
        """Put a code or a password."""
        return self._mark(Code(str(value)))

    def facts(self, *rows: tuple[str, object]) -> str:
        """Put names with their values, without those that have none."""
        known = tuple((name, str(value)) for name, value in rows if value not in (None, ""))
        return self._mark(Facts(known))

    def table(
        self, heads: tuple[str, str], rows: Iterable[Iterable[str]], total: tuple[str, str]
    ) -> str:
        """Put sums of things: a row is a name, its sum and perhaps a note."""
        return self._mark(Table(heads, tuple(Row(*row) for row in rows), Row(*total)))

    def of(self, rendered: str) -> Iterator[Block]:
        """Yield the blocks of a rendered template in their order."""
        parts = _PUT.split(rendered)
        for text, number in zip(parts[::2], [*parts[1::2], None], strict=True):
            yield from _paragraphs(text)
            if number is not None:
                yield self._put[int(number)]

    def _mark(self, block: Block) -> str:
        self._put.append(block)
        return f"{MARK}{len(self._put) - 1}{MARK}"

    def _url(self, path: str) -> str:
        own = path.removeprefix(self._cabinet_url)
        if not own.startswith("/") or own.startswith("//"):
            raise ValueError("a letter links to pages of the cabinet alone")
        return self._cabinet_url + quote(own, safe="/?&=.~")


def _paragraphs(text: str) -> Iterator[Block]:
    for paragraph in _BLANK_LINE.split(text.strip()):
        line = _one_line(paragraph)
        if line.startswith(HEADING):
            yield Heading(line.removeprefix(HEADING))
        elif line:
            yield Paragraph(line)


def _one_line(text: str) -> str:
    # Not str.split(): a no-break space stays.
    return " ".join(filter(None, re.split(r"[ \t\n]+", text)))
