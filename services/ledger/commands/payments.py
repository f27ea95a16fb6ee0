"""``saldo ledger pay | find-payment``: payments that staff take, and payments found again.

The ledger posts a payment by RPC, under the broker's user of whoever took it. Its id is derived
from what was entered, so that it is posted once, however often the command is repeated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Annotated, Any

import typer

from services.language import text
from services.ledger.commands.changes import show_changes, show_sums
from services.ledger.commands.facts import show_facts
from services.ledger.commands.ledger_access import Number, ledger_log, read_or_ask
from services.ledger.commands.periods import month
from services.ledger.reports.payments import Sought, find_payments
from services.ledger.tenures import named_key
from services.staff_calls import calls_to
from services.terminal import (
    Actor,
    DryRun,
    Json,
    Reason,
    day,
    money,
    new_table,
    out,
    print_json,
    recorded_reason,
    reporting,
    roubles,
    show,
)
from shared.eventstore import Session


class Place(StrEnum):
    """Where a payment was taken."""

    CASH_DESK = "cash-desk"
    BANK = "bank"


def pay(
    account: Number,
    amount: Annotated[str, typer.Option(help="What is paid for services, as 4500,00.")],
    reason: Reason,
    actor: Actor = None,
    penalty: Annotated[str, typer.Option(help="What is paid of the penalty.")] = "0",
    on: Annotated[
        str | None, typer.Option(help="The day it was paid; today when left out.")
    ] = None,
    period: Annotated[
        str | None, typer.Option(help="A month to pay before all others, as 2026-10.")
    ] = None,
    at: Annotated[Place, typer.Option(help="Where it was taken.")] = Place.CASH_DESK,
    document: Annotated[
        str, typer.Option(help="The number of its cash order or bank document.")
    ] = "",
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Post a payment that was taken at a cash desk or in a bank.

    The same payment is posted once: the same document of a day, or without one the same sums of
    a day. The numbers of their documents tell two equal payments apart. What is more than you may
    still post today is refused.
    """
    with reporting():
        asked: dict[str, Any] = {
            "account": account,
            "amount": money(amount, "--amount"),
            "penalty": money(penalty, "--penalty"),
            "period": period,
            "paid_on": day(on, "--on"),
            "place": at.value.replace("-", "_"),
            "document": document.strip(),
            "reason": recorded_reason(reason),
            "dry_run": dry_run,
        }
        with calls_to(ledger_log(), actor) as ledger:
            result = ledger.command("take_payment", **asked)
    if json:
        print_json(result)
        return
    out.print(_outcome(result), soft_wrap=True)
    out.print(text("Payment: {payment_id}", payment_id=result["payment_id"]), soft_wrap=True)
    if "difference" in result:
        show_changes(text("What it changes"), result)
    else:
        show_sums(text("After"), result["accounts"])
    _show_allocation(result["allocation"])


def _outcome(result: Mapping[str, Any]) -> str:
    if result["reversed"]:
        return text(
            "It was posted before, and is reversed; the number of another document posts it again."
        )
    if result["repeated"]:
        return text(
            "It was posted before; nothing was changed. The number of its document tells another "
            "payment of the same sum apart."
        )
    sums = {
        "amount": roubles(result["amount"]),
        "penalty": roubles(result["penalty"]),
        "on": result["paid_on"],
    }
    if result["state"] == "dry_run":
        return text(
            "Nothing was changed; it would be posted: {amount}, of penalty {penalty}, on {on}.",
            **sums,
        )
    return text("Posted: {amount}, of penalty {penalty}, on {on}.", **sums)


def _show_allocation(parts: list[dict[str, Any]]) -> None:
    if not parts:
        return
    table = new_table(
        text("What it pays"), text("Month"), text("Service"), amounts=(text("Roubles"),)
    )
    for part in parts:
        table.add_row(month(part["period"]), part["service"], roubles(part["amount"]))
    show(table)


def find_payment(
    part: Annotated[
        str, typer.Argument(metavar="ID", help="The id of a payment, or a part of it.")
    ] = "",
    account: Annotated[str | None, typer.Option(help="The account it was posted to.")] = None,
    on: Annotated[str | None, typer.Option(help="The day it was paid.")] = None,
    amount: Annotated[
        str | None, typer.Option(help="Its sum, with the penalty or without, as 4500,00.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="Show the newest so many.")] = 50,
    json: Json = False,
) -> None:
    """Find payments by id, account, day or sum, newest first: what they paid, what went back."""
    with reporting():
        sought: dict[str, Any] = {
            "part": part.strip().lower(),
            "account": account,
            "paid_on": day(on, "--on"),
            "amount": None if amount is None else money(amount, "--amount"),
        }
        found = read_or_ask(
            lambda session: find_payments(session, _named(session, sought), limit),
            "find_payments",
            **sought,
            limit=limit,
        )
    if json:
        print_json(found)
        return
    for payment in found["payments"]:
        show_facts(payment["payment_id"], _facts(payment))
    if not found["payments"]:
        out.print(text("No payment fits."))
    if found["more"]:
        out.print(text("There are more; --limit, a day or a sum narrows it down."), soft_wrap=True)


def _named(session: Session, sought: Mapping[str, Any]) -> Sought:
    account = sought["account"]
    return Sought(**{**sought, "account": account and named_key(session, account)})


def _facts(payment: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield text("Account"), payment["account"]
    yield text("Paid on"), payment["paid_on"]
    yield text("Sum"), roubles(payment["amount"])
    yield text("Penalty"), roubles(payment["penalty"])
    for part in payment["allocation"]:
        yield f"- {month(part['period'])}, {part['service']}", roubles(part["amount"])
    if payment["penalty_allocated"]:
        yield f"- {text('penalty')}", roubles(payment["penalty_allocated"])
    if payment["advance"]:
        yield f"- {text('advance')}", roubles(payment["advance"])
    yield text("Taken"), _place_name(payment)
    if payment["reason"]:
        yield text("Reason"), payment["reason"]
    recorded = text(
        "{at}, position {position}",
        at=payment["recorded_at"][:19].replace("T", " "),
        position=payment["position"],
    )
    yield text("Recorded"), recorded
    yield text("Who"), payment["actor"]
    if payment["moved_from"]:
        yield text("Moved from account"), payment["moved_from"]
    for refund in payment["refunds"]:
        yield text("Refunded"), f"{refund['effective_on']}: {roubles(refund['amount'])}"
    if reversal := payment["reversed"]:
        if reversal["moved_to"]:
            yield text("Moved to account"), reversal["moved_to"]
        yield text("Reversed"), f"{reversal['effective_on']}: {reversal['reason']}"
        yield text("Reversed by"), reversal["actor"]


def _place_name(payment: Mapping[str, Any]) -> str:
    """Return where a payment was taken, and its document."""
    places = {
        "cash_desk": text("at a cash desk"),
        "bank": text("in a bank"),
        None: text("by the acquirer"),
    }
    document = f", № {payment['document']}" if payment["document"] else ""
    return places[payment["place"]] + document
