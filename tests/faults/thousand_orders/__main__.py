"""`python -m tests.faults.thousand_orders`: exit code 1 where something was found."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from deploy.demo.loading import load
from deploy.embedded import process
from deploy.embedded.installation import Installation
from shared.money import format_roubles
from tests.faults.thousand_orders.run import run
from tests.nodes import ANY_PORTS

out = Console(highlight=False, soft_wrap=True)


def main(
    orders: Annotated[int, typer.Option(min=1, help="How many payments are started.")] = 1000,
    seed: Annotated[int, typer.Option(help="Of all that is random, as far as threads allow.")] = 1,
    minutes: Annotated[float, typer.Option(min=0.1, help="At most for so long.")] = 30,
    people: Annotated[int, typer.Option(min=1, max=20, help="How many pay at once.")] = 6,
    keep: Annotated[bool, typer.Option(help="Keep the installation's folder.")] = False,
) -> None:
    """Pay through both banks in any trouble, and compare all books from outside."""
    for name in [name for name in os.environ if name.startswith("SALDO_")]:
        del os.environ[name]
    folder = Path(tempfile.mkdtemp(prefix="saldo-orders-"))
    installation = Installation(folder / "saldo", owner=process.myself(), ports=ANY_PORTS)
    try:
        installation.up()
        os.environ.update(installation.environment)
        load(installation.environment["SALDO_DATABASE_URL"], Console(quiet=True))
        result = run(installation, orders, seed, minutes * 60, people, out.print)
    finally:
        if keep:
            installation.down()
            out.print(f"kept in {folder}")
        else:
            installation.reset()
    for what, count in sorted(result.counts.items()):
        out.print(f"  {count:6} {what}")
    out.print(
        f"{result.payments} payments, {format_roubles(result.taken)} taken and kept; looked at "
        f"{result.looks} times; settled in {result.settled_after:.0f} s; {len(result.found)} found"
    )
    for sentence in result.found:
        out.print(f"- {sentence}")
    sys.exit(1 if result.found else 0)


if __name__ == "__main__":
    typer.run(main)
