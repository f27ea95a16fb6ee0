"""``saldo ledger export``: events, balances or a statement as a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from services.ledger.commands.printing import (
    Json,
    counting,
    day,
    opened_store,
    out,
    print_json,
    reporting,
)
from services.ledger.reports.export import Format, What, export_to, format_of


def export(
    file: Annotated[Path, typer.Argument(metavar="OUT", help="The file to write.")],
    what: Annotated[What, typer.Option(help="What to export.")] = What.EVENTS,
    format_: Annotated[
        Format | None,
        typer.Option("--format", help="The format; by the name of the file when left out."),
    ] = None,
    account: Annotated[str | None, typer.Option(help="The account of a statement.")] = None,
    from_: Annotated[str | None, typer.Option("--from", help="Its first day.")] = None,
    to: Annotated[str | None, typer.Option(help="Its last day.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file.")] = False,
    json: Json = False,
) -> None:
    """Write events, balances or a statement to a file: all of it, or no file.

    Amounts are whole kopecks. Events are written as JSON Lines just as the log keeps them, so
    that the seal can be verified on the file alone.
    """
    with reporting():
        chosen = format_of(file, format_)
        if (what is What.STATEMENT) != (account is not None):
            raise ValueError("--account: a statement is of one account, the rest of all of them")
        if file.exists() and not overwrite:
            raise ValueError(f"{file} is there already; say --overwrite to replace it")
        days = (day(from_, "--from"), day(to, "--to"))
        with opened_store() as store, counting(f"writing {file.name}", None) as advance:
            rows = export_to(store, file, chosen, what, account, days, advance)
    if json:
        print_json({"file": str(file), "what": what, "format": chosen, "rows": rows})
    else:
        out.print(f"{rows} rows of {what} in {file}", soft_wrap=True)
