"""``saldo ledger balance | statement | overdue``: what accounts owe, and since when.

The first two ask the service where the terminal has no login of the database.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

import typer

from services.language import text
from services.ledger.commands.changes import sum_names
from services.ledger.commands.ledger_access import (
    Number,
    ledger_log,
    log_of_account,
    opened_books,
    opened_ledger,
    read_or_ask,
)
from services.ledger.commands.movements import description, with_payment
from services.ledger.commands.payers import payer
from services.ledger.reports import overdue
from services.ledger.reports.balances import balance as balance_of
from services.ledger.reports.history import statement_by_days
from services.ledger.tenures import named_key
from services.staff_calls import calls_to, reads_database
from services.terminal import (
    Json,
    counting,
    day,
    day_or_instant,
    new_table,
    print_json,
    reporting,
    roubles,
    show,
)
from shared.eventstore.postgres import PostgresStore


def balance(
    number: Number,
    as_of: Annotated[
        str | None, typer.Option(help="A past day, or an instant with its zone.")
    ] = None,
    json: Json = False,
) -> None:
    """Show what an account owes now, or owed as of a past day or instant.

    A day counts what had taken effect by its end, an instant what had been recorded by then.
    """
    with reporting():
        when = day_or_instant(as_of, "--as-of")
        found = read_or_ask(
            lambda session: balance_of(session, named_key(session, number), when),
            "balance",
            number=number,
            as_of=when,
        )
    if json:
        print_json(found)
        return
    title = text("Account {number}", number=number)
    if when:
        title = text("Account {number} as of {when}", number=number, when=when)
    table = new_table(title, text("What"), amounts=(text("Roubles"),))
    for item in found["services"]:
        table.add_row(item["service"], roubles(item["amount"]))
    for name, what in sum_names().items():
        table.add_row(what, roubles(found[name]), style="bold")
    show(table)


def statement(
    number: Number,
    from_: Annotated[str | None, typer.Option("--from", help="The first day.")] = None,
    to: Annotated[str | None, typer.Option(help="The last day.")] = None,
    json: Json = False,
) -> None:
    """Show the movements of an account by effective day, each with the balance after it."""
    with reporting():
        first, last = day(from_, "--from"), day(to, "--to")
        if reads_database(ledger_log()):
            with opened_ledger(log=log_of_account(number)) as store:
                found = store.query(
                    lambda session: statement_by_days(
                        session, named_key(session, number), first, last
                    )
                )
        else:
            found = _called_statement(number, first, last)
    for step in found["movements"]:
        step["text"] = description(step)
    if json:
        print_json(found)
        return
    table = new_table(
        text("Account {number}", number=number),
        text("Effect"),
        text("Position"),
        text("What"),
        amounts=(text("Amount"), text("Penalty"), text("Balance")),
    )
    opening, closing = text("Opening balance"), text("Closing balance")
    table.add_row(from_ or "", "", opening, "", "", roubles(found["opening"]))
    for step in found["movements"]:
        table.add_row(
            step["effective_on"],
            str(step["position"]),
            with_payment(step["text"], step),
            *(roubles(step[name]) for name in ("amount", "penalty", "balance")),
        )
    table.add_row(to or "", "", closing, "", "", roubles(found["closing"]), style="bold")
    show(table)


def _called_statement(number: str, first: date | None, last: date | None) -> dict[str, Any]:
    """Return a statement from the service, page by page."""
    movements, after = list[dict[str, Any]](), 0
    with calls_to(ledger_log()) as ledger:
        while True:
            page = ledger.ask(
                "statement_by_days", number=number, first_day=first, last_day=last, after=after
            )
            movements += page["movements"]
            after = page.pop("next")
            if after is None:
                return {**page, "movements": movements}


def _overdue_in(store: PostgresStore, on: date) -> overdue.Overdue:
    """Return what is overdue in a book: from what is owed now, or as of a past day."""
    if on >= store.clock.today():
        return store.query(lambda session: overdue.overdue_now(session, on))
    events = store.recorder.max_notification_id() or 0
    with counting(text("reading the log"), events) as advance:
        return overdue.overdue_then(store, on, advance)


def overdue_(
    on: Annotated[
        str | None, typer.Option(help="The day of the report; today when left out.")
    ] = None,
    summary: Annotated[bool, typer.Option("--summary", help="Only the age bands.")] = False,
    json: Json = False,
) -> None:
    """List the accounts with overdue debt on services, by age band.

    A past day is read from the log, as of then; today and later days from what is owed now.
    """
    with reporting(), opened_books() as stores:
        chosen = day(on, "--on") or stores[0].clock.today()
        accounts = [one for store in stores for one in _overdue_in(store, chosen).accounts]
        found = overdue.Overdue(chosen, sorted(accounts, key=lambda one: one.number))
    if json:
        print_json(found.as_dict(summary))
        return
    if not summary:
        table = new_table(
            text("Overdue on {day}", day=chosen.isoformat()),
            text("Account"),
            text("Payer"),
            text("Since"),
            text("Days"),
            amounts=(*overdue.BANDS, text("Total")),
        )
        for account in found.accounts:
            sums = (roubles(amount or None) for amount in account.bands)
            table.add_row(
                account.number,
                payer(account.payer_kind),
                account.due_on.isoformat(),
                str(account.days),
                *sums,
                roubles(account.amount),
            )
        show(table)
    table = new_table(
        text("Age bands"), text("Days overdue"), text("Accounts"), amounts=(text("Roubles"),)
    )
    for band in found.bands():
        table.add_row(band["band"], str(band["accounts"]), roubles(band["amount"]))
    table.add_row(text("total"), str(len(found.accounts)), roubles(found.total), style="bold")
    show(table)
