"""The books of the ledger in an installation under trouble: how many, where, and which numbers.

``SALDO_LEDGER_BOOKS`` names them, as in any installation (`docs/books.md`); this module gives the
demo company's accounts to them, and says where the rows of each book are.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg

from deploy.demo.company import ACCOUNTS_FILE, CHARGES_FILE, demo_accounts
from deploy.demo.loading import saldo
from deploy.embedded.books import books_in
from shared.books import SPLIT, book_of, with_books
from shared.config import SERVICES
from tests.waiting import eventually

NAMES = ("north", "south")
"""The further books, in the order in which they are added."""
MOST_BOOKS = 1 + len(NAMES)
REASON = "faults"

_PREFIXES = ("010000001", "010000003")
"""Half of the demo company's numbers: they are given to the further books in turn."""
_OPEN_S = 90.0


def books_setting(count: int) -> dict[str, str]:
    """Return the settings of an installation with so many books."""
    return {"SALDO_LEDGER_BOOKS": ",".join(NAMES[: count - 1])} if count > 1 else {}


def ledgers_in(environment: Mapping[str, str]) -> Sequence[str]:
    """Return the logs of all books of the ledger, the first one first."""
    return (SPLIT, *books_in(environment))


def logs_in(environment: Mapping[str, str]) -> Sequence[str]:
    """Return the logs of an installation: those of its services, and of all books."""
    return with_books(SERVICES, books_in(environment))


def owner_url_of(environment: Mapping[str, str], log: str) -> str:
    """Return where the owner reaches a log: a book may have moved to a database of its own."""
    return environment.get(f"SALDO_LOGIN_URL_{log.upper()}") or environment["SALDO_DATABASE_URL"]


def accounts_of(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the accounts that are open: number -> the log of the book that has it."""
    found = {}
    for log in ledgers_in(environment):
        with psycopg.connect(owner_url_of(environment, log), connect_timeout=5) as database:
            rows = database.execute(f"SELECT number FROM {log}.balances").fetchall()
        found |= {number: log for (number,) in rows}
    return found


def load_into_books(environment: Mapping[str, str]) -> None:
    """Give numbers to the further books, and load the demo company, each account into its book.

    What is loaded already stays in the book where it is. Raises LoadingError.
    """
    numbers = {account.number for account in demo_accounts()}
    if not numbers <= accounts_of(environment).keys():
        further = [book_of(log) for log in books_in(environment)]
        for place, prefix in enumerate(_PREFIXES):
            book = further[place % len(further)]
            saldo(SPLIT, "assign", prefix, "--to", book, "--reason", REASON)
        saldo("accounts", "import", str(ACCOUNTS_FILE), "--reason", REASON)
    eventually(lambda: numbers <= accounts_of(environment).keys(), "the accounts are open", _OPEN_S)
    books = accounts_of(environment)
    with TemporaryDirectory(prefix="saldo-charges-") as folder:
        for log, file in _charges_by_book(Path(folder), books).items():
            saldo(SPLIT, "import", str(file), "--book", book_of(log) or "-", "--reason", REASON)


def _charges_by_book(folder: Path, books: Mapping[str, str]) -> dict[str, Path]:
    """Write the demo company's charges into a file for each book; return the files."""
    files = {log: folder / f"{log}.csv" for log in dict.fromkeys(books.values())}
    with ExitStack() as stack:
        rows = csv.reader(
            stack.enter_context(CHARGES_FILE.open(encoding="utf-8", newline="")), delimiter=";"
        )
        writers = {
            log: csv.writer(
                stack.enter_context(file.open("w", encoding="utf-8", newline="")), delimiter=";"
            )
            for log, file in files.items()
        }
        head = next(rows)
        for writer in writers.values():
            writer.writerow(head)
        for row in rows:
            writers[books[row[0]]].writerow(row)
    return files
