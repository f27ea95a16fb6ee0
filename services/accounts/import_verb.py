"""``saldo accounts import``: contracts, as billing centres deliver them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from services.accounts.contract_file import ContractFile, open_contract_file
from services.accounts.contract_import import ContractImport, Survey, survey
from services.accounts.contract_loading import OUTCOMES
from services.accounts.proof import KEY_PURPOSE, ProofSeal
from services.terminal import (
    DIFFERENCE,
    DONE,
    Actor,
    DryRun,
    Json,
    OptionalReason,
    author,
    err,
    new_table,
    opened_store,
    out,
    print_json,
    refused,
    reporting,
    show,
)
from shared.config import ConfigurationError
from shared.errors import Conflict, ServiceError, ValidationFailed
from shared.eventstore.postgres import PostgresStore
from shared.money import format_roubles, parse_roubles
from shared.tablefiles import ControlTotals, quarantine_path

THREADS = 2
"""Batches that are decided and written at the same time: more would wait for each other."""

_CALLED = {"opened": "new holders", "bills": "new bills"}
"""What the table calls an outcome."""


def import_contracts(
    file: Annotated[Path, typer.Argument(help="CSV with ';' or JSON Lines, UTF-8 or cp1251.")],
    *,
    rows: Annotated[int | None, typer.Option(help="Control total: the number of rows.")] = None,
    total: Annotated[
        int | None,
        typer.Option(
            help="Control total: the sum of bill_total, as 4500,00.",
            parser=parse_roubles,
            metavar="ROUBLES",
        ),
    ] = None,
    holders: Annotated[
        int | None,
        typer.Option(help="Control total: the number of accounts with another holder."),
    ] = None,
    quarantine: Annotated[
        Path | None, typer.Option(help="File for refused rows; FILE.quarantine.csv when left out.")
    ] = None,
    actor: Actor = None,
    reason: OptionalReason = "",
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Register new contracts and amend changed ones; repeating an import has no effect.

    Needs --reason, except with --dry-run.
    Exit code 0: done; 1: rows were refused (they are in the quarantine file with their reasons,
    the others were imported) or a control total differs (nothing was imported); 2: the input is
    unusable or the database did not answer.
    """
    with reporting():
        by = None if dry_run else author(actor, reason)
    try:
        source = open_contract_file(file)
        refused_rows = quarantine or quarantine_path(file)
        with opened_store("accounts", writes=True, statement_timeout_ms=0) as store, alone(store):
            seal = ProofSeal(store.hash_key(KEY_PURPOSE))
            found = survey(source, refused_rows, err, store.clock.today())
            summary = _summary(source, found, dry_run, refused_rows)
            summary["differences"] = found.differences(ControlTotals(rows=rows, total=total))
            job = ContractImport(store, source, seal, found, err, threads=THREADS)
            summary["differences"] = summary["differences"] or job.holder_differences(holders)
            if not summary["differences"]:
                summary |= job.plan() if by is None else job.run(*by)
                summary |= _refusals(found, refused_rows)
    except ValidationFailed as error:
        outcome = "Stopped" if error.code == "file_changed" else "Not imported"
        raise refused(f"{outcome}: {error.message}") from error
    except (ConfigurationError, OSError) as error:
        raise refused(f"Not imported: {error}") from error
    except Conflict as error:
        raise refused(f"Not imported: {error.message}") from error
    except ServiceError as error:
        raise refused(f"Stopped; run the same import again. {error.message}") from error
    _show(summary, json)
    raise typer.Exit(DIFFERENCE if summary["differences"] or found.refused else DONE)


@contextmanager
def alone(store: PostgresStore) -> Iterator[None]:
    """Keep other processes from importing a registry; the lock ends with its connection.

    Raises Conflict ``import_under_way``.
    """
    with store.pool.connection() as connection, connection.cursor() as cursor:
        connection.autocommit = True
        try:
            cursor.execute(
                "SELECT pg_try_advisory_lock(hashtextextended('accounts.import', 0)) AS taken"
            )
            if not cursor.fetchone()["taken"]:
                raise Conflict(
                    "import_under_way", "Another registry is being imported right now; wait for it."
                )
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock_all()")
            connection.autocommit = False


def _summary(
    source: ContractFile, found: Survey, dry_run: bool, quarantine: Path
) -> dict[str, Any]:
    return {
        "file": str(source.path),
        "encoding": source.encoding,
        "dry_run": dry_run,
        "rows": found.rows,
        "bill_total": found.total,
        **_refusals(found, quarantine),
    }


def _refusals(found: Survey, quarantine: Path) -> dict[str, Any]:
    return {
        "refused": found.refused,
        "quarantine": str(quarantine) if found.refused else None,
    }


def _show(summary: dict[str, Any], json: bool) -> None:
    if json:
        print_json(summary)
        return
    title = "Dry run: nothing was written" if summary["dry_run"] else "Imported"
    if summary["differences"]:
        title = "Not imported: a control total differs"
    table = new_table(title, "contracts", amounts=("count",))
    for key in ("rows", *OUTCOMES, "refused"):
        if key in summary:
            table.add_row(_CALLED.get(key, key), str(summary[key]))
    table.add_row("sum of bills, roubles", format_roubles(summary["bill_total"]))
    show(table)
    for difference in summary["differences"]:
        out.print(difference, soft_wrap=True)
    if summary["quarantine"]:
        out.print(f"Refused rows with their reasons: {summary['quarantine']}", soft_wrap=True)
