"""``python -m deploy.demo charges|load|journey|person|loop|reconcile``."""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import psycopg
import typer
from rich.console import Console
from rich.progress import Progress, TextColumn, TimeElapsedColumn

from deploy.demo import charges as charges_module
from deploy.demo import database
from deploy.demo.client import CabinetClient, OutageError, Problem
from deploy.demo.company import DEMO_PERSON_ACCOUNTS, DemoAccount, demo_accounts, households
from deploy.demo.demo_person import make_demo_person, write_card
from deploy.demo.journey import run_journey
from deploy.demo.letters import Mailbox
from deploy.demo.loading import LoadingError
from deploy.demo.loading import load as load_demo
from deploy.demo.loop import Place, Record, read_beliefs, run_loop
from deploy.demo.reconciliation import (
    OUTAGES,
    acquirer_urls,
    audit,
    compare_beliefs,
    parked_messages,
    take_snapshot,
    wait_for_agreement,
)
from deploy.demo.report import JourneyError, Report
from deploy.demo.tables import loop_summary, reconciliation_table

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="The demo company of an installation. Settings: the SALDO_* variables of .saldo/env.",
)
out, err = Console(), Console(stderr=True)
RETRY_S = 0.5
STATE_DIR = Path(os.environ.get("SALDO_STATE_DIR") or ".")
DEFAULT_RECORD = STATE_DIR / "demo-loop.jsonl"
DEFAULT_CARD = STATE_DIR / "demo.json"


@app.command()
def charges() -> None:
    """Write the bills of charges.csv to standard output."""
    charges_module.write_bills(charges_module.all_bills(demo_accounts()), sys.stdout)


@app.command()
def load() -> None:
    """Load the demo company. Loading it again changes nothing."""
    try:
        load_demo(setting("SALDO_DATABASE_URL"), out)
    except LoadingError as failure:
        raise _failed(str(failure)) from None


@app.command()
def journey(
    patience: Annotated[float, typer.Option(min=0, help="Seconds to retry in an outage.")] = 0,
) -> None:
    """Run the main journey over HTTP as a new person, showing each step."""
    report = Report(out)
    mailbox = Mailbox(Path(setting("SALDO_MAIL_DIR")))
    candidates = _accounts_once_answered(setting("SALDO_DATABASE_URL"), patience)
    client = CabinetClient(setting("SALDO_URL"), patience=patience)
    try:
        done = run_journey(client, report, mailbox, candidates)
    except JourneyError:
        raise _failed("The journey ended there. The logs say more: .saldo/log/") from None
    out.print(
        f"[bold]The journey is complete[/]: {len(report.steps)} steps in {report.seconds:.1f} s; "
        f"account {done.number} is paid.",
        highlight=False,
    )


def _accounts_once_answered(url: str, patience: float) -> Sequence[DemoAccount]:
    """Return the accounts to pay, once the database answers; exit where it goes on not to."""
    ends = time.monotonic() + patience
    while True:
        try:
            return accounts_to_pay(url)
        except psycopg.OperationalError as outage:
            if time.monotonic() > ends:
                raise _failed(
                    f"The database does not answer ({type(outage).__name__}). Is it up: make status"
                ) from None
            time.sleep(RETRY_S)


@app.command()
def person(
    file: Annotated[Path, typer.Option(help="Where to write who it is, as JSON.")] = DEFAULT_CARD,
) -> None:
    """Make the ready demo person, over HTTP, and write how to log in."""
    report = Report(out)
    client = CabinetClient(setting("SALDO_URL"))
    mailbox = Mailbox(Path(setting("SALDO_MAIL_DIR")))
    try:
        made = make_demo_person(client, report, mailbox, demo_accounts())
    except (JourneyError, LoadingError) as failure:
        raise _failed(f"The demo person is not ready: {failure}") from None
    write_card(made, file)
    out.print(
        f"[bold]The demo person is ready[/]: {len(report.steps)} steps in {report.seconds:.1f} s; "
        f"how to log in is in {file}",
        highlight=False,
        soft_wrap=True,
    )


Seconds = Annotated[float, typer.Option("--for", min=0, help="Seconds to go on.")]
RecordFile = Annotated[Path, typer.Option(help="The file of beliefs, a line of JSON each.")]


@app.command()
def loop(
    seconds: Seconds = 60,
    parallel: Annotated[int, typer.Option(min=1, max=64, help="How many people at once.")] = 4,
    record: RecordFile = DEFAULT_RECORD,
) -> None:
    """Pay again and again through any outage, and keep what the payers believe.

    SIGTERM ends it early, after the payments under way.
    """
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    place = Place(
        setting("SALDO_URL"), Path(setting("SALDO_MAIL_DIR")), households(demo_accounts())
    )
    record.parent.mkdir(parents=True, exist_ok=True)
    columns = (TextColumn("paying"), TimeElapsedColumn(), TextColumn("{task.completed} payments"))
    with record.open("w", encoding="utf-8") as file, Progress(*columns, console=err) as progress:
        task = progress.add_task("paying", total=None)
        kept = Record(file, on_belief=lambda: progress.advance(task))
        try:
            run_loop(place, kept, seconds, parallel, stop)
        except (JourneyError, Problem, OutageError) as failure:
            raise _failed(f"The loop was stopped: {failure}") from None
        finally:
            out.print(loop_summary(kept.beliefs), f"Record: {record}", sep="\n")


@app.command()
def reconcile(
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for pending payments.")] = 60,
    record: Annotated[
        Path | None, typer.Option(exists=True, help="Also compare with the beliefs of a loop.")
    ] = None,
) -> None:
    """Compare acquirers, payments and ledger to the kopeck. Exit code 1: something differs."""
    database_url = setting("SALDO_DATABASE_URL")
    setting("SALDO_ACQUIRER_URL")
    acquirers = acquirer_urls(os.environ)
    beliefs = read_beliefs(record) if record else []
    with out.status("Comparing acquirers, payments and ledger"):
        snapshot, found = wait_for_agreement(lambda: take_snapshot(database_url, acquirers), wait)
        found += compare_beliefs(beliefs, snapshot)
        found += parked_messages(database_url)
        found += audit()
    out.print(reconciliation_table(snapshot, len(beliefs)))
    for difference in found:
        out.print(difference, style="red", markup=False, soft_wrap=True)
    out.print(f"{len(found)} differences" if found else "All agree, to the kopeck.")
    raise typer.Exit(1 if found else 0)


def accounts_to_pay(database_url: str) -> list[DemoAccount]:
    """Return the demo accounts with a debt; all, shuffled, when none has one.

    Those of the ready demo person are left alone: that cabinet stays as it was made.
    """
    accounts = {
        account.number: account
        for account in demo_accounts()
        if account.number not in DEMO_PERSON_ACCOUNTS
    }
    owing = [accounts[number] for number in database.in_debt(database_url, list(accounts))]
    return owing or random.sample(list(accounts.values()), len(accounts))


def setting(name: str) -> str:
    """Return a variable of the environment; exit with 2 and the remedy when it is missing."""
    value = os.environ.get(name, "")
    if not value:
        err.print(f"Set {name}: `. .saldo/env` after `make up` sets them all.")
        raise typer.Exit(2)
    return value


def _failed(sentence: str) -> typer.Exit:
    err.print(sentence, style="red", markup=False, soft_wrap=True)
    return typer.Exit(1)


def main() -> int:
    """Run a command; an outage is reported in one sentence, with exit code 1."""
    try:
        app()
    except OUTAGES as outage:
        err.print(f"No response: {str(outage).strip()}", style="red", markup=False, soft_wrap=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
