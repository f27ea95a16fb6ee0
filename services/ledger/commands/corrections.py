"""``saldo ledger adjust | reverse | move-payment | write-off | approve | reject``: corrections.

The ledger makes them: a verb calls it by RPC, under the broker's user of whoever runs it. Repeating
a command has no effect: its id is derived from its content, or from --command-id where the same
correction is meant a second time.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any
from uuid import UUID

import typer

from services.language import text
from services.ledger.commands.changes import show_changes, show_sums
from services.ledger.commands.ledger_access import Number, ledger_log
from services.ledger.commands.proposals import state_name
from services.ledger.domain.events import ServiceAmount
from services.ledger.domain.proposal import (
    OPEN,
    AdjustCharges,
    Correction,
    MovePayment,
    ReversePayment,
    WriteOffPenalty,
    as_json,
)
from services.staff_calls import StaffCalls, calls_to
from services.terminal import (
    Actor,
    DryRun,
    Json,
    OptionalReason,
    Reason,
    day,
    money,
    out,
    print_json,
    recorded_reason,
    reporting,
    roubles,
)
from shared.config import ConfigurationError
from shared.errors import Conflict

APPROVAL_OVER = "SALDO_LEDGER_APPROVAL_OVER"

On = Annotated[str | None, typer.Option(help="The day it takes effect; today when left out.")]
CommandId = Annotated[
    str | None,
    typer.Option(help="Any text that identifies this correction, to make the same one again."),
]
ApproveId = Annotated[
    UUID | None,
    typer.Option("--approve", help="Approve this proposal, if it is the same correction."),
]


def adjust(
    account: Number,
    period: Annotated[str, typer.Option(help="The month of the bill, as 2026-10.")],
    service: Annotated[
        list[str], typer.Option(help="A service and an amount, heating=-150,00; repeatable.")
    ],
    reason: Reason,
    actor: Actor = None,
    on: On = None,
    command_id: CommandId = None,
    approve: ApproveId = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Recalculate a bill («перерасчёт»): a positive amount adds to the debt, a negative reduces it.

    What is more than you may still move alone today becomes a proposal that a second person
    approves. The exit code is 0 for both; --json has the state.
    """
    with _ledger(actor) as ledger:
        lines = tuple(_service_amount(line) for line in service)
        correction = AdjustCharges(
            account=account, period=period, lines=lines, effective_on=day(on, "--on")
        )
        result = _correct(ledger, "adjust", correction, reason, command_id, approve, dry_run)
    _print_result(result, json)


def reverse(
    payment_id: Annotated[UUID, typer.Argument(help="The id of the payment.")],
    reason: Reason,
    actor: Actor = None,
    account: Annotated[
        list[str] | None,
        typer.Option(help="Only in this account; repeatable; all when left out."),
    ] = None,
    on: On = None,
    command_id: CommandId = None,
    approve: ApproveId = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Reverse a payment: the debts that it paid are open again."""
    with _ledger(actor) as ledger:
        correction = ReversePayment(
            payment_id=payment_id,
            accounts=tuple(sorted(set(account or ()))),
            effective_on=day(on, "--on"),
        )
        result = _correct(ledger, "reverse", correction, reason, command_id, approve, dry_run)
    _print_result(result, json)


def move_payment(
    payment_id: Annotated[UUID, typer.Argument(help="The id of the payment.")],
    from_: Annotated[str, typer.Option("--from", help="The account that it was made to.")],
    to: Annotated[str, typer.Option("--to", help="The account that it was meant for.")],
    reason: Reason,
    actor: Actor = None,
    on: On = None,
    command_id: CommandId = None,
    approve: ApproveId = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Move a payment that was made to the wrong account: it keeps its id, its sum and its day.

    What it paid there is owed again, as if never paid; here it pays as if it had come at once.
    --on is the day on which it is undone there.
    """
    with _ledger(actor) as ledger:
        correction = MovePayment(
            payment_id=payment_id, account=from_, to_account=to, effective_on=day(on, "--on")
        )
        result = _correct(ledger, "move_payment", correction, reason, command_id, approve, dry_run)
    _print_result(result, json)


def write_off(
    account: Number,
    amount: Annotated[str, typer.Option(help="The amount in roubles, as 119,63.")],
    reason: Reason,
    actor: Actor = None,
    on: On = None,
    command_id: CommandId = None,
    approve: ApproveId = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Write off a penalty or a part of it."""
    with _ledger(actor) as ledger:
        correction = WriteOffPenalty(
            account=account, amount=money(amount, "--amount"), effective_on=day(on, "--on")
        )
        result = _correct(ledger, "write_off", correction, reason, command_id, approve, dry_run)
    _print_result(result, json)


def approve(
    proposal_id: Annotated[UUID, typer.Argument(help="The id of the proposal.")],
    actor: Actor = None,
    reason: OptionalReason = "",
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Approve a correction that somebody else has proposed, and make it.

    A reason is recorded beside that of the proposal.
    """
    with _ledger(actor) as ledger:
        result = ledger.command(
            "approve", proposal_id=proposal_id, reason=_optional(reason), dry_run=dry_run
        )
    _print_result(result, json)


def reject(
    proposal_id: Annotated[UUID, typer.Argument(help="The id of the proposal.")],
    reason: Reason,
    actor: Actor = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Reject a proposed correction, or withdraw your own."""
    with _ledger(actor) as ledger:
        result = ledger.command(
            "reject", proposal_id=proposal_id, reason=recorded_reason(reason), dry_run=dry_run
        )
    _print_result(result, json)


@contextmanager
def _ledger(actor: str | None) -> Iterator[StaffCalls]:
    """Yield the ledger's RPCs; report what is refused."""
    with reporting():
        _refuse_old_limit(os.environ)
        with calls_to(ledger_log(), actor) as ledger:
            yield ledger


def _refuse_old_limit(environ: Mapping[str, str]) -> None:
    """Raise ConfigurationError where the terminal still has a limit of its own."""
    if environ.get(APPROVAL_OVER):
        raise ConfigurationError(
            text(
                "{name} has no meaning any more: limits are the ledger's, for each person. Unset "
                "it; an administrator sets a limit by `saldo staff may NAME adjust --up-to "
                "50000,00`.",
                name=APPROVAL_OVER,
            )
        )


def _correct(
    ledger: StaffCalls,
    method: str,
    correction: Correction,
    reason: str,
    command_id: str | None,
    approved: UUID | None,
    dry_run: bool,
) -> dict[str, Any]:
    why = recorded_reason(reason)
    if approved is not None:
        _check_same(ledger, approved, correction)
        result = ledger.command("approve", proposal_id=approved, reason=why, dry_run=dry_run)
    else:
        # The tag says which correction it is, as the method does.
        content = {name: v for name, v in as_json(correction).items() if name != "type"}
        result = ledger.command(method, **content, reason=why, key=command_id, dry_run=dry_run)
    return dict(result)


def _check_same(ledger: StaffCalls, proposal_id: UUID, correction: Correction) -> None:
    if ledger.ask("proposal", proposal_id=proposal_id)["correction"] != as_json(correction):
        raise Conflict(
            "another_correction",
            text("The proposal is for another correction; see `saldo ledger proposals`."),
        )


def _optional(reason: str) -> str:
    return recorded_reason(reason) if reason else ""


def _service_amount(line: str) -> ServiceAmount:
    service, sign, amount = line.partition("=")
    if not service.strip() or not sign:
        raise ValueError(
            text(
                "--service: {line!r}: write a service and an amount, as heating=-150,00",
                line=line,
            )
        )
    return ServiceAmount(service.strip(), money(amount, "--service"))


def _print_result(result: dict[str, Any], json: bool) -> None:
    if json:
        print_json(result)
        return
    if result.get("proposal", OPEN) != OPEN:
        sentence = text(
            "It was proposed before, and is {state}; a new --command-id makes the same correction "
            "again.",
            state=state_name(result["proposal"]),
        )
        out.print(sentence, soft_wrap=True)
        return
    amount = text("Amount: {amount}.", amount=roubles(result["amount"]))
    out.print(f"{_outcome(result)} {amount}", soft_wrap=True)
    if result["state"] == "proposed":
        approval = f"saldo ledger approve {result['correction_id']}"
        out.print(text("A second person approves it by: {verb}", verb=approval), soft_wrap=True)
    if result.get("difference"):
        show_changes(_title(result), result)
    else:
        show_sums(_title(result), result["accounts"])


def _outcome(result: Mapping[str, Any]) -> str:
    state = result["state"]
    if state == "dry_run":
        return _would_be(result["would_be"])
    repeated = {
        "done": text(
            "It was done before, so nothing was changed; a new --command-id makes the same "
            "correction again."
        ),
        "approved": text("It was approved before; nothing was changed."),
        "rejected": text("It was rejected before; nothing was changed."),
    }
    if result.get("repeated") and state in repeated:
        return repeated[state]
    return {
        "done": text("Done."),
        "approved": text("Approved and done."),
        "rejected": text("Rejected: nothing was changed."),
        "unchanged": text("It was done before; nothing was changed."),
        "proposed": text("Proposed: more than you may move alone today, so nothing was changed."),
    }[state]


def _would_be(state: str) -> str:
    return {
        "done": text("Nothing was changed; it would be done."),
        "proposed": text("Nothing was changed; it would be proposed."),
        "unchanged": text("Nothing was changed; it was done before."),
        "rejected": text("Nothing was changed; it would be rejected."),
    }[state]


def _title(result: Mapping[str, Any]) -> str:
    if result.get("repeated"):
        return text("At that time")
    if result["state"] == "dry_run":
        return (
            text("Once approved") if result["would_be"] == "proposed" else text("What it changes")
        )
    return text("Now") if result["state"] == "proposed" else text("After")
