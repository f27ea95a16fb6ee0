"""``python -m deploy.embedded up|down|reset|status|env|backup|restore``: Saldo on this machine."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from deploy.embedded.backup import back_up
from deploy.embedded.backup import restore as restore_from
from deploy.embedded.books import books_in
from deploy.embedded.console import Progress, addresses, status_table, tail
from deploy.embedded.demonstration import show_demo
from deploy.embedded.installation import START_SECONDS, Installation, InstallationError
from deploy.embedded.postgres_binaries import PostgresError
from deploy.embedded.rabbitmq import RabbitmqError
from deploy.embedded.state import StateError
from deploy.embedded.surroundings import REPOSITORY
from deploy.embedded.system_user import SystemUserError
from shared.books import book_of
from shared.config import SERVICES

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False)
out = Console(soft_wrap=True, highlight=False)
err = Console(stderr=True, soft_wrap=True, highlight=False)

State = Annotated[Path, typer.Option(help="The folder of all its data.")]
DEFAULT_STATE = REPOSITORY / ".saldo"


@app.command()
def up(
    state: State = DEFAULT_STATE,
    seconds: Annotated[float, typer.Option(help="The time allowed for the start.")] = START_SECONDS,
    demo: Annotated[bool, typer.Option(help="Load the demo company and run its journey.")] = True,
) -> None:
    """Start everything, wait until it is ready, and show the addresses."""
    installation = Installation(state, os.environ, together=True)
    was_idle = not installation.identities()
    with Progress(out) as progress:
        changed = installation.up(seconds=seconds, progress=progress)
    if demo:
        failed = show_demo(installation, again=was_idle)
        if failed:
            err.print(f"{failed}; Saldo itself is running. Logs: {state}/log/*.log")
            raise typer.Exit(1)
    out.print("Saldo is up." if changed else "Saldo is running already.")
    out.print(addresses(installation.environment, installation.state))


@app.command()
def down(state: State = DEFAULT_STATE) -> None:
    """Stop everything; the data stays."""
    Installation(state).down(lambda name, how: out.print(f"  {name} {how}"))
    out.print("Saldo is down.")


@app.command()
def reset(state: State = DEFAULT_STATE) -> None:
    """Stop everything and delete all data."""
    Installation(state).reset(lambda name, how: out.print(f"  {name} {how}"))
    out.print("Saldo is down, and its data is gone.")


Folder = Annotated[Path, typer.Argument(help="The folder of the backup.")]


@app.command()
def backup(folder: Folder, state: State = DEFAULT_STATE) -> None:
    """Dump the databases, of the data and of the keys, into a folder, while everything runs."""
    installation = Installation(state, os.environ)
    if not installation.identities():
        installation.up(["postgres"])
    for file in back_up(_environment(installation), folder):
        out.print(f"  {file}")
    out.print("Keep the keys apart from the data.")


@app.command()
def restore(folder: Folder, state: State = DEFAULT_STATE) -> None:
    """Stop everything, and put the databases of a backup in the place of those that there are."""
    installation = Installation(state, os.environ)
    installation.down()
    installation.up(["postgres"])
    names = restore_from(_environment(installation), folder)
    installation.down()
    out.print(f"Restored: {', '.join(names)}. Call `make up`, then for each service:")
    for service in SERVICES:
        out.print(f"  saldo {service} recover --apply --reason WHY")
    for log in books_in(_environment(installation)):
        out.print(f"  saldo ledger recover --book {book_of(log)} --apply --reason WHY")


def _environment(installation: Installation) -> dict[str, str]:
    """Return the settings of an installation that was started before."""
    if installation.environment:
        return installation.environment
    lines = installation.state.env.read_text(encoding="utf-8").splitlines()
    words = [shlex.split(line)[-1] for line in lines if "=" in line]
    return dict(word.split("=", 1) for word in words)


@app.command()
def status(state: State = DEFAULT_STATE) -> None:
    """Show the processes. Exit code 0: all are ready; 1: some are not."""
    installation = Installation(state)
    seen = installation.status()
    if not seen:
        out.print("Saldo is down.")
        raise typer.Exit(1)
    out.print(status_table(seen, str(installation.state.root)))
    if not installation.is_supervised():
        err.print("The supervisor is not running: call `make up`.")
    if not (installation.is_supervised() and all(process.is_up for process in seen.values())):
        raise typer.Exit(1)


@app.command()
def env(state: State = DEFAULT_STATE) -> None:
    """Print the settings as shell variables, secrets included."""
    path = Installation(state).state.env
    if not path.exists():
        err.print("There are no settings yet: call `make up`.")
        raise typer.Exit(2)
    sys.stdout.write(path.read_text(encoding="utf-8"))


def main() -> int:
    """Run a command. Exit code 1: a failure; 2: something is missing, named in one sentence."""
    try:
        app()
    except InstallationError as failure:
        err.print(str(failure), style="red", markup=False)
        if failure.log is not None:
            err.print(f"The end of {failure.log}:")
            err.print(tail(failure.log), markup=False)
        err.print(
            "Running processes were left alone: `make status` shows them, `make down` stops them."
        )
        return 1
    except (StateError, SystemUserError, PostgresError, RabbitmqError) as missing:
        err.print(str(missing), markup=False)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
