"""``saldo ledger advances``: the accounts with an advance.

They are read and printed a page at a time, however many there are.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias

from services.language import text
from services.ledger.commands.ledger_access import databases_of, ledger_log, opened_books
from services.ledger.commands.payers import payer
from services.ledger.reports.advances import advances as page_of
from services.ledger.reports.advances import advances_in_all
from services.staff_calls import calls_to, reads_database
from services.terminal import (
    Json,
    counting,
    json_text,
    new_table,
    out,
    reporting,
    roubles,
    show,
)
from shared.eventstore import Session

_PAGE = 200
ReadPage: TypeAlias = Callable[[str], dict[str, Any]]
"""Returns the accounts after a number, and the totals of all."""


def advances(json: Json = False) -> None:
    """List the accounts with an advance, by number: how much, and since when without a break."""
    with reporting(), _reading() as read:
        page = read("")
        totals = {"count": page["count"], "total": page["total"]}
        with counting(text("reading accounts"), totals["count"]) as advance:
            pages = _pages(page, read, advance)
            _print_json(pages, totals) if json else _print_tables(pages)
    if not json:
        out.print(
            text(
                "Accounts with an advance: {count}; {total} in all",
                count=totals["count"],
                total=roubles(totals["total"]),
            )
        )


def _page_in_database(session: Session, asked: Mapping[str, Any]) -> dict[str, Any]:
    page = page_of(session, asked["after"], asked["limit"])
    return {**page, **advances_in_all(session)}


@contextmanager
def _reading() -> Iterator[ReadPage]:
    """Yield what reads a page: from the database, or the service where there is no login."""
    if reads_database(ledger_log()):
        with opened_books() as stores:
            books = databases_of(stores, {"advances": _page_in_database})
            yield lambda after: dict(
                books.call(stores[0].service, "advances", after=after, limit=_PAGE)
            )
        return
    with calls_to(ledger_log()) as ledger:
        yield lambda after: dict(ledger.ask("advances", after=after, limit=_PAGE))


def _pages(
    page: dict[str, Any], read: ReadPage, advance: Callable[[int], None]
) -> Iterator[list[dict[str, Any]]]:
    while True:
        advance(len(page["accounts"]))
        yield page["accounts"]
        if page["next"] is None:
            return
        page = read(page["next"])


def _print_json(pages: Iterator[list[dict[str, Any]]], totals: Mapping[str, int]) -> None:
    """Print one object of JSON, as its accounts are read."""
    sys.stdout.write('{"accounts":[')
    comma = ""
    for page in pages:
        for account in page:
            sys.stdout.write(comma + json_text(account))
            comma = ","
    sys.stdout.write(f'],"count":{totals["count"]},"total":{totals["total"]}}}\n')


def _print_tables(pages: Iterator[list[dict[str, Any]]]) -> None:
    for page in pages:
        if not page:
            return
        table = new_table(
            text("Advances"),
            text("Account"),
            text("Payer"),
            text("Since"),
            amounts=(text("Advance"),),
        )
        for account in page:
            table.add_row(
                account["number"],
                payer(account["payer_kind"]),
                account["since"],
                roubles(account["advance"]),
            )
        show(table)
