"""``saldo ledger books | assign``: the books of the ledger, and which numbers are of which."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import Annotated, Any

import msgspec
import psycopg
import typer
from eventsourcing.persistence import PersistenceError

from services.chosen_book import FIRST
from services.language import text
from services.ledger.assignment import Assignment, assign, check
from services.ledger.commands.ledger_access import Run, record_run
from services.ledger.tables.book_rules import figures, read_rules
from services.terminal import (
    DIFFERENCE,
    DONE,
    Actor,
    DryRun,
    Json,
    Reason,
    author,
    database_failure,
    err,
    new_table,
    opened_store,
    out,
    print_json,
    refusal_text,
    reporting,
    show,
)
from shared import context
from shared.books import SPLIT, book_of, log_of
from shared.config import load_settings
from shared.errors import Unavailable
from shared.eventstore.postgres import PostgresStore

PATIENCE_S = 30.0
_DIGITS = frozenset("0123456789")


class BookFigures(msgspec.Struct, frozen=True, kw_only=True):
    """A book, how large it is, and the numbers that it has by rules.

    Of one that is away nothing but its name is known; ``refusal`` says why.
    """

    book: str
    log: str
    accounts: int | None = None
    events: int | None = None
    prefixes: list[str] = []
    coming: list[str] = []
    refusal: str = ""


def books_(json: Json = False) -> None:
    """List the books of the ledger, with what each holds and the numbers that are given to it.

    Without a rule a number is of the first book, whose name is -. Exit code 1: a book is
    unavailable.
    """
    with reporting():
        found = [_found(log) for log in (SPLIT, *load_settings().books)]
    if json:
        print_json(found)
    else:
        _show(found)
    raise typer.Exit(DIFFERENCE if any(one.refusal for one in found) else DONE)


def _show(found: list[BookFigures]) -> None:
    for one in found:
        if one.refusal:
            err.print(f"{one.log}: {one.refusal}", soft_wrap=True)
    table = new_table(
        text("Books"),
        text("Book"),
        text("Numbers"),
        text("Being given"),
        amounts=(text("Accounts"), text("Events")),
    )
    for one in found:
        numbers = ", ".join(f"{prefix}…" for prefix in one.prefixes)
        coming = ", ".join(f"{prefix}…" for prefix in one.coming)
        if one.refusal:
            numbers = text("unavailable")
        table.add_row(one.book, numbers, coming, _count(one.accounts), _count(one.events))
    show(table)


def _count(number: int | None) -> str:
    return "" if number is None else str(number)


def _found(log: str) -> BookFigures:
    """Return the figures of a book; where its database is away, that it is."""
    try:
        with opened_store(log) as store:
            return _figures(store)
    except Unavailable as error:
        # For whoever commands the store says that the outcome is unknown; here something is read.
        failure = error.__cause__
        told = database_failure(failure) if isinstance(failure, psycopg.Error) else None
        return _away(log, told or refusal_text(error))
    except (psycopg.Error, PersistenceError) as error:
        return _away(log, database_failure(error))


def _away(log: str, refusal: str) -> BookFigures:
    return BookFigures(book=book_of(log) or FIRST, log=log, refusal=refusal)


def _figures(store: PostgresStore) -> BookFigures:
    def read(session: Any) -> BookFigures:
        rules = [rule for rule in read_rules(session.cursor) if rule.book == store.service]
        found = figures(session.cursor)
        return BookFigures(
            book=book_of(store.service) or FIRST,
            log=store.service,
            accounts=found["accounts"],
            events=found["events"],
            prefixes=[rule.prefix for rule in rules if rule.settled],
            coming=[rule.prefix for rule in rules if not rule.settled],
        )

    return store.query(read)


def assign_(
    prefix: Annotated[str, typer.Argument(help="How the numbers begin, or one whole number.")],
    to: Annotated[str, typer.Option(help="The book that gets them; - is the first one.")],
    reason: Reason,
    patience: Annotated[
        float, typer.Option(min=0, help="Seconds to wait for books that are behind.")
    ] = PATIENCE_S,
    actor: Actor = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Give the numbers that begin so to a book: it opens their accounts from now on.

    Only numbers of which there is no account yet: one that is open stays in its book. What broke
    off is repeated; until then contracts of these numbers wait.
    """
    with reporting(), ExitStack() as stack:
        who, why = author(actor, reason)
        asked = Assignment(_prefix(prefix), _log(to), why)
        stores = {
            log: stack.enter_context(opened_store(log, writes=not dry_run, statement_timeout_ms=0))
            for log in (SPLIT, *load_settings().books)
        }
        if dry_run:
            done = check(stores, asked)
        else:
            contracts = stack.enter_context(opened_store("accounts"))
            with context.bind(actor=who):
                done = assign(stores, contracts, asked, time.sleep, patience)
                if done:
                    verb = f"assign {asked.prefix} {asked.to}"
                    record_run(stores[SPLIT], who, Run(verb=verb, by=who, reason=why))
    given = done and not dry_run
    result = {"prefix": asked.prefix, "book": asked.to, "given": given, "dry_run": dry_run}
    if json:
        print_json(result)
    elif dry_run and done:
        out.print(text("{prefix}… would be given to {book}", prefix=asked.prefix, book=to))
    elif done:
        out.print(text("{prefix}… is given to {book}", prefix=asked.prefix, book=to))
    else:
        out.print(text("{prefix}… is of {book} already", prefix=asked.prefix, book=to))


def _prefix(given: str) -> str:
    if not 1 <= len(given) <= 20 or not _DIGITS.issuperset(given):
        raise ValueError(text("PREFIX: give 1 to 20 digits, with which the numbers begin"))
    return given


def _log(book: str) -> str:
    log = log_of("" if book == FIRST else book)
    if log not in (SPLIT, *load_settings().books):
        raise ValueError(text("--to: there is no book {book} in SALDO_LEDGER_BOOKS", book=book))
    return log
