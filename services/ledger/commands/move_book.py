"""``saldo ledger move-book``: move a book to another database while the others work.

``SALDO_NEXT_LOGIN_URL``
    Where its owner reaches the other database.
``SALDO_NEXT_DATABASE_URL``
    The runtime role of the book there, with its password: what its processes will have as
    ``SALDO_DATABASE_URL_LEDGER_<BOOK>``.
``SALDO_NEXT_DATABASE_URL_SEALER``
    The sealer there; without one nobody seals the log there yet.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Annotated, TypeVar
from urllib.parse import unquote, urlsplit

import typer

from services.chosen_book import FIRST
from services.language import text
from services.ledger.commands.ledger_access import Run
from services.ledger.moving import MoveError, Plan, move, move_back, size_here
from services.terminal import (
    Actor,
    DryRun,
    Json,
    Reason,
    author,
    counting_bytes,
    err,
    out,
    print_json,
    refused,
    reporting,
)
from shared.books import SPLIT, log_of
from shared.config import ConfigurationError, Settings, load_settings
from shared.eventstore.privileges import reader_of, writer_of
from shared.secret_files import with_secret_files

R = TypeVar("R")

NEXT_LOGIN = "SALDO_NEXT_LOGIN_URL"
NEXT_DATABASE = "SALDO_NEXT_DATABASE_URL"
NEXT_SEALER = "SALDO_NEXT_DATABASE_URL_SEALER"


def move_book(
    which: Annotated[str, typer.Argument(metavar="BOOK", help="The book; - is the first one.")],
    reason: Reason,
    back: Annotated[
        bool, typer.Option("--back", help="Give up a move that was not completed.")
    ] = False,
    actor: Actor = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Move a book to the database of SALDO_NEXT_LOGIN_URL, as the owner of both databases.

    Whoever would write into it meanwhile is told to try again; the other books go on. What broke
    off is repeated, or given up by --back. Then give its processes their new settings.
    """
    began = monotonic()
    with reporting():
        who, why = author(actor, reason)
        settings = load_settings()
        plan = plan_of(settings, _log(settings, which), os.environ)
        size = 0 if back else _asked(lambda: size_here(plan))
        rows: Mapping[str, int] = {}
        if back and not dry_run:
            _asked(lambda: move_back(plan))
        elif not dry_run:
            run = Run(verb="move-book", by=who, reason=why)
            with counting_bytes(text("copying"), size) as advance:
                rows = _asked(lambda: move(plan, run, _report, advance)).rows
    if json:
        found = {"log": plan.log, "back": back, "bytes": size, "rows": rows, "dry_run": dry_run}
        print_json({**found, "seconds": round(monotonic() - began, 1)})
    elif dry_run:
        out.print(text("{log} would be moved: {size} bytes", log=plan.log, size=size))
    elif back:
        out.print(text("{log} works on where it was", log=plan.log))
    elif not rows:
        out.print(text("{log} has moved: what had broken off is complete", log=plan.log))
    else:
        out.print(
            text(
                "{log} has moved: {events} events, {rows} rows; {seconds:.1f} s. Start its "
                "processes with their new settings.",
                log=plan.log,
                events=rows["events"],
                rows=sum(rows.values()),
                seconds=monotonic() - began,
            ),
            soft_wrap=True,
        )


def plan_of(settings: Settings, log: str, environ: Mapping[str, str]) -> Plan:
    """Return the plan of a move by the settings; raises ConfigurationError."""
    try:
        env = with_secret_files(environ)
    except ValueError as error:
        raise ConfigurationError(str(error)) from None
    for name in (NEXT_LOGIN, NEXT_DATABASE):
        if not env.get(name):
            raise ConfigurationError(
                text("set {name} to the URL of the other database: see docs/books.md", name=name)
            )
    role = settings.database_role_of(log)
    sealer = unquote(urlsplit(settings.sealer_url_of(log)).username or "")
    users = (role, writer_of(role), reader_of(role), sealer)
    return Plan(
        log,
        settings.owner_url_of(log),
        env[NEXT_LOGIN],
        env[NEXT_DATABASE],
        env.get(NEXT_SEALER, ""),
        tuple(filter(None, users)),
    )


def _log(settings: Settings, book: str) -> str:
    log = log_of("" if book == FIRST else book)
    if log not in (SPLIT, *settings.books):
        raise ValueError(text("BOOK: there is no book {book} in SALDO_LEDGER_BOOKS", book=book))
    return log


def _report(step: str) -> None:
    steps = {
        "ahead": text("copying the log"),
        "freezing": text("freezing: whoever would write is told to try again"),
        "copying": text("copying"),
        "comparing": text("comparing both"),
        "switching": text("switching over"),
    }
    err.print(steps[step])


def _asked(work: Callable[[], R]) -> R:
    try:
        return work()
    except MoveError as error:
        raise refused(str(error)) from None
