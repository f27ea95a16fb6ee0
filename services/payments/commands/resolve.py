"""``saldo payments resolve``: ask the bank again, return a charge, or credit it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from services.language import text
from services.payments.commands.payments import PaymentId
from services.payments.commands.refunds import Accounts, Amounts, refund_lines
from services.payments.commands.words import show_facts, state_name
from services.staff_calls import calls_to
from services.terminal import (
    Actor,
    DryRun,
    Json,
    Reason,
    money,
    print_json,
    recorded_reason,
    reporting,
    roubles,
)

DEADLINE_S = 40.0
"""The bank is asked, twice for a poll, and may take its time."""


def resolve(
    payment_id: PaymentId,
    reason: Reason,
    poll: Annotated[bool, typer.Option("--poll", help="Ask the bank again now.")] = False,
    return_: Annotated[
        bool, typer.Option("--return", help="Return a charge of another sum to the card.")
    ] = False,
    credit: Annotated[
        bool, typer.Option("--credit", help="Credit the charge: to the accounts and sums named.")
    ] = False,
    account: Accounts = None,
    amount: Amounts = None,
    penalty: Annotated[
        list[str] | None,
        typer.Option(help="Of penalties, for the account in the same place; none when left out."),
    ] = None,
    actor: Actor = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Settle a payment that is stuck, or whose charge is another sum than was ordered."""
    with reporting():
        how = _how(poll, return_, credit)
        lines = _credited(account, amount, penalty)
        if bool(lines) != credit:
            raise ValueError(text("--credit takes accounts with sums; nothing else does"))
        why = recorded_reason(reason)
        with calls_to("payments", actor) as payments:
            result = payments.command(
                "resolve",
                deadline=DEADLINE_S,
                payment_id=payment_id,
                how=how,
                lines=lines,
                reason=why,
                dry_run=dry_run,
            )
    if json:
        print_json(result)
    else:
        _show(result)


def _how(poll: bool, return_: bool, credit: bool) -> str:
    wanted = [
        how for how, given in (("poll", poll), ("return", return_), ("credit", credit)) if given
    ]
    if len(wanted) != 1:
        raise ValueError(text("give one of --poll, --return and --credit"))
    return wanted[0]


def _credited(
    account: Sequence[str] | None, amount: Sequence[str] | None, penalty: Sequence[str] | None
) -> list[dict[str, Any]]:
    lines = refund_lines(account, amount)
    if penalty and len(penalty) != len(lines):
        raise ValueError(text("give a --penalty for each --account, or none"))
    for line, sum_ in zip(lines, penalty or (), strict=False):
        line["penalty"] = money(sum_, "--penalty")
    return lines


def _show(result: Mapping[str, Any]) -> None:
    facts = [
        (text("Before"), state_name(result["before"])),
        (text("Now"), state_name(result["state"])),
        (text("The bank says"), result["bank"] or text("it has no such order")),
        (text("Charged by the bank"), roubles(result["charged"])),
    ]
    if result["returned"]:
        facts.append((text("Went back"), roubles(result["returned"])))
    title = text("Nothing was changed") if result["dry_run"] else text("Resolved")
    show_facts(f"{title}: {result['payment_id']}", facts)
