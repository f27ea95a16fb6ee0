"""``saldo payments list | show | stuck``: what there is, and what does not go on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any
from uuid import UUID

import typer

from services.language import text
from services.payments.commands.words import show_facts, state_name, trouble_name
from services.staff_calls import calls_to
from services.terminal import (
    DIFFERENCE,
    Json,
    day,
    minute,
    new_table,
    out,
    print_json,
    reporting,
    roubles,
    show,
)

PaymentId = Annotated[UUID, typer.Argument(metavar="ID", help="The id of the payment.")]
Limit = Annotated[int, typer.Option(min=1, max=1_000, help="Show at most so many.")]


def list_payments(
    state: Annotated[
        str | None, typer.Option(help="Only in this state, as mismatch or captured.")
    ] = None,
    account: Annotated[str | None, typer.Option(help="Only with this account.")] = None,
    on: Annotated[
        str | None, typer.Option("--day", help="Only charged on this day, or started then.")
    ] = None,
    limit: Limit = 50,
    json: Json = False,
) -> None:
    """List payments of the cabinet, the newest first; the payers are not shown."""
    with reporting(), calls_to("payments") as payments:
        found = payments.ask(
            "list_payments", state=state, account=account, day=_day(on), limit=limit
        )
    if json:
        print_json(found)
        return
    table = new_table(
        text("Payments"),
        text("Payment"),
        text("State"),
        text("For accounts"),
        text("Started (UTC)"),
        text("Paid on"),
        amounts=(text("Roubles"), text("Went back")),
    )
    for row in found["payments"]:
        table.add_row(
            row["payment_id"],
            state_name(row["state"]),
            ", ".join(row["accounts"]),
            minute(row["created_at"]),
            row["paid_on"] or "",
            roubles(row["total"]),
            roubles(row["refunded"] or None),
        )
    show(table)
    if found["next"] is not None:
        out.print(text("There are more; --limit, a day or a state narrows it down."))


def show_payment(payment_id: PaymentId, json: Json = False) -> None:
    """Show one payment: accounts, orders at the bank, polls, refunds, and its history."""
    with reporting(), calls_to("payments") as payments:
        found = payments.ask("show_payment", payment_id=payment_id)
    if json:
        print_json(found)
        return
    show_facts(found["payment_id"], _facts(found))
    lines = new_table(
        text("For accounts"),
        text("Account"),
        text("Position in the ledger"),
        text("Moved to"),
        amounts=(text("Sum"), text("Penalty"), text("Went back")),
    )
    for line in found["lines"]:
        lines.add_row(
            line["account"],
            str(line["ledger_position"] or ""),
            line["moved_to"] or "",
            roubles(line["amount"]),
            roubles(line["penalty"]),
            roubles(line["refunded"] or None),
        )
    show(lines)
    _show_refunds(found["refunds"])
    history = new_table(text("History"), text("At (UTC)"), text("Event"), text("Who"))
    for event in found["history"]:
        history.add_row(minute(event["at"]), event["event"], event["actor"])
    show(history)


def _facts(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield text("State"), state_name(found["state"])
    yield text("Roubles"), roubles(found["total"])
    if found["charged"] not in (None, found["total"]):
        yield text("Charged by the bank"), roubles(found["charged"])
    if found["refunded"]:
        yield text("Went back"), roubles(found["refunded"])
    yield text("Started (UTC)"), minute(found["created_at"])
    if found["captured_at"]:
        yield text("Charged (UTC)"), minute(found["captured_at"])
        yield text("Paid on"), found["paid_on"]
    if found["masked_card"]:
        yield text("Card"), found["masked_card"]
    if found["failure"]:
        yield text("Failure"), found["failure"]
    for order in found["orders"]:
        lost = f" ({text('no page of it was seen')})" if order["lost"] else ""
        bank = " ".join(filter(None, (order["acquirer"], order["order_id"])))
        yield text("Order"), f"{order['order_number']}{lost}\n{bank}"
    if poll := found["poll"]:
        next_ = minute(poll["due_at"]) or text("the bank is not asked any more")
        yield text("Last answer"), poll["outcome"]
        yield text("Next poll (UTC)"), next_


def _show_refunds(refunds: list[dict[str, Any]]) -> None:
    for refund in refunds:
        show_facts(refund["refund_id"], refund_facts(refund))


def refund_facts(refund: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what is known of a refund."""
    yield text("Refund"), state_name(refund["state"])
    yield text("Payment"), refund["payment_id"]
    yield text("Roubles"), roubles(refund["total"])
    for line in refund["lines"]:
        yield f"- {line['account']}", roubles(line["amount"])
    if refund["cause"] == "bank":
        yield text("Cause"), text("the bank returned it by itself")
    if refund["reason"]:
        yield text("Reason"), refund["reason"]
    if refund["by"]:
        yield text("Proposed by") if refund["decided_by"] else text("Who"), refund["by"]
    if refund["decided_by"]:
        yield text("Decided"), refund["decided_by"]
    yield text("Asked for (UTC)"), minute(refund["requested_at"])
    if refund["returned_at"]:
        yield text("Went back (UTC)"), minute(refund["returned_at"])
    if refund["refusal"]:
        yield text("Refused because"), refund["refusal"]
    if refund["posted"]:
        yield text("Posted in the ledger"), ", ".join(refund["posted"])


def stuck(limit: Limit = 100, json: Json = False) -> None:
    """Show what does not go on by itself, since when, and the command that settles it.

    Exit code 0: nothing; 1: there is something.
    """
    with reporting(), calls_to("payments") as payments:
        found = payments.ask("stuck", limit=limit)["stuck"]
    if json:
        print_json(found)
    elif not found:
        out.print(text("Nothing is stuck."))
    for row in () if json else found:
        facts = [
            (text("What"), trouble_name(row["what"])),
            (text("Since (UTC)"), minute(row["since"])),
            (text("Roubles"), roubles(row["amount"])),
        ]
        show_facts(row["payment_id"], facts)
        out.print(row["command"], soft_wrap=True)
    if found:
        raise typer.Exit(DIFFERENCE)


def _day(given: str | None) -> str | None:
    found = day(given, "--day")
    return found.isoformat() if found else None
