"""``saldo accounts``: the registry of contracts."""

from __future__ import annotations

import getpass
import json
import re
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from services.accounts.contract_file import ContractFile, open_contract_file
from services.accounts.contract_import import ContractImport, Survey, survey
from services.accounts.proof import KEY_PURPOSE, BillSeal
from services.discovery import open_store
from shared.config import ConfigurationError, load_settings
from shared.errors import ServiceError, ValidationFailed
from shared.money import format_roubles, parse_roubles
from shared.tablefiles import ControlTotals, quarantine_path

DONE, DIFFERENCE, BAD_INPUT = 0, 1, 2

app = typer.Typer(
    help="The registry of contracts.", no_args_is_help=True, pretty_exceptions_show_locals=False
)


@app.callback()
def accounts() -> None:
    """The registry of contracts."""


@app.command("import")
def import_contracts(
    file: Annotated[Path, typer.Argument(help="CSV with ';' or JSON Lines, UTF-8 or cp1251.")],
    *,
    rows: Annotated[int | None, typer.Option(help="Control total: how many rows.")] = None,
    total: Annotated[
        int | None,
        typer.Option(
            help="Control total: the sum of bill_total, as 4500,00.",
            parser=parse_roubles,
            metavar="ROUBLES",
        ),
    ] = None,
    quarantine: Annotated[
        Path | None, typer.Option(help="Where refused rows go; FILE.quarantine.csv when left out.")
    ] = None,
    actor: Annotated[
        str | None,
        typer.Option(help="Who imports; the login name when left out.", show_default=False),
    ] = None,
    reason: Annotated[str, typer.Option(help="Why; needed unless --dry-run.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check, and write no data.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Register new contracts and amend changed ones; the same file twice changes nothing.

    Exit code 0: done; 1: rows were refused (they are in the quarantine file with their reasons,
    the others were imported) or a control total differs (nothing was imported); 2: the input is
    unusable or the database did not answer.
    """
    screen = Console(stderr=True, quiet=as_json)
    author = None if dry_run else _author(actor, reason)
    try:
        settings = load_settings()
        source, seal = open_contract_file(file), BillSeal(settings.derive_key(KEY_PURPOSE))
        refused_rows = quarantine or quarantine_path(file)
        found = survey(source, seal, refused_rows, screen)
        summary = _summary(source, found, dry_run, refused_rows)
        summary["differences"] = found.differences(ControlTotals(rows=rows, total=total))
        if not summary["differences"]:
            with closing(open_store("accounts", settings)) as store:
                job = ContractImport(store, source, seal, found, screen)
                summary |= job.plan() if author is None else job.run(*author)
    except ValidationFailed as error:
        outcome = "Stopped" if error.code == "file_changed" else "Not imported"
        raise _failed(f"{outcome}: {error.message}") from error
    except (ConfigurationError, OSError) as error:
        raise _failed(f"Not imported: {error}") from error
    except ServiceError as error:
        raise _failed(f"Stopped; run the same import again. {error.message}") from error
    _show(summary, as_json)
    raise typer.Exit(DIFFERENCE if summary["differences"] or found.refused else DONE)


def _author(actor: str | None, reason: str) -> tuple[str, str]:
    """Return actor and reason as the journal keeps them."""
    name = actor or getpass.getuser()
    if not re.fullmatch(r"[\w.@-]{1,64}", name):
        raise typer.BadParameter("a name of letters, digits and . _ @ -", param_hint="--actor")
    if not reason.strip():
        raise typer.BadParameter("say why: the journal of imports keeps it", param_hint="--reason")
    return f"staff:{name}", reason.strip()


def _failed(sentence: str) -> typer.Exit:
    Console(stderr=True).print(f"[red]{escape(sentence)}[/]")
    return typer.Exit(BAD_INPUT)


def _summary(
    source: ContractFile, found: Survey, dry_run: bool, quarantine: Path
) -> dict[str, Any]:
    return {
        "file": str(source.path),
        "encoding": source.encoding,
        "dry_run": dry_run,
        "rows": found.rows,
        "bill_total": found.total,
        "refused": found.refused,
        "quarantine": str(quarantine) if found.refused else None,
    }


def _show(summary: dict[str, Any], as_json: bool) -> None:
    console = Console()
    if as_json:
        typer.echo(json.dumps(summary, ensure_ascii=False))
        return
    table = Table(title="Dry run: nothing was written" if summary["dry_run"] else "Imported")
    table.add_column("contracts")
    table.add_column("count", justify="right")
    for key in ("rows", "registered", "amended", "unchanged", "bills", "refused"):
        if key in summary:
            table.add_row("new bills" if key == "bills" else key, str(summary[key]))
    table.add_row("sum of bills, roubles", format_roubles(summary["bill_total"]))
    if summary["differences"]:
        table.title = "Not imported: a control total differs"
    console.print(table)
    for difference in summary["differences"]:
        console.print(f"[red]{escape(difference)}[/]")
    if summary["quarantine"]:
        console.print(f"Refused rows with their reasons: {escape(summary['quarantine'])}")
