"""``saldo ledger accrue``: the penalties of all overdue accounts through a day."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from services.language import text
from services.ledger.commands.ledger_access import opened_ledger
from services.ledger.penalties.accrual_record import accrue_on_record
from services.ledger.penalties.accrual_run import Summary, accrue_all, count_owing
from services.ledger.penalties.payment_matching import check_day
from services.ledger.penalties.rules import load_rules
from services.terminal import (
    DIFFERENCE,
    DONE,
    Actor,
    DryRun,
    Json,
    Reason,
    author,
    counting,
    day,
    err,
    out,
    print_json,
    reporting,
    roubles,
)


def accrue(
    reason: Reason,
    actor: Actor = None,
    on: Annotated[
        str | None, typer.Option(help="The last day to accrue; today when left out.")
    ] = None,
    rules: Annotated[
        Path | None, typer.Option(help="A file of rules instead of those in force.")
    ] = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Accrue the penalties of all overdue accounts through a day.

    Repeating it for the same day has no effect; a run that was killed is started again. Where a
    payment or a recalculation has come in since, past accruals are corrected by events of their
    own. Future dates are allowed only with --dry-run. Exit code 1: the rules do not cover some
    accounts, which are listed and left unchanged; all others are done.
    """
    with reporting():
        (who, why), chosen = author(actor, reason), load_rules(rules)
        with opened_ledger(writes=True) as store:
            today = store.clock.today()
            by = day(on, "--on") or today
            check_day(by)
            if by > today and not dry_run:
                raise ValueError(
                    text(
                        "--on: {day} is in the future. Future dates are allowed only with "
                        "--dry-run; the last day that can be accrued is {today}.",
                        day=by,
                        today=today,
                    )
                )
            with counting(text("accruing"), count_owing(store, by, chosen)) as advance:
                if dry_run:
                    summary = accrue_all(store, by, chosen, who, advance, dry_run=True)
                else:
                    summary = accrue_on_record(store, by, chosen, who, why, advance)
    if json:
        print_json({"on": str(by), "rules": chosen.version, **msgspec.structs.asdict(summary)})
    else:
        _show(summary, by, chosen.version, dry_run)
    raise typer.Exit(DIFFERENCE if summary.refused else DONE)


def _show(summary: Summary, by: date, rules: str, dry_run: bool) -> None:
    figures = {
        "changed": summary.changed,
        "accounts": summary.accounts,
        "day": by,
        "added": roubles(summary.added),
        "taken_back": roubles(summary.taken_back),
        "rules": rules,
    }
    out.print(
        text(
            "accounts that would change by {day}: {changed} of {accounts}; {added} added, "
            "{taken_back} taken back; rules {rules}",
            **figures,
        )
        if dry_run
        else text(
            "accounts changed by {day}: {changed} of {accounts}; {added} added, {taken_back} taken "
            "back; rules {rules}",
            **figures,
        ),
        soft_wrap=True,
    )
    for number, why in summary.refusals.items():
        err.print(
            text("account {number} is left unchanged: {why}", number=number, why=why),
            soft_wrap=True,
        )
    if summary.refused:
        err.print(text("accounts left unchanged: {count}", count=summary.refused))
