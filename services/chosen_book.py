"""The book that a verb of the ledger's works on, as ``--book`` names it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Annotated, TypeAlias

import typer

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


def in_each_book(run: Callable[[], object]) -> None:
    """Run a verb for each book of the ledger, the first one first; end with the worst exit code.

    The log of each is named on standard error before it.
    """
    worst = 0
    for log in (SPLIT, *load_settings().books):
        sys.stderr.write(f"{log}:\n")
        try:
            with choosing(book_of(log) or FIRST):
                run()
        except typer.Exit as done:
            worst = max(worst, done.exit_code)
    raise typer.Exit(worst)
