"""Books: the logs that the ledger is split into, each a ledger of its own.

The first book is the ledger itself, and an installation that says nothing else has no other. A
further book has a name (``north``), under which the ledger runs once more: ``ledger_north`` is its
schema, its user of the broker, its queue of RPCs, and what the names of its exchanges and its
stream begin with. So a book has all that a service has, and what holds of a service holds of it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from typing import Any

SEALER = "sealer"
"""The name of the process that seals a log among those that sign in to the database."""
SPLIT = "ledger"
"""The service that is split into books; its own name is that of the first one."""

_NAME = re.compile(r"[a-z][a-z0-9]{0,15}")
_LOG = re.compile(rf"{SPLIT}_{_NAME.pattern}")
# Group roles of the database end like that: saldo_ledger_reader would be a book's, too. And so does
# the schema of a first book that has moved.
_TAKEN = frozenset({"keys", "moved", "reader", "writer"})


def books_of(text: str) -> tuple[str, ...]:
    """Return the logs of the books in a setting, as ``north,south``; raises ValueError."""
    names = text.replace(",", " ").split()
    for name in names:
        if not _NAME.fullmatch(name) or name in _TAKEN:
            raise ValueError(
                f"SALDO_LEDGER_BOOKS: {name!r} is no name of a book: it has up to 16 of a-z and "
                f"0-9, begins with a letter, and is none of {', '.join(sorted(_TAKEN))}"
            )
    if len(set(names)) < len(names):
        raise ValueError("SALDO_LEDGER_BOOKS names a book twice")
    return tuple(f"{SPLIT}_{name}" for name in names)


def is_book(log: str) -> bool:
    """Return whether this is the log of a further book."""
    return _LOG.fullmatch(log) is not None


def service_of(log: str) -> str:
    """Return the service that a log is of: `ledger` for that of a book, else itself."""
    return SPLIT if is_book(log) else log


def book_of(log: str) -> str:
    """Return the name of the book that a log is of; "" for the first one."""
    return log.removeprefix(SPLIT).removeprefix("_")


def log_of(book: str) -> str:
    """Return the log of a book by its name; "" is the first one."""
    return f"{SPLIT}_{book}" if book else SPLIT


def in_book(book: str) -> dict[str, Any]:
    """Return the argument by which a caller names a further book; none for the first one."""
    return {"book": book} if book else {}


def sealer_of(log: str) -> str:
    """Return the name of the sealer of a log among those that sign in to the database."""
    return f"{SEALER}_{book}" if (book := book_of(log)) else SEALER


def with_books(names: Iterable[str], books: Collection[str]) -> Sequence[str]:
    """Return names of services, the logs of these books after that of the ledger."""
    return [log for name in names for log in ((name, *books) if name == SPLIT else (name,))]
