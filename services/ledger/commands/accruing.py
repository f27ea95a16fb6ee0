"""``saldo ledger accrue``: the penalties of all overdue accounts, by a day."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from services.ledger.accrual_run import Summary, accrue_all
from services.ledger.commands.printing import (
    DIFFERENCE,
    Actor,
    DryRun,
    Json,
    Reason,
    author,
    counting,
    err,
    opened_store,
    out,
    print_json,
    reporting,
    roubles,
)
from services.ledger.commands.printing import day as a_day
from services.ledger.penalties.rules import load_rules
from services.ledger.penalties.settling import check_day
from shared.clock import SystemClock
from shared.config import load_settings
from shared.logs import get_logger

log = get_logger(__name__)


def accrue(
    actor: Actor,
    reason: Reason,
    on: Annotated[
        str | None, typer.Option(help="By which day, it included; today when left out.")
    ] = None,
    rules: Annotated[Path | None, typer.Option(help="Another file of rules.")] = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Accrue penalties by a day: again on the same day it changes nothing.

    A run that was killed is simply started again. Past accruals are corrected by events of their
    own where a payment or a recalculation has come in since. Exit code 1: the rules are silent
    about some accounts, which are named and left as they are; all others are done.
    """
    with reporting():
        who, why = author(actor, reason)
        today = SystemClock(load_settings().timezone).today()
        day = a_day(on, "--on") or today
        if day > today and not dry_run:
            # What is accrued cannot be taken back by an earlier day: a wrong year would stand.
            raise ValueError(f"--on: {day} is to come; see what it would be with --dry-run")
        check_day(day)
        chosen = load_rules(rules)
        with opened_store() as store:
            events = store.recorder.max_notification_id() or 0
            with counting("accruing", events) as advance:
                summary = accrue_all(store, day, chosen, who, advance, dry_run=dry_run)
        log.warning("penalties_accrued", by=who, why=why, on=str(day), dry_run=dry_run)
    if json:
        print_json({"on": str(day), "rules": chosen.version, **msgspec.structs.asdict(summary)})
    else:
        _show(summary, day, chosen.version, dry_run)
    raise typer.Exit(DIFFERENCE if summary.refused else 0)


def _show(summary: Summary, day: date, rules: str, dry_run: bool) -> None:
    out.print(
        f"{'would change' if dry_run else 'changed'} {summary.changed} of {summary.accounts} "
        f"accounts by {day}: {roubles(summary.added)} added, {roubles(summary.taken_back)} taken "
        f"back; rules {rules}"
    )
    for number, why in summary.refusals.items():
        err.print(f"account {number} is left as it is: {why}", soft_wrap=True)
    if summary.refused:
        err.print(f"{summary.refused} accounts are left as they are")
