"""``saldo ledger export``: write events, balances or a statement to a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from services.language import text
from services.ledger.commands.ledger_access import opened_ledger
from services.ledger.reports.export import Format, What, export_to, format_of
from services.terminal import Json, counting, day, out, print_json, reporting


def export(
    file: Annotated[Path, typer.Argument(metavar="OUT", help="The file to write.")],
    what: Annotated[What, typer.Option(help="What to export.")] = What.EVENTS,
    format_: Annotated[
        Format | None,
        typer.Option("--format", help="The format; taken from the file name when left out."),
    ] = None,
    account: Annotated[str | None, typer.Option(help="The account of a statement.")] = None,
    from_: Annotated[str | None, typer.Option("--from", help="Its first day.")] = None,
    to: Annotated[str | None, typer.Option(help="Its last day.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file.")] = False,
    json: Json = False,
) -> None:
    """Write events, balances or a statement to a file; on failure no file is left.

    Amounts are whole kopecks. JSON Lines keep events exactly as the log does, so that the seal
    can be verified from the file alone.
    """
    with reporting():
        chosen = format_of(file, format_)
        if (what is What.STATEMENT) != (account is not None):
            raise ValueError(text("--account: needed for a statement, and for nothing else"))
        if file.exists() and not overwrite:
            raise ValueError(text("{file} exists; --overwrite replaces it", file=file))
        days = (day(from_, "--from"), day(to, "--to"))
        with (
            opened_ledger() as store,
            counting(text("writing {file}", file=file.name), None) as advance,
        ):
            rows = export_to(store, file, chosen, what, account, days, advance)
    if json:
        print_json({"file": str(file), "what": what, "format": chosen, "rows": rows})
    else:
        out.print(
            text("{file}: {what}, rows: {rows}", file=file, what=what, rows=rows), soft_wrap=True
        )
