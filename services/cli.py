"""``saldo <subject> <verb>``: the staff CLIs of all services and of the bus under one command."""

from __future__ import annotations

import logging
import os
import sys
from importlib import import_module
from importlib.util import find_spec

from services import bus_cli, keys_cli, staff_cli
from services.verbs import StaffVerbs
from services.visible_output import VisibleGroup, make_streams_visible
from shared import logs
from shared.config import SERVICES

app = StaffVerbs(
    "Saldo for billing staff and operators. Settings come from SALDO_* variables: "
    "`. .saldo/env` after `make up`.",
    "services",
    group=VisibleGroup,
    pretty_exceptions_enable=False,
)
app.reads("top", ".top.command:top")
app.add_typer(bus_cli.app, name="bus")
app.add_typer(keys_cli.app, name="keys")
app.add_typer(staff_cli.app, name="staff")
for _service in SERVICES:
    if find_spec(f"services.{_service}.cli"):
        app.add_typer(import_module(f"services.{_service}.cli").app, name=_service)


def main() -> None:
    """Run the command line; logs go to standard error, from WARNING on."""
    make_streams_visible()
    logs.configure_at_first_line("cli", "WARNING", sys.stderr)
    # An unreachable database is reported in one sentence, not by each attempt to connect.
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        # Whoever was reading has had enough (`| head`): nothing is left to be flushed to him.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
