"""What a letter in HTML holds, for tests: its elements, their words, its links."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html.parser import HTMLParser


class LetterPage(HTMLParser):
    """The elements of a letter in their order, its links, its pieces of text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.attributes: dict[str, str | None] = {}
        self.pieces: list[str] = []
        self.heads: list[str] = []
        self._within = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        values = dict(attrs)
        self._within = "head" if values.get("scope") == "col" else tag
        if tag == "a":
            self.links.append(values["href"] or "")
        if tag == "html":
            self.attributes = values

    def handle_data(self, data: str) -> None:
        if self._within not in ("style", "title") and (piece := one_line(data)):
            (self.heads if self._within == "head" else self.pieces).append(piece)


def one_line(text: str) -> str:
    """Return a text with single plain spaces."""
    return " ".join(text.split())


def urls_in(text: str) -> list[str]:
    """Return the addresses in a letter's text, each on a line of its own."""
    return [line for line in text.splitlines() if re.fullmatch(r"https?://\S+", line)]


def without(text: str, pieces: Iterable[str]) -> str:
    """Return a text from which pieces are taken out, longer ones first."""
    for piece in sorted(pieces, key=len, reverse=True):
        text = text.replace(piece, " ")
    return text
