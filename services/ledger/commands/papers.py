"""``saldo ledger reconciliation | certificate | court-pack``: papers of an account, as PDF.

The first two ask the service where the terminal has no login of the database. Who the payer is, the
ledger does not know: a paper has lines for his name and address.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from services.language import Language, asked, text
from services.ledger.commands.ledger_access import (
    Number,
    log_of_account,
    opened_ledger,
    read_or_ask,
    reporting_seal,
)
from services.ledger.commands.turnover import COLUMNS, column_names
from services.ledger.papers.certificate import debt_on
from services.ledger.papers.court_pack import court_pack as pack_of
from services.ledger.papers.reconciliation import reconciliation as reconciliation_of
from services.ledger.penalties.law import PenaltyLaw
from services.ledger.penalties.rules import load_rules
from services.ledger.reports.turnover import ADVANCE, PENALTY
from services.ledger.seal.keys import verifier_keys_of
from services.ledger.tenures import named_key
from services.terminal import (
    DIFFERENCE,
    Json,
    day,
    day_or_instant,
    err,
    new_table,
    out,
    print_json,
    reporting,
    roubles,
    show,
)
from shared.account_key import number_of

TO_BE_FILLED_IN = {"organisation": "", "holder": "", "address": ""}

Output = Annotated[Path | None, typer.Option("--output", dir_okay=False, help="The PDF to write.")]


def reconciliation(
    number: Number,
    from_: Annotated[str, typer.Option("--from", help="The first day.")],
    to: Annotated[str, typer.Option(help="The last day.")],
    output: Output = None,
    json: Json = False,
) -> None:
    """Make the act of reconciliation («Акт сверки») of an account between two days.

    Without --output it shows the turnover by service.
    """
    with reporting():
        first, last = day(from_, "--from"), day(to, "--to")
        found = read_or_ask(
            lambda session: reconciliation_of(session, named_key(session, number), first, last),
            "reconciliation",
            number=number,
            first_day=first,
            last_day=last,
        )
        write_paper("reconciliation", {**found, **TO_BE_FILLED_IN}, output)
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
    json: Json = False,
) -> None:
    """Make a certificate that an account owes nothing («Справка об отсутствии задолженности»).

    The penalty by the rules through the day counts, accrued or not. Exit code 1, and no paper: the
    account owes something; with --debt: it owes nothing.
    """
    with reporting():
        chosen = day(on, "--on")
        found = read_or_ask(
            lambda session: debt_on(session, named_key(session, number), chosen or session.today),
            "debt",
            number=number,
            on=chosen,
        )
        is_true = (found["owed"] > 0) == debt
        if is_true:
            write_paper("certificate", {**found, **TO_BE_FILLED_IN}, output)
    if json:
        print_json(found)
    else:
        out.print(_sentence(found), soft_wrap=True)
        if not is_true:
            out.print(text("So there is no such certificate."))
    if not is_true:
        raise typer.Exit(DIFFERENCE)


def court_pack(
    number: Number,
    as_of: Annotated[
        str, typer.Option(help="An instant with its zone: what was recorded by then.")
    ],
    from_: Annotated[
        str | None, typer.Option("--from", help="The first day of the statement.")
    ] = None,
    rules: Annotated[
        Path | None, typer.Option(help="A file of penalty rules instead of those in force.")
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="The checkpoint of a pack that was made before."
        ),
    ] = None,
    output: Output = None,
    json: Json = False,
) -> None:
    """Make the pack for a court: debt, statement, penalty by segment, payments, proofs.

    The same instant gives the same bytes, whatever is recorded later; once old checkpoints have
    been thinned, with the one that is attached to the pack. The penalty goes by the rules by which
    the account was accrued last; where those at hand are others, --rules names them.
    """
    with reporting_seal():
        if output is None and not json:
            raise ValueError(text("--output: name the file to write, or ask for --json"))
        instant, first = _instant(as_of), day(from_, "--from")
        log = log_of_account(number)
        law, trusted = PenaltyLaw(load_rules(rules)), verifier_keys_of(log)
        note = checkpoint.read_text(encoding="utf-8") if checkpoint else None
        with opened_ledger(log=log) as store:
            found, proofs = store.query(
                lambda session: pack_of(
                    session, named_key(session, number), instant, first, law, trusted, note
                )
            )
        command = f"saldo ledger court-pack {number} --as-of {found['as_of']}"
        if first:
            command += f" --from {first}"
        data = {
            **found,
            "command": f"{command} --lang {paper_language()} --output FILE",
            "proofs": _attached(proofs),
            "attached": _attached(found),
        }
        write_paper("court_pack", data, output)
    if json:
        print_json({**found, "proofs": proofs})


def _instant(given: str) -> datetime:
    found = datetime.fromisoformat(day_or_instant(given, "--as-of") or given)
    if found.tzinfo is None:
        raise ValueError(text("--as-of: give an instant with its zone (2026-10-31T12:00:00+03:00)"))
    return found


def _attached(data: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(data, order="sorted"), indent=1).decode()


def paper_language() -> Language:
    """Return the language of a paper: Russian unless ``--lang`` names another.

    It is for the payer or a court, so that the locale of the terminal does not matter.
    """
    return asked() or Language.RU


def write_paper(paper: str, data: dict[str, Any], output: Path | None) -> None:
    """Write a paper into a file, where one is named; it has the number, whatever the tenure."""
    if output is None:
        return
    data = {**data, "number": number_of(data["number"])}
    # The library of the typesetter is large, and other verbs need none.
    from shared.documents.papers import paper_pdf

    output.write_bytes(paper_pdf(paper, data, paper_language().value))
    err.print(text("written: {file}", file=output), soft_wrap=True)


def _sentence(found: dict[str, Any]) -> str:
    number, on = found["number"], found["on"]
    if not found["owed"]:
        return text("Account {number} owes nothing on {on}.", number=number, on=on)
    return text(
        "Account {number} owes {owed} on {on}, {penalty} of it penalty.",
        number=number,
        on=on,
        owed=roubles(found["owed"]),
        penalty=roubles(found["penalty"]),
    )


def _show_turnover(found: dict[str, Any]) -> None:
    table = new_table(
        text(
            "Account {number}, {first} - {last}",
            number=found["number"],
            first=found["first_day"],
            last=found["last_day"],
        ),
        text("Service"),
        amounts=column_names(),
    )
    others = {PENALTY: text("Penalty"), ADVANCE: text("Advance")}
    for row in found["services"]:
        name = others.get(row["service"], row["name"])
        table.add_row(name, *(roubles(row[column]) for column in COLUMNS))
    totals = found["totals"]
    table.add_row(text("total"), *(roubles(totals[column]) for column in COLUMNS), style="bold")
    show(table)
    if found["unbooked_penalty"]:
        out.print(
            text(
                "Penalty by the rules, less what is accrued by {day}: {amount}",
                day=found["penalty_day"],
                amount=roubles(found["unbooked_penalty"]),
            ),
            soft_wrap=True,
        )
