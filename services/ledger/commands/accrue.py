"""``saldo ledger accrue``: the penalties of all overdue accounts, by a day."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

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
from services.ledger.penalties.accrual_run import Summary, accrue_all
from services.ledger.penalties.payment_matching import check_day
from services.ledger.penalties.rules import load_rules
from shared import context
from shared.eventstore import Session
from shared.ids import new_id


class AccrueRun(msgspec.Struct, frozen=True, kw_only=True):
    """Who begins to accrue, by which day and rules, and why."""

    on: date
    rules: str
    by: str
    reason: str


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
    own where a payment or a recalculation has come in since. What days to come would bring is only
    told, with --dry-run. Exit code 1: the rules are silent about some accounts, which are named and
    left as they are; all others are done.
    """
    with reporting():
        (who, why), chosen = author(actor, reason), load_rules(rules)
        with opened_store() as store:
            today = store.clock.today()
            by = a_day(on, "--on") or today
            check_day(by)
            if by > today and not dry_run:
                raise ValueError(
                    f"--on: {by} is to come, and nobody is late with it yet: the last day that "
                    f"can be accrued is {today}; --dry-run looks ahead"
                )
            if not dry_run:
                run = AccrueRun(on=by, rules=chosen.version, by=who, reason=why)
                with context.bind(actor=who, command_id=new_id()):
                    store.execute(note_run, run)
            events = store.recorder.max_notification_id() or 0
            with counting("accruing", events) as advance:
                summary = accrue_all(store, by, chosen, who, advance, dry_run=dry_run)
    if json:
        print_json({"on": str(by), "rules": chosen.version, **msgspec.structs.asdict(summary)})
    else:
        _show(summary, by, chosen.version, dry_run)
    raise typer.Exit(DIFFERENCE if summary.refused else 0)


def note_run(_: Session, command: AccrueRun) -> dict[str, Any]:
    """Keep with the commands of the log who began a run and why; its events name who alone."""
    found: dict[str, Any] = msgspec.to_builtins(command)
    return found


def _show(summary: Summary, by: date, rules: str, dry_run: bool) -> None:
    out.print(
        f"{'would change' if dry_run else 'changed'} {summary.changed} of {summary.accounts} "
        f"accounts by {by}: {roubles(summary.added)} added, {roubles(summary.taken_back)} taken "
        f"back; rules {rules}",
        soft_wrap=True,
    )
    for number, why in summary.refusals.items():
        err.print(f"account {number} is left as it is: {why}", soft_wrap=True)
    if summary.refused:
        err.print(f"{summary.refused} accounts are left as they are")
