"""``saldo ledger``: what billing staff do with the ledger from a terminal.

Exit codes: 0 done, 1 found a difference, 2 bad input. Reading verbs take ``--json``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from services.ledger import application, statements
from services.ledger.audit import audit as run_audit
from services.ledger.charge_import import import_charges, totals_of
from services.ledger.penalties.cli import penalty
from services.registry import open_store
from shared.config import ConfigurationError, load_settings
from shared.errors import ServiceError
from shared.eventstore.postgres import PostgresStore
from shared.money import format_rubles, parse_rubles

app = typer.Typer(no_args_is_help=True, help="The ledger: import, look, replay, audit.")
app.command("penalty")(penalty)
out, err = Console(), Console(stderr=True)

Json = Annotated[bool, typer.Option("--json", help="Answer JSON instead of a table.")]
Number = Annotated[str, typer.Argument(help="The number of the personal account.")]


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The CSV file.")],
    actor: Annotated[str, typer.Option(help="Who imports, e.g. staff:ivanova.")],
    reason: Annotated[str, typer.Option(help="Why, e.g. the number of the order.")],
    dry_run: Annotated[bool, typer.Option(help="Only check the file and show totals.")] = False,
    bills: Annotated[int | None, typer.Option(help="Control: how many bills.")] = None,
    total: Annotated[str | None, typer.Option(help="Control: the sum, as 4500,00.")] = None,
) -> None:
    """Post the charges of a billing centre's file: all of it, or nothing."""
    with _reporting():
        totals = totals_of(file)
        expected = None if total is None else parse_rubles(total)
        if bills not in (None, totals.bills) or expected not in (None, totals.total):
            err.print(
                f"The control totals do not match: the file has {totals.bills} bills, "
                f"{format_rubles(totals.total)} roubles. Nothing was posted."
            )
            raise typer.Exit(2)
        if dry_run:
            out.print(f"{totals.bills} bills, {format_rubles(totals.total)}: nothing was posted")
            return
        with _store() as store, _progress() as bar:
            task = bar.add_task("posting", total=totals.bills)
            result = import_charges(
                store, file, actor, reason, lambda done: bar.advance(task, done)
            )
        out.print(
            f"{result['bills']} bills, {result['lines']} lines, "
            f"{format_rubles(result['total'])} roubles; "
            f"positions {result['first_position']}-{result['last_position']} of the log"
        )


@app.command()
def balance(
    number: Number,
    as_of: Annotated[str | None, typer.Option(help="A past day or instant.")] = None,
    json: Json = False,
) -> None:
    """Show what an account owes, now or as of a past day or instant."""
    with _reporting(), _store() as store:
        found = store.query(lambda session: application.balance(session, number, as_of))
        if json:
            _print_json(found)
            return
        table = Table(title=f"Account {number}")
        table.add_column("What")
        table.add_column("Roubles", justify="right")
        for item in found["services"]:
            table.add_row(item["service"], format_rubles(item["amount"]))
        for name in ("principal", "penalty", "advance"):
            table.add_row(name, format_rubles(found[name]), style="bold")
        out.print(table)


@app.command()
def replay(number: Number, json: Json = False) -> None:
    """Tell the story of one account: each event, and the balance after it."""
    with _reporting(), _store() as store:
        story = store.query(
            lambda session: statements.statement(session, number, None, sys.maxsize)
        )["movements"]
        if json:
            _print_json(story)
            return
        table = Table("Position", "Effect", "Recorded", "What", title=f"Account {number}")
        for name in ("Amount", "Penalty", "Balance"):
            table.add_column(name, justify="right")
        for step in story:
            table.add_row(
                str(step["position"]),
                step["effective_on"],
                step["recorded_at"][:19],
                step["text"],
                *(format_rubles(step[name]) for name in ("amount", "penalty", "balance")),
            )
        out.print(table)


@app.command()
def audit(json: Json = False) -> None:
    """Replay everything, add it up in SQL too, and compare both with the read model."""
    with _reporting(), _store() as store:
        events = store.recorder.max_notification_id() or 0
        with _progress() as bar:
            task = bar.add_task("replaying", total=events)
            report = run_audit(store, lambda done: bar.advance(task, done))
    if json:
        _print_json(report)
    else:
        for found in report.differences:
            out.print(
                f"{found.account or 'log'}: {found.what}: the replay says {found.replayed}, "
                f"there stands {found.found}"
            )
        out.print(
            f"{report.accounts} accounts, {report.events} events, "
            f"{len(report.differences)} differences"
        )
    raise typer.Exit(1 if report.differences else 0)


@contextmanager
def _store() -> Iterator[PostgresStore]:
    store = open_store("ledger", load_settings(), statement_timeout_ms=0)
    try:
        yield store
    finally:
        store.close()


@contextmanager
def _reporting() -> Iterator[None]:
    try:
        yield
    except (ServiceError, ConfigurationError, ValueError) as error:
        err.print(str(error), markup=False)
        raise typer.Exit(2) from None


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=err,
    )


def _print_json(value: Any) -> None:
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")
