"""``saldo payments refund | refunds | approve-refund | reject-refund``: money goes back.

The service decides it by the permission and the limit of whoever asks, and its worker makes it.
Repeating a command has no effect; --command-id makes the same refund again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from uuid import UUID

import typer

from services.language import text
from services.payments.commands.payments import Limit, PaymentId, refund_facts
from services.payments.commands.words import show_facts, state_name
from services.staff_calls import calls_to
from services.terminal import (
    Actor,
    DryRun,
    Json,
    OptionalReason,
    Reason,
    money,
    new_table,
    out,
    print_json,
    recorded_reason,
    reporting,
    roubles,
    show,
)

RefundId = Annotated[UUID, typer.Argument(metavar="ID", help="The id of the refund.")]
Accounts = Annotated[
    list[str] | None, typer.Option("--account", help="An account; repeatable, with its sum.")
]
Amounts = Annotated[
    list[str] | None,
    typer.Option("--amount", help="The sum in roubles for the account in the same place."),
]


def refund(
    payment_id: PaymentId,
    reason: Reason,
    account: Accounts = None,
    amount: Amounts = None,
    advance: Annotated[
        bool, typer.Option("--advance", help="Only what of it lies in the ledger as an advance.")
    ] = False,
    command_id: Annotated[
        str | None,
        typer.Option(help="Any text that identifies this refund, to make the same one again."),
    ] = None,
    actor: Actor = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Give money of a payment back to the card: all that is left, or sums of some accounts.

    More than you may give back alone today becomes a proposal that a second person approves. The
    exit code is 0 for both; --json has the state.
    """
    with reporting():
        why, lines = recorded_reason(reason), refund_lines(account, amount)
        if advance and lines:
            raise ValueError(text("give --advance, or accounts with sums"))
        if advance:
            lines = _advance_of(payment_id, actor)
        with calls_to("payments", None if advance else actor) as payments:
            result = payments.command(
                "refund",
                payment_id=payment_id,
                lines=lines,
                reason=why,
                key=command_id,
                dry_run=dry_run,
            )
    _print_result(result, json)


def list_refunds(
    state: Annotated[
        str | None,
        typer.Option(help="proposed, requested, made, refused, rejected; all when left out."),
    ] = None,
    limit: Limit = 50,
    json: Json = False,
) -> None:
    """List refunds, the newest first: those that await a second person by --state proposed."""
    with reporting(), calls_to("payments") as payments:
        found = payments.ask("refunds", state=state, limit=limit)["refunds"]
    if json:
        print_json(found)
        return
    for row in found:
        show_facts(row["refund_id"], refund_facts(row))
    if not found:
        out.print(text("There are no refunds."))


def approve_refund(
    refund_id: RefundId,
    reason: OptionalReason = "",
    actor: Actor = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Approve a refund that somebody else has proposed; it is then made."""
    with reporting():
        why = recorded_reason(reason) if reason else ""
        with calls_to("payments", actor) as payments:
            result = payments.command(
                "approve_refund", refund_id=refund_id, reason=why, dry_run=dry_run
            )
    _print_result(result, json)


def reject_refund(
    refund_id: RefundId,
    reason: Reason,
    actor: Actor = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Reject a proposed refund, or withdraw your own."""
    with reporting():
        why = recorded_reason(reason)
        with calls_to("payments", actor) as payments:
            result = payments.command(
                "reject_refund", refund_id=refund_id, reason=why, dry_run=dry_run
            )
    _print_result(result, json)


def refund_lines(
    accounts: Sequence[str] | None, amounts: Sequence[str] | None
) -> list[dict[str, Any]]:
    """Return accounts with their sums; raises ValueError where they do not pair."""
    accounts, amounts = accounts or (), amounts or ()
    if len(accounts) != len(amounts):
        raise ValueError(text("give an --amount for each --account"))
    return [
        {"account": one, "amount": money(sum_, "--amount")}
        for one, sum_ in zip(accounts, amounts, strict=True)
    ]


def _advance_of(payment_id: UUID, actor: str | None) -> list[dict[str, Any]]:
    """Return what of a payment the ledger has as an advance; raises ValueError for nothing."""
    with calls_to("ledger", actor) as ledger:
        found = ledger.ask("refundable", payment_id=payment_id)["accounts"]
    lines = [
        {"account": one["account"], "amount": one["advance"]} for one in found if one["advance"]
    ]
    if not lines:
        raise ValueError(text("nothing of this payment lies as an advance"))
    return lines


def _print_result(result: Mapping[str, Any], json: bool) -> None:
    if json:
        print_json(result)
        return
    out.print(_outcome(result), soft_wrap=True)
    if result["state"] == "proposed":
        approval = f"saldo payments approve-refund {result['refund_id']}"
        out.print(text("A second person approves it by: {verb}", verb=approval), soft_wrap=True)
    table = new_table(text("What goes back"), text("Account"), amounts=(text("Roubles"),))
    for line in result["lines"]:
        table.add_row(line["account"], roubles(line["amount"]))
    show(table)


def _outcome(result: Mapping[str, Any]) -> str:
    amount = text("Amount: {amount}.", amount=roubles(result["total"]))
    if result.get("repeated"):
        known = text(
            "It was asked for before, and is: {state}; a new --command-id makes the same refund "
            "again.",
            state=state_name(result["refund"] or ""),
        )
        return f"{known} {amount}"
    state = result["state"]
    if state == "dry_run":
        would_be = {
            "requested": text("Nothing was changed; it would be made."),
            "proposed": text("Nothing was changed; it would be proposed."),
            "approved": text("Nothing was changed; it would be made."),
            "rejected": text("Nothing was changed; it would be rejected."),
        }
        return f"{would_be[result['would_be']]} {amount}"
    sentence = {
        "requested": text("The refund is being made."),
        "proposed": text("Proposed: more than you may move alone today, so nothing was changed."),
        "approved": text("Approved: the refund is being made."),
        "rejected": text("Rejected: nothing was changed."),
    }[state]
    return f"{sentence} {amount}"
