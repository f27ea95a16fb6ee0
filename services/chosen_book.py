"""The book that a verb of the ledger's works on, as ``--book`` names it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Annotated, Any, TypeAlias

import msgspec
import typer

from services.printed_json import keeping
from shared.books import SPLIT, book_of, log_of
from shared.config import ConfigurationError, load_settings

Book: TypeAlias = Annotated[
    str | None,
    typer.Option(
        help="The book of the ledger, where it has several: its name, or - for the first."
    ),
]
FIRST = "-"

_chosen: ContextVar[str | None] = ContextVar("saldo_book", default=None)


class BookResult(msgspec.Struct, frozen=True):
    """What a verb has found in one book: an element of what it prints of all as JSON."""

    book: str
    """As `--book` names it."""
    exit_code: int
    result: Any
    """What the verb prints of this book alone; None where it was refused."""


@contextmanager
def choosing(book: str | None) -> Iterator[None]:
    """Choose a book for a block."""
    token = _chosen.set(book)
    try:
        yield
    finally:
        _chosen.reset(token)


def chosen_book() -> str | None:
    """Return the log of the book that was named; None where none was."""
    book = _chosen.get()
    return None if book is None else log_of("" if book == FIRST else book)


def has_books() -> bool:
    """Return whether the ledger has further books; what is wrong with settings the verb says."""
    try:
        return bool(load_settings().books)
    except ConfigurationError:
        return False


def in_each_book(run: Callable[[], object]) -> list[BookResult]:
    """Run a verb for each book of the ledger, the first one first; return what it has found.

    What it would print as JSON is kept. The log of each is named on standard error before it.
    """
    done = []
    for log in (SPLIT, *load_settings().books):
        sys.stderr.write(f"{log}:\n")
        book, exit_code = book_of(log) or FIRST, 0
        with choosing(book), keeping() as kept:
            try:
                run()
            except typer.Exit as ended:
                exit_code = ended.exit_code
        done.append(BookResult(book, exit_code, kept[0] if kept else None))
    return done
