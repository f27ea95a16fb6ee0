"""Output for the operator: start-up progress, tables, the tail of a log."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from deploy.embedded.environment import MONITORED
from deploy.embedded.plan import ProcessState
from deploy.embedded.state import StateDir

_STYLE = {"ready": "green", "done": "green", "down": "red", "starting": "yellow", "waiting": "dim"}
_TAIL_LINES = 30


class Progress:
    """A table updated in place on a terminal; elsewhere, a line for each change."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began = time.monotonic()
        self._shown: dict[str, str] = {}
        self._live = Live(console=console, transient=True) if console.is_terminal else None

    def __enter__(self) -> Progress:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def __call__(self, status: Mapping[str, ProcessState]) -> None:
        seconds = time.monotonic() - self._began
        if self._live is not None:
            self._live.update(status_table(status, f"starting, {seconds:.0f} s"))
            return
        for name, seen in status.items():
            if self._shown.get(name) != seen.state and seen.state != "waiting":
                self._console.print(f"  {seconds:5.1f} s  {name} {seen.state}", highlight=False)
                self._shown[name] = seen.state


def status_table(status: Mapping[str, ProcessState], title: str) -> Table:
    """Return a table of the processes: state, pid, age, number of exits."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column("process")
    table.add_column("state")
    table.add_column("pid", justify="right")
    table.add_column("for", justify="right")
    table.add_column("exits", justify="right")
    for name, seen in status.items():
        table.add_row(
            name,
            Text(seen.state, style=_STYLE[seen.state]),
            str(seen.pid or ""),
            f"{max(0.0, time.time() - seen.since):.0f} s",
            f"{seen.exits} ({seen.last_exit})" if seen.exits else "",
        )
    return table


def addresses(environment: Mapping[str, str], state: StateDir) -> Table:
    """Return a table of an installation's addresses, nodes and settings, and of who may log in."""
    table = Table(box=None, show_header=False, pad_edge=False)
    url = environment["SALDO_URL"]
    table.add_row("cabinet", f"{url}/")
    if state.demo.exists():
        person = json.loads(state.demo.read_text(encoding="utf-8"))
        table.add_row("  log in as", person["email"])
        table.add_row("  password", person["password"])
    table.add_row("API", f"{url}/api/docs")
    table.add_row("  OpenAPI", f"{url}/api/v1/openapi.json")
    table.add_row("mailbox", environment["SALDO_MAILBOX_URL"])
    table.add_row("acquirer", f"{environment['SALDO_ACQUIRER_URL']}/admin")
    table.add_row("  YooKassa", f"{environment['SALDO_ACQUIRER_KASSA_URL']}/admin")
    for name, variable in (("PostgreSQL", "SALDO_DATABASE_URL"), ("RabbitMQ", "SALDO_AMQP_URL")):
        table.add_row(name, environment[variable].rpartition("@")[2])
    # Without the user and password of the URL: what is printed ends in logs.
    management = urlsplit(environment["SALDO_AMQP_ADMIN_URL"])
    host = management.netloc.rpartition("@")[2]
    table.add_row("  management", f"{management.scheme}://{host}{management.path or '/'}")
    for name in MONITORED:
        url = environment[f"SALDO_MONITORING_URL_{name.upper()}"]
        table.add_row(f"metrics of {name}", f"{url}/metrics")
    table.add_row("settings", str(state.env))
    table.add_row("  of staff", str(state.staff / "*.env"))
    table.add_row("  of subscribers", str(state.subscribers / "*.env"))
    return table


def tail(log: Path) -> str:
    """Return the last lines of a log; empty if there is none."""
    if not log.exists():
        return ""
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-_TAIL_LINES:])
