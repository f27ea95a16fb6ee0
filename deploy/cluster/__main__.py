"""``python -m deploy.cluster up|down|reset|status|env|stop|start|unplug|plug``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from deploy.cluster import packages
from deploy.cluster.console import where
from deploy.cluster.installation import CLUSTER_START_S, ClusterInstallation
from deploy.cluster.namespaces import NamespaceError
from deploy.cluster.namespaces import plug as plug_in
from deploy.cluster.network import Kind
from deploy.cluster.nodes import network_file
from deploy.embedded.console import Progress, addresses, status_table, tail
from deploy.embedded.demonstration import show_demo
from deploy.embedded.install import MissingPrerequisite
from deploy.embedded.installation import InstallationError
from deploy.embedded.postgres_binaries import PostgresError
from deploy.embedded.rabbitmq import RabbitmqError
from deploy.embedded.state import StateError
from deploy.embedded.surroundings import REPOSITORY
from deploy.embedded.system_user import SystemUserError

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False)
out = Console(soft_wrap=True, highlight=False)
err = Console(stderr=True, soft_wrap=True, highlight=False)

State = Annotated[Path, typer.Option(help="The folder of all its data.")]
DEFAULT_STATE = REPOSITORY / ".saldo" / "cluster"
Names = Annotated[list[str], typer.Argument(help="Machines (app-1, pg-2) or processes (work-1).")]
AskedKind = Annotated[
    str, typer.Option("--network", help="namespaces or loopback; by default whatever can be had.")
]


@app.command()
def up(
    state: State = DEFAULT_STATE,
    kind: AskedKind = "",
    seconds: Annotated[
        float, typer.Option(help="The time allowed for the start.")
    ] = CLUSTER_START_S,
    demo: Annotated[bool, typer.Option(help="Load the demo company and run its journey.")] = True,
) -> None:
    """Start everything, wait until it is ready, and show where it is and who leads."""
    with out.status("Installing what is missing: etcd, HAProxy, Patroni"):
        for find in (packages.etcd, packages.haproxy, packages.patroni):
            find()
    installation = ClusterInstallation(state, os.environ, kind=_kind(kind))
    was_idle = not installation.identities()
    with Progress(out) as progress:
        changed = installation.up(seconds=seconds, progress=progress)
    if installation.why_loopback:
        out.print(f"Each machine is an address, not a namespace: {installation.why_loopback}")
    if demo:
        failed = show_demo(installation, again=was_idle)
        if failed:
            err.print(f"{failed}; Saldo itself is running. Logs: {state}/log/*.log")
            raise typer.Exit(1)
    out.print("The cluster is up." if changed else "The cluster is running already.")
    out.print(addresses(installation.environment, installation.state))
    out.print(where(installation))


@app.command()
def down(state: State = DEFAULT_STATE) -> None:
    """Stop everything; the data stays."""
    ClusterInstallation(state).down(lambda name, how: out.print(f"  {name} {how}"))
    out.print("The cluster is down.")


@app.command()
def reset(state: State = DEFAULT_STATE) -> None:
    """Stop everything and delete all data."""
    ClusterInstallation(state).reset(lambda name, how: out.print(f"  {name} {how}"))
    out.print("The cluster is down, and its data is gone.")


@app.command()
def status(state: State = DEFAULT_STATE) -> None:
    """Show processes and machines. Exit code 0: all are ready; 1: some are not, or stopped."""
    installation = ClusterInstallation(state)
    seen = installation.status()
    if not seen or not network_file(installation.state).exists():
        out.print("The cluster is down.")
        raise typer.Exit(1)
    out.print(status_table(seen, str(installation.state.root)))
    out.print(where(installation))
    stopped = installation.stopped()
    if stopped:
        out.print(f"Stopped for good: {', '.join(stopped)}; `make cluster` starts them.")
    if not installation.is_supervised():
        err.print("The supervisor is not running: call `make cluster`.")
    is_well = installation.is_supervised() and all(process.is_up for process in seen.values())
    if stopped or not is_well:
        raise typer.Exit(1)


@app.command()
def env(state: State = DEFAULT_STATE) -> None:
    """Print the settings as shell variables, secrets included."""
    path = ClusterInstallation(state).state.env
    if not path.exists():
        err.print("There are no settings yet: call `make cluster`.")
        raise typer.Exit(2)
    sys.stdout.write(path.read_text(encoding="utf-8"))


@app.command()
def stop(
    names: Names,
    state: State = DEFAULT_STATE,
    kill: Annotated[bool, typer.Option(help="As when the power fails: kill -9.")] = False,
) -> None:
    """Stop machines or processes for good: until `start` or `up`."""
    installation = ClusterInstallation(state)
    stopped = installation.stop(names, kill=kill)
    done = f"{'Killed' if kill else 'Stopped'}: {', '.join(stopped)}."
    out.print(done if stopped else "Stopped already.")
    out.print(where(installation))


@app.command()
def start(names: Names, state: State = DEFAULT_STATE) -> None:
    """Start what was stopped, and wait until it is ready."""
    installation = ClusterInstallation(state, os.environ)
    with Progress(out) as progress:
        started = installation.start(names, progress=progress)
    out.print(f"Started: {', '.join(started)}.")
    out.print(where(installation))


@app.command()
def unplug(names: Names, state: State = DEFAULT_STATE) -> None:
    """Cut machines off from all others; their processes go on. Only where they are namespaces."""
    for name in names:
        plug_in(ClusterInstallation(state).network, name, out=True)
    out.print(f"Cut off: {', '.join(names)}.")


@app.command()
def plug(names: Names, state: State = DEFAULT_STATE) -> None:
    """Let machines reach the others again."""
    for name in names:
        plug_in(ClusterInstallation(state).network, name)
    out.print(f"Connected: {', '.join(names)}.")


def _kind(text: str) -> Kind | None:
    match text:
        case "":
            return None
        case "namespaces" | "loopback":
            return text
    raise typer.BadParameter("a network is namespaces or loopback")


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
            "Running processes were left alone: `make cluster-status` shows them, "
            "`make cluster-down` stops them."
        )
        return 1
    except (
        MissingPrerequisite, NamespaceError, PostgresError, RabbitmqError, StateError,
        SystemUserError,
    ) as missing:  # fmt: skip
        err.print(str(missing), markup=False)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
