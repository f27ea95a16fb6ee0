"""``saldo ledger close``: close a month whose figures have been reported."""

from __future__ import annotations

from typing import Annotated

import typer

from services.ledger.commands.ledger_access import opened_ledger
from services.ledger.tables.closed_periods import close_period
from services.terminal import Actor, DryRun, Json, Reason, author, out, print_json, reporting


def close(
    period: Annotated[str, typer.Argument(help="The month, as 2026-03.")],
    reason: Reason,
    actor: Actor = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Close a month and all months before it, permanently.

    Imports, corrections and accruals that take effect in a closed month are refused from then on.
    A mistake is corrected in an open month, by an adjustment that names the closed one. Payments
    are still posted on the day they were made.
    """
    with reporting():
        who, why = author(actor, reason)
        with opened_ledger() as store:
            closed = close_period(store, period, who, why, dry_run=dry_run)
    if json:
        print_json({"closed_through": closed, "dry_run": dry_run})
    else:
        out.print(f"{'would be closed' if dry_run else 'closed'} through {closed}")
