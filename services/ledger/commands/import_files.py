"""``saldo ledger import``: the files of billing centres."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from services.ledger.commands.ledger_access import opened_ledger
from services.ledger.importing.imports import ImportRequest, Summary, import_file
from services.ledger.importing.kinds import KINDS
from services.ledger.limits import largest_imported_adjustment
from services.terminal import (
    BAD_INPUT,
    DIFFERENCE,
    DONE,
    Actor,
    DryRun,
    Json,
    Reason,
    author,
    counting_bytes,
    new_table,
    out,
    print_json,
    reporting,
    roubles,
    show,
)
from shared.money import parse_roubles
from shared.tablefiles import ControlTotals


class Encoding(StrEnum):
    """How a file is encoded."""

    UTF_8 = "utf-8"
    CP1251 = "cp1251"


_TITLES = {
    "imported": "Imported",
    "imported_before": "Imported before: nothing was changed",
    "dry_run": "Dry run: nothing was posted",
    "refused": "Refused as a whole: nothing was posted",
    "nothing_posted": "Nothing could be posted: the file may be tried again",
}


def _kind(name: str) -> str:
    if name not in KINDS:
        raise typer.BadParameter(f"{name!r} is none of {', '.join(KINDS)}")
    return name


KindOption = Annotated[
    str | None,
    typer.Option(
        help="What the file holds; taken from its columns when left out.",
        parser=_kind,
        metavar="|".join(KINDS),
    ),
]
Missed = Annotated[
    bool,
    typer.Option(
        "--missed",
        help="The bills were missed in months that are closed: they keep their month, take "
        "effect today, and are due later.",
    ),
]


def import_(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV or JSON Lines.")],
    reason: Reason,
    actor: Actor = None,
    kind: KindOption = None,
    encoding: Annotated[Encoding | None, typer.Option(help="Detected when left out.")] = None,
    rows: Annotated[int | None, typer.Option(help="Control total: the number of rows.")] = None,
    bills: Annotated[
        int | None,
        typer.Option(
            "--bills",
            "--entries",
            help="Control total: the number of bills, accounts or adjustments.",
        ),
    ] = None,
    total: Annotated[
        str | None, typer.Option(help="Control total: the sum payable, as 4500,00.")
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Post nothing if a single row is refused.")
    ] = False,
    missed: Missed = False,
    quarantine: Annotated[
        Path | None, typer.Option(help="File for refused rows; FILE.quarantine.csv when left out.")
    ] = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Post charges, opening balances or adjustments from a file, or open a registry's accounts.

    Each row is posted once: importing it again has no effect. An import that was stopped or
    killed resumes when the same file is imported again. Exit code 0: everything is posted; 1: some
    rows were refused and are in the quarantine file with their reasons; 2: nothing was posted.
    """
    with reporting():
        who, why = author(actor, reason)
        totals = _totals(rows, bills, total)
        with opened_ledger(writes=True) as store:
            request = ImportRequest(
                path=file,
                actor=who,
                reason=why,
                limit=store.query(lambda session: largest_imported_adjustment(session, who)),
                kind=kind,
                encoding=encoding.value if encoding else None,
                totals=totals,
                strict=strict,
                missed=missed,
                dry_run=dry_run,
                quarantine=quarantine,
            )
            summary = import_file(store, request, counting_bytes)
    if json:
        print_json(summary)
    else:
        _show(summary)
    raise typer.Exit(_exit_code(summary))


def _exit_code(summary: Summary) -> int:
    if summary.state in ("refused", "nothing_posted"):
        return BAD_INPUT
    return DIFFERENCE if summary.counts.refused_rows else DONE


def _totals(rows: int | None, entries: int | None, total: str | None) -> ControlTotals:
    amount = None if total is None else parse_roubles(total)
    return ControlTotals(rows=rows, entries=entries, total=amount)


def _show(summary: Summary) -> None:
    counts = summary.counts
    table = new_table(_TITLES[summary.state], summary.kind, amounts=("count", "roubles"))
    table.add_row("rows", str(counts.rows), "")
    posted = "would be posted" if summary.state in ("dry_run", "refused") else "posted"
    table.add_row(f"{summary.entries} {posted}", str(counts.entries), roubles(counts.amount))
    if counts.unchanged:
        table.add_row(f"{summary.entries} unchanged", str(counts.unchanged), "")
    for code, number in sorted(counts.refusals.items()):
        table.add_row(f"rows refused: {code}", str(number), "")
    if counts.refused_rows:
        refused = roubles(counts.refused_amount)
        table.add_row("rows refused in all", str(counts.refused_rows), refused)
    if summary.empty_rows:
        table.add_row("empty rows skipped", str(summary.empty_rows), "")
    show(table)
    if summary.by:
        out.print(f"First imported by {summary.by}.")
    if summary.resumed:
        out.print("Resumed after an earlier run that was stopped.")
    if summary.first_position is not None:
        out.print(f"Positions {summary.first_position}-{summary.last_position} of the log.")
    if summary.quarantine:
        out.print(f"Refused rows with their reasons: {summary.quarantine}", soft_wrap=True)
    if summary.quarantine_lost:
        out.print("The rows that the earlier run refused are missing: its quarantine file is gone.")
