"""``saldo ledger accrue``: the penalties of all overdue accounts, by a day."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from services.ledger.accrual_run import accrue_all
from services.ledger.commands.printing import (
    Actor,
    DryRun,
    Json,
    Reason,
    counting,
    opened_store,
    out,
    print_json,
    reporting,
    roubles,
)
from services.ledger.penalties.rules import load_rules
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
    own where a payment or a recalculation has come in since.
    """
    with reporting():
        day = date.fromisoformat(on) if on else SystemClock(load_settings().timezone).today()
        chosen = load_rules(rules)
        with opened_store() as store:
            events = store.recorder.max_notification_id() or 0
            with counting("accruing", events) as advance:
                summary = accrue_all(store, day, chosen, f"staff:{actor}", advance, dry_run=dry_run)
        log.warning("penalties_accrued", by=actor, why=reason, on=str(day), dry_run=dry_run)
    if json:
        print_json({"on": str(day), "rules": chosen.version, **msgspec.structs.asdict(summary)})
        return
    out.print(
        f"{'would change' if dry_run else 'changed'} {summary.changed} of {summary.accounts} "
        f"accounts by {day}: {roubles(summary.added)} added, {roubles(summary.taken_back)} taken "
        f"back; rules {chosen.version}"
    )
