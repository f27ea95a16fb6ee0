"""A whole company: its files, and the lives that they tell, account by account."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from tests.simulation.files import Book, book_of
from tests.simulation.reading import Row, entries_of
from tests.simulation.reference_model import Books, Entry
from tests.simulation.scenario import Life
from tests.simulation.steps import Step, steps

Progress = Callable[[int], None]


@dataclass(frozen=True)
class Company:
    """The books of a company in the order in which they come; a step without a file is a run."""

    books: Sequence[Book]

    def lives(self) -> Iterator[tuple[str, list[Entry], Books]]:
        """Yield (number, entries as they are recorded, the books after them) by reading the files.

        All files are read side by side, so that one account is in memory at a time.
        """
        streams = [_by_account(place, book) for place, book in enumerate(self.books)]
        merged = heapq.merge(*streams, key=lambda found: found[:2])
        for number, found in groupby(merged, key=lambda item: item[0]):
            rows = {place: mine for _, place, mine in found}
            entries, books = self._live(rows)
            yield number, entries, books

    def _live(self, rows: dict[int, Sequence[Row]]) -> tuple[list[Entry], Books]:
        books, entries = Books(), list[Entry]()
        for place, book in enumerate(self.books):
            step = book.step
            if step.kind == "accrual" and books.entries:
                entries += books.accrue(step.day)
            elif place in rows:
                for entry in entries_of(step.kind, step.day, rows[place], books):
                    books.keep(entry)
                    entries.append(entry)
        return entries, books


def make_company(
    folder: Path, accounts: int, months: int, seed: int, progress: Progress = lambda _: None
) -> Company:
    """Make up a company and write its files."""
    chance = random.Random(seed)  # noqa: S311 - the same every time
    books = [book_of(step, folder, chance) for step in steps(months)]
    for index in range(accounts):
        life = Life(seed, index)
        for book in books:
            if rows := life.rows(book.step):
                book.write(rows)
        progress(1)
    for book in books:
        book.close()
    return Company(books)


def _by_account(place: int, book: Book) -> Iterator[tuple[str, int, list[Row]]]:
    for number, rows in groupby(book.read(), key=lambda row: str(row["account"])):
        yield number, place, list(rows)


def steps_of(company: Company) -> list[Step]:
    """The steps of a company in their order."""
    return [book.step for book in company.books]
