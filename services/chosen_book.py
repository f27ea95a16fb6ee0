"""The book that a verb of the ledger's works on, as ``--book`` names it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Annotated, TypeAlias

import typer

from shared.books import log_of

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
