"""``saldo ledger reconciliation | certificate``: papers of an account for its payer, as PDF.

They ask the service where the terminal has no login of the database. Who the payer is, the ledger
does not know: the paper has a line for his name and address.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from services.ledger.commands.ledger_access import Number, opened_ledger
from services.ledger.papers.certificate import debt_on
from services.ledger.papers.reconciliation import reconciliation as reconciliation_of
from services.staff_calls import calls_to, reads_database
from services.terminal import (
    DIFFERENCE,
    Json,
    day,
    err,
    new_table,
    out,
    print_json,
    reporting,
    roubles,
    show,
)

COLUMNS = ("opening", "charged", "recalculated", "concession", "penalty", "paid", "closing")
TO_BE_FILLED_IN = {"organisation": "", "holder": "", "address": ""}


class Language(StrEnum):
    """The languages of a paper."""

    RU = "ru"
    EN = "en"


Lang = Annotated[Language, typer.Option("--lang", help="The language of the paper.")]
Output = Annotated[Path | None, typer.Option("--output", dir_okay=False, help="The PDF to write.")]


def reconciliation(
    number: Number,
    from_: Annotated[str, typer.Option("--from", help="The first day.")],
    to: Annotated[str, typer.Option(help="The last day.")],
    output: Output = None,
    lang: Lang = Language.RU,
    json: Json = False,
) -> None:
    """Make the act of reconciliation («Акт сверки») of an account between two days.

    Without --output it shows the turnover by service.
    """
    with reporting():
        first, last = day(from_, "--from"), day(to, "--to")
        if reads_database("ledger"):
            with opened_ledger() as store:
                found = store.query(lambda session: reconciliation_of(session, number, first, last))
        else:
            with calls_to("ledger") as ledger:
                found = ledger.ask("reconciliation", number=number, first_day=first, last_day=last)
        write_paper("reconciliation", {**found, **TO_BE_FILLED_IN}, lang, output)
    if json:
        print_json(found)
    elif output is None:
        _show_turnover(found)


def certificate(
    number: Number,
    on: Annotated[str | None, typer.Option(help="Today, or a past day.")] = None,
    debt: Annotated[
        bool, typer.Option("--debt", help="Certify what is owed, not that nothing is.")
    ] = False,
    output: Output = None,
    lang: Lang = Language.RU,
    json: Json = False,
) -> None:
    """Make a certificate that an account owes nothing («Справка об отсутствии задолженности»).

    The penalty by the rules through the day counts, accrued or not. Exit code 1, and no paper: the
    account owes something; with --debt: it owes nothing.
    """
    with reporting():
        chosen = day(on, "--on")
        if reads_database("ledger"):
            with opened_ledger() as store:
                found = store.query(
                    lambda session: debt_on(session, number, chosen or session.today)
                )
        else:
            with calls_to("ledger") as ledger:
                found = ledger.ask("debt", number=number, on=chosen)
        is_true = (found["owed"] > 0) == debt
        if is_true:
            write_paper("certificate", {**found, **TO_BE_FILLED_IN}, lang, output)
    if json:
        print_json(found)
    elif is_true:
        out.print(_sentence(found), soft_wrap=True)
    else:
        err.print(f"{_sentence(found)}: no certificate was made.", soft_wrap=True)
    if not is_true:
        raise typer.Exit(DIFFERENCE)


def write_paper(paper: str, data: dict[str, Any], language: Language, output: Path | None) -> None:
    """Write a paper into a file, where one is named."""
    if output is None:
        return
    # The library of the typesetter is large, and other verbs need none.
    from shared.documents.papers import paper_pdf

    output.write_bytes(paper_pdf(paper, data, language.value))
    err.print(f"written: {output}", soft_wrap=True)


def _sentence(found: dict[str, Any]) -> str:
    if not found["owed"]:
        return f"Account {found['number']} owes nothing on {found['on']}"
    return (
        f"Account {found['number']} owes {roubles(found['owed'])} on {found['on']}, "
        f"{roubles(found['penalty'])} of it penalty («пени»)"
    )


def _show_turnover(found: dict[str, Any]) -> None:
    table = new_table(
        f"Account {found['number']}, {found['first_day']} - {found['last_day']}",
        "Service",
        amounts=tuple(column.capitalize() for column in COLUMNS),
    )
    for row in found["services"]:
        table.add_row(row["name"], *(roubles(row[column]) for column in COLUMNS))
    table.add_row("Total", *(roubles(found["totals"][column]) for column in COLUMNS), style="bold")
    show(table)
    if found["unbooked_penalty"]:
        out.print(
            f"Not accrued yet by {found['penalty_day']}: {roubles(found['unbooked_penalty'])}",
            soft_wrap=True,
        )
