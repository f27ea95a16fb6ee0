"""A file in chunks: the entries that are decided, written and committed together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

from services.ledger.importing.groups import Entries, Entry, Refused

E = TypeVar("E", bound=Entry)

MAX_ROWS = 40_000
"""Rows of one chunk, give or take an account: memory does not depend on the file."""


class Chunk(Generic[E]):
    """A part of a file that begins and ends with an entry; ``offset`` and ``row`` are its end."""

    def __init__(self, number: int, offset: int, row: int) -> None:
        self.number = number
        self.begin = offset
        self.offset = offset
        self.row = row
        self.rows = 0
        self.entries: list[E] = []
        self.refused: list[Refused] = []

    def add(self, found: E | Refused) -> None:
        """Add the next entry or refusal."""
        if isinstance(found, Refused):
            self.refused.append(found)
        else:
            self.entries.append(found)
        self.rows += found.rows
        self.offset, self.row = found.end, found.last

    def is_full(self, at_once: int) -> bool:
        """Whether the next account should begin another chunk."""
        return len(self.entries) + len(self.refused) >= at_once or self.rows >= MAX_ROWS

    def can_end_before(self, found: E | Refused) -> bool:
        """Whether the chunk may end before this entry or refusal.

        Bills of one account stay together, so that a chunk is decided without the one before it.
        Very many of them do not: a chunk has a largest size, whatever the file holds.
        """
        if isinstance(found, Refused) or not self.entries:
            return True
        return found.account != self.entries[-1].account or self.rows >= 2 * MAX_ROWS


def chunks(
    entries: Entries[E], at_once: int, number: int, offset: int, row: int
) -> Iterator[Chunk[E]]:
    """Yield the chunks from a byte on, which begins the row after ``row``."""
    chunk = Chunk[E](number, offset, row)
    for found in entries.after(offset, row):
        if chunk.is_full(at_once) and chunk.can_end_before(found):
            yield chunk
            chunk = Chunk[E](chunk.number + 1, chunk.offset, chunk.row)
        chunk.add(found)
    if chunk.rows:
        yield chunk
