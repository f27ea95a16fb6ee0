"""``saldo ledger close``: close a month whose figures have been reported."""

from __future__ import annotations

from typing import Annotated

import typer

from services.language import text
from services.ledger.commands.ledger_access import ledger_log
from services.staff_calls import calls_to
from services.terminal import Actor, DryRun, Json, Reason, out, print_json, reporting

DEADLINE_S = 75.0
"""The closing waits up to a minute for whoever writes: a chunk of an import, a correction."""


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
    with reporting(), calls_to(ledger_log(), actor) as ledger:
        closed = ledger.command(
            "close", period=period, reason=reason, dry_run=dry_run, deadline=DEADLINE_S
        )
    if json:
        print_json(closed)
    else:
        day = closed["closed_through"]
        out.print(
            text("would be closed through {day}", day=day)
            if dry_run
            else text("closed through {day}", day=day)
        )
