"""``python -m deploy.restore_drill``: prove that everything comes back from the latest backup.

It puts the latest base backup and the archive of the WAL after it (or a dump) into a scratch
server, replays and audits the ledger there, verifies the seal against checkpoints that others keep,
opens the keys of persons with rings that lie elsewhere, and says how old the newest event is.
Nothing that runs is touched. Exit codes: 0 everything is proved, 1 something is not, 2 the drill
cannot be made.
"""

from __future__ import annotations

import json
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import psycopg
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from deploy.restore_drill.backups import BackupError
from deploy.restore_drill.checks import CheckError
from deploy.restore_drill.drill import Report, Request, run
from shared.config import ConfigurationError
from shared.secret_files import FOLDER

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
_WITNESS = re.compile(r"SALDO_LEDGER(_[A-Z0-9]+)?_WITNESS_DIR")
DONE, DIFFERENCE, BAD_INPUT = 0, 1, 2
out, err = Console(soft_wrap=True, highlight=False), Console(stderr=True, highlight=False)

Data = Annotated[
    Path, typer.Option(exists=True, help="The backup of the data: its base/ and wal/, or a dump.")
]
KeysFolder = Annotated[
    Path | None,
    typer.Option(exists=True, help="The backup of the keys of persons, kept apart from the data."),
]
WithoutKeys = Annotated[bool, typer.Option("--without-keys", help="Leave the keys out.")]
Secrets = Annotated[
    Path | None,
    typer.Option(exists=True, help="A folder with the rings, named SALDO_SECRET_<SERVICE>."),
]
Witness = Annotated[
    list[Path] | None,
    typer.Option(
        help="Checkpoints that others keep: a file, or a directory, which has one of its own for "
        "each further book.",
        show_default=False,
    ),
]
Until = Annotated[
    datetime | None,
    typer.Option(
        help="Restore to this moment (UTC), not to the end.", formats=["%Y-%m-%dT%H:%M:%S"]
    ),
]
MaxAge = Annotated[
    float | None, typer.Option(min=0, help="Fail where the newest event is older: in minutes.")
]
Owner = Annotated[str, typer.Option(help="The owner of the databases.")]
ScratchFolder = Annotated[
    Path | None,
    typer.Option(exists=True, help="Where to put the scratch server; needs room for the data."),
]
Programs = Annotated[
    Path | None, typer.Option(help="The folder of PostgreSQL's programs, of the backup's version.")
]
Keep = Annotated[bool, typer.Option("--keep", help="Leave what was restored, stopped.")]


@app.command()
def main(
    data: Data,
    keys: KeysFolder = None,
    without_keys: WithoutKeys = False,
    secrets: Secrets = None,
    witness: Witness = None,
    until: Until = None,
    max_age: MaxAge = None,
    owner: Owner = "saldo",
    scratch: ScratchFolder = None,
    postgres: Programs = None,
    keep: Keep = False,
    json_: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Prove that everything comes back from the latest backup; nothing that runs is touched.

    Exit code 0: everything is proved. 1: something is not. 2: the drill cannot be made.
    """
    environ = dict(os.environ)
    if secrets is not None:
        environ[FOLDER] = str(secrets)
    for name in [name for name in os.environ if name.startswith("PG")]:
        del os.environ[name]  # by them a URL of the scratch server would lead elsewhere
    witnesses = witness or witnesses_in(environ)
    try:
        if keys is None and not without_keys:
            raise BackupError("name the backup of the keys by --keys, or say --without-keys")
        request = Request(
            data=data.resolve(),
            keys=None if without_keys or keys is None else keys.resolve(),
            witnesses=witnesses,
            until=until.replace(tzinfo=UTC) if until else None,
            max_age_minutes=max_age,
            owner=owner,
            folder=scratch,
            tools=postgres,
            keep=keep,
            environ=environ,
        )
        report = run(request, Steps())
    except (BackupError, CheckError, ConfigurationError) as error:
        err.print(str(error), markup=False)
        raise typer.Exit(BAD_INPUT) from None
    except psycopg.Error as error:
        err.print(f"The restored database does not answer: {type(error).__name__}")
        raise typer.Exit(BAD_INPUT) from None
    if json_:
        sys.stdout.write(json.dumps(report.as_json(), default=str, indent=2) + "\n")
    else:
        _print(report)
    raise typer.Exit(DIFFERENCE if report.findings else DONE)


def witnesses_in(environ: Mapping[str, str]) -> list[Path]:
    """Return the directories of witnesses that an environment names, of each book its own."""
    names = sorted(name for name in environ if _WITNESS.fullmatch(name) and environ[name])
    return [Path(environ[name]) for name in names]


class Steps:
    """Progress on standard error: a bar on a terminal, elsewhere a line for each step."""

    @contextmanager
    def step(self, name: str, total: int | None) -> Iterator[Callable[[int], None]]:
        """Show a step; yields a function to advance by."""
        if not err.is_terminal:
            err.print(name)
            yield lambda _: None
            return
        columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
        with Progress(*columns, console=err, transient=True) as progress:
            task = progress.add_task(name, total=total)
            yield lambda done: progress.advance(task, done)


def _print(report: Report) -> None:
    for what, backup in report.backups.items():
        reached = f", recovered to {backup['recovered_to']}" if backup["recovered_to"] else ""
        out.print(f"{what}: {backup['path']} of {backup['taken_at']}{reached}")
    for service, log in report.logs.items():
        out.print(f"{service}: {log.head} events, the newest of {log.newest_at}")
    if report.age_seconds is not None:
        out.print(f"the newest event is {report.age_seconds} s old")
    if report.elsewhere:
        out.print(f"not in this backup, but on another server: {', '.join(report.elsewhere)}")
    if report.audit:
        _print_book("", report.audit, report.seal)
    for book, proved in report.books.items():
        _print_book(f"{book}: ", proved["audit"], proved["seal"])
    if report.keys is None:
        out.print("keys: left out")
    else:
        out.print(f"keys: {sum(report.keys.values())} opened")
    for finding in report.findings:
        out.print(f"NOT PROVED: {finding}", markup=False)
    verdict = "something is NOT proved" if report.findings else "everything is proved"
    out.print(f"{verdict}; {report.seconds} s")


def _print_book(of: str, audit: Mapping[str, Any], seal: Mapping[str, Any]) -> None:
    out.print(
        f"{of}audit: {audit['accounts']} accounts, {audit['events']} events, "
        f"{audit['differences']} differences, trial balance {audit['trial_balance']}"
    )
    out.print(
        f"{of}seal: {seal['sealed']} events sealed by {seal['checkpoints']} checkpoints, "
        f"{seal['kept_elsewhere']} of them compared with copies kept elsewhere"
    )
    if seal["lost"]:
        out.print(
            f"{of}seal: {seal['lost']} or more events that a witness knows of are not in the backup"
        )
    if not seal["kept_elsewhere"]:
        out.print(
            f"{of}seal: no copy was kept elsewhere: a log cut together with its seal goes unseen"
        )


if __name__ == "__main__":
    try:
        app()
    except Exception:  # noqa: BLE001 - a defect proves nothing about the backup, either way
        traceback.print_exc()
        sys.exit(BAD_INPUT)
