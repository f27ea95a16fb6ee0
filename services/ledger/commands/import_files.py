"""``saldo ledger import``: the files of billing centres."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from services.language import text
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
    err,
    money,
    new_table,
    out,
    print_json,
    reporting,
    roubles,
    show,
)
from shared.tablefiles import ControlTotals


class Encoding(StrEnum):
    """How a file is encoded."""

    UTF_8 = "utf-8"
    CP1251 = "cp1251"


def _kind(name: str) -> str:
    if name not in KINDS:
        kinds = ", ".join(KINDS)
        raise typer.BadParameter(text("{name!r} is none of {kinds}", name=name, kinds=kinds))
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
                tell_wait=_tell_wait,
            )
            summary = import_file(store, request, _bar)
    if json:
        print_json(summary)
    else:
        _show(summary)
    raise typer.Exit(_exit_code(summary))


def _bar(step: str, size: int) -> AbstractContextManager[Callable[[int], None]]:
    """Show how far a step of an import has come in its file."""
    steps = {
        "adding": text("adding up"),
        "checking": text("checking"),
        "comparing": text("comparing"),
        "posting": text("posting"),
    }
    return counting_bytes(steps.get(step, step), size)


def _tell_wait() -> None:
    err.print(
        text(
            "Waiting for the bus now and then: payments posted meanwhile do not wait behind this "
            "file."
        ),
        soft_wrap=True,
    )


def _exit_code(summary: Summary) -> int:
    if summary.state in ("refused", "nothing_posted"):
        return BAD_INPUT
    return DIFFERENCE if summary.counts.refused_rows else DONE


def _totals(rows: int | None, entries: int | None, total: str | None) -> ControlTotals:
    amount = None if total is None else money(total, "--total")
    return ControlTotals(rows=rows, entries=entries, total=amount)


def _show(summary: Summary) -> None:
    counts = summary.counts
    amounts = (text("count"), text("roubles"))
    table = new_table(_titles()[summary.state], summary.kind, amounts=amounts)
    table.add_row(text("rows"), str(counts.rows), "")
    entries = _entries(summary.entries)
    posted = (
        text("{entries}: would be posted", entries=entries)
        if summary.state in ("dry_run", "refused")
        else text("{entries}: posted", entries=entries)
    )
    table.add_row(posted, str(counts.entries), roubles(counts.amount))
    if counts.unchanged:
        unchanged = text("{entries}: unchanged", entries=entries)
        table.add_row(unchanged, str(counts.unchanged), "")
    for code, number in sorted(counts.refusals.items()):
        table.add_row(text("rows refused: {code}", code=code), str(number), "")
    if counts.refused_rows:
        refused = roubles(counts.refused_amount)
        table.add_row(text("rows refused in all"), str(counts.refused_rows), refused)
    if summary.empty_rows:
        table.add_row(text("empty rows skipped"), str(summary.empty_rows), "")
    show(table)
    for sentence in _remarks(summary):
        out.print(sentence, soft_wrap=True)


def _remarks(summary: Summary) -> Iterator[str]:
    if summary.by:
        yield text("First imported by {name}.", name=summary.by)
    if summary.resumed:
        yield text("Resumed after an earlier run that was stopped.")
    if summary.first_position is not None:
        yield text(
            "Positions {first}-{last} of the log.",
            first=summary.first_position,
            last=summary.last_position,
        )
    if summary.unpublished:
        yield text(
            "The relay does not run, or does not get on: others learn of these rows, and of what "
            "comes after them, once it does."
        )
    if summary.quarantine:
        yield text("Refused rows with their reasons: {file}", file=summary.quarantine)
    if summary.quarantine_lost:
        yield text(
            "The rows that the earlier run refused are missing: its quarantine file is gone."
        )


def _titles() -> dict[str, str]:
    return {
        "imported": text("Imported"),
        "imported_before": text("Imported before: nothing was changed"),
        "dry_run": text("Dry run: nothing was posted"),
        "refused": text("Refused as a whole: nothing was posted"),
        "nothing_posted": text("Nothing could be posted: the file may be tried again"),
    }


def _entries(name: str) -> str:
    return {
        "accounts": text("accounts"),
        "adjustments": text("adjustments"),
        "bills": text("bills"),
    }.get(name, name)
