"""``saldo payments fiscal`` and ``fiscal-retry``: fiscal receipts that are not registered."""

from __future__ import annotations

from typing import Annotated

import typer

from services.language import text
from services.staff_calls import calls_to
from services.terminal import (
    Actor,
    DryRun,
    Json,
    Reason,
    new_table,
    out,
    print_json,
    reporting,
    roubles,
    show,
)


def fiscal(
    *,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="List at most so many.")] = 100,
    json: Json = False,
) -> None:
    """List the fiscal receipts that the cash register has not registered, the oldest first.

    One that is requested is tried again by itself; one that is refused waits for fiscal-retry.
    """
    with reporting(), calls_to("payments") as payments:
        listed = payments.ask("open_fiscal_receipts", limit=limit)
    if json:
        print_json(listed)
        return
    table = new_table(
        text("Fiscal receipts"),
        text("Receipt"),
        text("Payment"),
        text("Kind of receipt"),
        text("State"),
        text("Roubles"),
        text("Tries"),
        text("Reason"),
    )
    for one in listed["receipts"]:
        table.add_row(
            one["receipt_id"],
            one["payment_id"],
            one["kind"],
            one["state"],
            roubles(one["total"]),
            str(one["tries"]),
            one["reason"] or "",
        )
    show(table)


def fiscal_retry(
    receipt: Annotated[str, typer.Argument(metavar="RECEIPT", help="The id of the receipt.")],
    *,
    reason: Reason,
    actor: Actor = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Have a fiscal receipt that was refused sent again, once its cause is mended."""
    with reporting(), calls_to("payments", actor) as payments:
        done = payments.command(
            "retry_fiscal_receipt", receipt_id=receipt, reason=reason, dry_run=dry_run
        )
    if json:
        print_json(done)
    else:
        out.print(text("The receipt {receipt} is sent again.", receipt=done["receipt_id"]))
