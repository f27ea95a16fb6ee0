"""``saldo ledger turnover | trial-balance``: totals over all accounts, checked by double entry."""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from enum import StrEnum
from typing import Annotated, Any

import typer

from services.language import text
from services.ledger.commands.ledger_access import log_of_account, opened_books, opened_ledger
from services.ledger.reports.statements import recorded_events
from services.ledger.reports.totals import (
    TurnoverReport,
    added_up,
    trial_balance_of,
    turnover_of,
    turnover_of_account,
)
from services.ledger.reports.turnover import ADVANCE, PENALTY, Row
from services.ledger.tenures import named_key
from services.terminal import (
    DIFFERENCE,
    DONE,
    Json,
    counting,
    day,
    err,
    new_table,
    print_json,
    reporting,
    roubles,
    show,
)
from shared.eventstore.postgres import PostgresStore

COLUMNS = ("opening", "charged", "recalculated", "concession", "penalty", "paid", "closing")


def column_names() -> tuple[str, ...]:
    """Return the columns in words, in the order of COLUMNS."""
    return (
        text("Opening"),
        text("Charged"),
        text("Recalculated"),
        text("Concession"),
        text("Penalty"),
        text("Paid"),
        text("Closing"),
    )


class By(StrEnum):
    """The rows of the report."""

    SERVICE = "service"
    TOTAL = "total"


def turnover(
    from_: Annotated[
        str | None, typer.Option("--from", help="The first day, as 2026-10-01.")
    ] = None,
    to: Annotated[str | None, typer.Option(help="The last day, as 2026-10-31.")] = None,
    period: Annotated[
        str | None, typer.Option(help="A month instead of --from and --to, as 2026-10.")
    ] = None,
    account: Annotated[str | None, typer.Option(help="One account only.")] = None,
    by: Annotated[By, typer.Option(help="A row per service, or the total only.")] = (By.SERVICE),
    json: Json = False,
) -> None:
    """Show the turnover report («ОСВ») of a period, by service and in total.

    closing = opening + charged + recalculated - concession + penalty - paid, in every row; an
    advance is a negative debt. The closing column is checked against the double-entry books.
    Exit code 1: they differ.
    """
    with reporting():
        first, last = _days(from_, to, period)
        report = _report(account, first, last)
    differences = list(report.differences())
    rows = {name: report.rows[name] for name in sorted(report.rows)} if by is By.SERVICE else {}
    if json:
        _print_as_json(first, last, account, rows, report, differences)
    else:
        title = text("Turnover {first} - {last}", first=first, last=last)
        _print_as_table(title, rows, report)
        for name, closing, owed in differences:
            err.print(
                text(
                    "{name}: closes at {closing}, but the books have {books}",
                    name=_row_name(name),
                    closing=roubles(closing),
                    books=roubles(owed),
                ),
                soft_wrap=True,
            )
    raise typer.Exit(DIFFERENCE if differences else DONE)


def trial_balance(
    on: Annotated[str | None, typer.Option(help="As of the end of a day.")] = None,
    json: Json = False,
) -> None:
    """Show the trial balance of the double-entry books. Exit code 1: it is not zero."""
    with reporting():
        chosen = day(on, "--on")
        books: dict[str, int] = {}
        with opened_books() as stores:
            for store in stores:
                with _reading(store) as advance:
                    found = trial_balance_of(store, chosen, advance)
                books = {
                    name: books.get(name, 0) + found.get(name, 0)
                    for name in sorted(books.keys() | found.keys())
                }
    total = sum(books.values())
    if json:
        print_json({"on": on, "accounts": books, "total": total})
    else:
        amounts = (text("Debit"), text("Credit"))
        table = new_table(text("Trial balance"), text("Account"), amounts=amounts)
        for name, amount in books.items():
            table.add_row(
                name,
                roubles(amount if amount > 0 else None),
                roubles(-amount if amount < 0 else None),
            )
        debit = sum(amount for amount in books.values() if amount > 0)
        table.add_row(text("total"), roubles(debit), roubles(debit - total), style="bold")
        show(table)
    raise typer.Exit(DIFFERENCE if total else DONE)


def _days(from_: str | None, to: str | None, period: str | None) -> tuple[date, date]:
    """Return the first and the last day; raises ValueError."""
    if period is not None and from_ is None and to is None:
        if not re.fullmatch(r"[0-9]{4}-(0[1-9]|1[0-2])", period) or period < "0001":
            raise ValueError(
                text("--period: {period!r} is not a month; write it like 2026-10", period=period)
            )
        first = date.fromisoformat(f"{period}-01")
        return first, first.replace(day=monthrange(first.year, first.month)[1])
    begin, end = day(from_, "--from"), day(to, "--to")
    if begin is None or end is None or period is not None:
        raise ValueError(text("give --period 2026-10, or both --from and --to"))
    if begin > end:
        raise ValueError(text("--from: the first day is after the last"))
    return begin, end


def _report(account: str | None, first: date, last: date) -> TurnoverReport:
    """Return the turnover of an account, or of all books together."""
    if account is not None:
        with opened_ledger(log=log_of_account(account)) as store:
            history = store.query(
                lambda session: recorded_events(session, named_key(session, account))
            )
        events = [recorded.event for recorded in history]
        return turnover_of_account(history[0].originator_id, events, first, last)
    with opened_books() as stores:
        reports = []
        for store in stores:
            with _reading(store) as advance:
                reports.append(turnover_of(store, first, last, advance))
    return added_up(reports)


@contextmanager
def _reading(store: PostgresStore) -> Iterator[Callable[[int], None]]:
    """Show the progress through the log of a book."""
    events = store.recorder.max_notification_id() or 0
    with counting(text("reading the log"), events) as advance:
        yield advance


def _print_as_table(title: str, rows: dict[str, Row], report: TurnoverReport) -> None:
    table = new_table(title, text("Service"), amounts=column_names())
    for name, row in rows.items():
        table.add_row(_row_name(name), *_amounts(row))
    table.add_row(text("total"), *_amounts(report.total), style="bold")
    show(table)


def _row_name(name: str) -> str:
    return {PENALTY: text("penalty"), ADVANCE: text("advance")}.get(name, name)


def _amounts(row: Row) -> list[str]:
    columns = row.as_dict()
    return [roubles(columns[name]) for name in COLUMNS]


def _print_as_json(
    first: date,
    last: date,
    account: str | None,
    rows: dict[str, Row],
    report: TurnoverReport,
    differences: list[Any],
) -> None:
    print_json(
        {
            "from": first.isoformat(),
            "to": last.isoformat(),
            "account": account,
            "rows": [{"service": name, **row.as_dict()} for name, row in rows.items()],
            "total": report.total.as_dict(),
            "differences": [
                {"row": name, "closing": closing, "books": owed}
                for name, closing, owed in differences
            ],
        }
    )
