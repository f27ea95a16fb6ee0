"""``saldo ledger close``: a month whose figures are reported is closed."""

from __future__ import annotations

from typing import Annotated

import typer

from services.ledger.commands.printing import (
    Actor,
    DryRun,
    Json,
    Reason,
    author,
    opened_store,
    out,
    print_json,
    reporting,
)
from services.ledger.tables.closed_periods import close_period


def close(
    period: Annotated[str, typer.Argument(help="The month, as 2026-03.")],
    actor: Actor,
    reason: Reason,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Close a month and all before it, for good.

    Imports, corrections and accruals that would take effect in a closed month are refused then;
    what turns out wrong is corrected in the open month, by an adjustment that names the closed
    one. Payments are posted on the day on which they were made all the same.
    """
    with reporting():
        who, why = author(actor, reason)
        with opened_store() as store:
            closed = close_period(store, period, who, why, dry_run=dry_run)
    if json:
        print_json({"closed_through": closed, "dry_run": dry_run})
    else:
        out.print(f"{'would be closed' if dry_run else 'closed'} through {closed}")
