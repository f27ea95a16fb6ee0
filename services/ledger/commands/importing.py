"""``saldo ledger import``: the files of billing centres."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from services.ledger.charge_import import import_charges, totals_of
from services.ledger.commands.printing import (
    BAD_INPUT,
    Actor,
    DryRun,
    Reason,
    counting,
    err,
    opened_store,
    out,
    reporting,
    roubles,
)
from shared.money import parse_rubles


def import_(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The CSV file.")],
    actor: Actor,
    reason: Reason,
    dry_run: DryRun = False,
    bills: Annotated[int | None, typer.Option(help="Control: how many bills.")] = None,
    total: Annotated[str | None, typer.Option(help="Control: the sum, as 4500,00.")] = None,
) -> None:
    """Post the charges of a billing centre's file: all of it, or nothing."""
    with reporting():
        totals = totals_of(file)
        expected = None if total is None else parse_rubles(total)
        if bills not in (None, totals.bills) or expected not in (None, totals.total):
            err.print(
                f"The control totals do not match: the file has {totals.bills} bills, "
                f"{roubles(totals.total)} roubles. Nothing was posted."
            )
            raise typer.Exit(BAD_INPUT)
        if dry_run:
            out.print(f"{totals.bills} bills, {roubles(totals.total)}: nothing was posted")
            return
        with opened_store() as store, counting("posting", totals.bills) as advance:
            result = import_charges(store, file, actor, reason, advance)
        out.print(
            f"{result['bills']} bills, {result['lines']} lines, {roubles(result['total'])} roubles"
            f"; positions {result['first_position']}-{result['last_position']} of the log"
        )
