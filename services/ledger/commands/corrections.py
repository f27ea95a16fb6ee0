"""``saldo ledger adjust | reverse | write-off | proposals | approve | reject``: corrections.

Repeating a command has no effect: its id is derived from its content, or from --command-id where
the same correction is meant a second time.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from uuid import UUID

import msgspec
import typer

from services.ledger.commands.ledger_access import Number, opened_ledger
from services.ledger.corrections import (
    Approve,
    Correct,
    Reject,
    correct_within,
    preview,
    preview_approval,
    preview_rejection,
    proposals,
)
from services.ledger.corrections import approve as approve_proposal
from services.ledger.corrections import reject as reject_proposal
from services.ledger.domain.events import ServiceAmount
from services.ledger.domain.proposal import (
    OPEN,
    AdjustCharges,
    Correction,
    ReversePayment,
    WriteOffPenalty,
    as_json,
)
from services.terminal import (
    Actor,
    DryRun,
    Json,
    OptionalReason,
    Reason,
    author,
    day,
    new_table,
    out,
    print_json,
    reporting,
    roubles,
    show,
)
from shared import context
from shared.config import ConfigurationError
from shared.errors import Conflict, NotFound
from shared.eventstore.postgres import PostgresStore
from shared.ids import NAMESPACE, derived_id
from shared.money import Kopecks, parse_roubles

APPROVAL_OVER = "SALDO_LEDGER_APPROVAL_OVER"
DEFAULT_APPROVAL_OVER = "50000,00"

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

    Above the limit for one person (SALDO_LEDGER_APPROVAL_OVER, 50 000 roubles) it becomes a
    proposal that a second person approves. The exit code is 0 for both; --json has the state.
    """
    with reporting():
        lines = tuple(_service_amount(text) for text in service)
        correction = AdjustCharges(
            account=account, period=period, lines=lines, effective_on=day(on, "--on")
        )
        result = _correct(correction, actor, reason, command_id, approve, dry_run)
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
    with reporting():
        correction = ReversePayment(
            payment_id=payment_id,
            accounts=tuple(sorted(set(account or ()))),
            effective_on=day(on, "--on"),
        )
        result = _correct(correction, actor, reason, command_id, approve, dry_run)
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
    with reporting():
        correction = WriteOffPenalty(
            account=account, amount=parse_roubles(amount), effective_on=day(on, "--on")
        )
        result = _correct(correction, actor, reason, command_id, approve, dry_run)
    _print_result(result, json)


def list_proposals(
    all_: Annotated[bool, typer.Option("--all", help="Include decided ones.")] = False,
    json: Json = False,
) -> None:
    """List the corrections that await a second person's approval."""
    with reporting(), opened_ledger() as store:
        found = store.query(lambda session: proposals(session, None if all_ else OPEN))
    if json:
        print_json(found)
        return
    table = new_table(
        "Proposals", "Id", "State", "What", "Reason", "Proposed", "Decided", amounts=("Roubles",)
    )
    for row in found:
        table.add_row(
            str(row["proposal_id"]),
            row["state"],
            f"{row['correction']['type']} {', '.join(row['accounts'])}",
            row["reason"],
            f"{row['proposed_by']} {str(row['proposed_at'])[:16]}",
            f"{row['decided_by']} {str(row['decided_at'] or '')[:16]}",
            roubles(row["amount"]),
        )
    show(table)


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
    with reporting():
        who, note = author(actor, reason, optional=True)
        command = Approve(proposal_id=proposal_id, reason=note)
        with opened_ledger() as store:
            result = _approve(store, command, who, dry_run)
    _print_result(result, json)


def reject(
    proposal_id: Annotated[UUID, typer.Argument(help="The id of the proposal.")],
    reason: Reason,
    actor: Actor = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Reject a proposed correction, or withdraw your own."""
    with reporting():
        who, why = author(actor, reason)
        command = Reject(proposal_id=proposal_id, reason=why)
        with opened_ledger() as store:
            if dry_run:
                result = store.query(lambda session: preview_rejection(session, command, who))
            else:
                command_id = _id("reject", proposal_id, who, why)
                result = _execute(store, reject_proposal, command, who, command_id)
    _print_result(result, json)


def approval_limit(environ: Mapping[str, str] = os.environ) -> Kopecks:
    """Return the largest correction that one person may make alone, in kopecks; 0: none.

    Raises ConfigurationError when the setting is not an amount.
    """
    text = environ.get(APPROVAL_OVER) or DEFAULT_APPROVAL_OVER
    try:
        limit = parse_roubles(text)
    except ValueError:
        limit = -1
    if limit < 0:
        raise ConfigurationError(f"set {APPROVAL_OVER} to an amount in roubles, as 50000,00")
    return limit


def _correct(
    correction: Correction,
    actor: str | None,
    reason: str,
    command_id: str | None,
    approved: UUID | None,
    dry_run: bool,
) -> dict[str, Any]:
    (who, why), limit = author(actor, reason), approval_limit()
    command = Correct(
        correction_id=_correction_id(correction, why, command_id), correction=correction, reason=why
    )
    with opened_ledger() as store:
        if approved is not None:
            _check_same(store, approved, correction)
            return _approve(store, Approve(proposal_id=approved, reason=why), who, dry_run)
        if dry_run:
            return store.query(lambda session: preview(session, command, limit))
        result = _execute(store, correct_within(limit), command, who, command.correction_id)
        return result | _state_now(store, result)


def _approve(store: PostgresStore, command: Approve, who: str, dry_run: bool) -> dict[str, Any]:
    if dry_run:
        return store.query(lambda session: preview_approval(session, command.proposal_id, who))
    # The actor is part of the id: a second approver is refused instead of getting a repeat.
    command_id = _id("approve", command.proposal_id, who, command.reason)
    return _execute(store, approve_proposal, command, who, command_id)


def _execute(
    store: PostgresStore, handler: Any, command: Any, who: str, command_id: UUID
) -> dict[str, Any]:
    """Return the result; ``repeated``: it was executed before, and the result is of that time."""
    known = store.query(lambda session: store.kept_commands(session.cursor, [command_id]))
    with context.bind(actor=who, command_id=command_id):
        result: dict[str, Any] = store.execute(handler, command)
    return {**result, "repeated": bool(known)}


def _check_same(store: PostgresStore, proposal_id: UUID, correction: Correction) -> None:
    proposed = _row(store, proposal_id)["correction"]
    if proposed != as_json(correction):
        raise Conflict(
            "another_correction",
            "The proposal is for another correction; see `saldo ledger proposals`.",
        )


def _state_now(store: PostgresStore, result: Mapping[str, Any]) -> dict[str, Any]:
    """Return the state of a repeated proposal, which may have been decided since."""
    if result["state"] != "proposed":
        return {}
    return {"proposal": _row(store, UUID(result["correction_id"]))["state"]}


def _row(store: PostgresStore, proposal_id: UUID) -> dict[str, Any]:
    row = store.query(lambda session: session.read.proposal(proposal_id))
    if row is None:
        raise NotFound("proposal_not_found", "There is no such proposal.")
    return dict(row)


def _correction_id(correction: Correction, reason: str, given: str | None) -> UUID:
    if given is not None:
        return _id("correction", given)
    return _id("correction", msgspec.json.encode(correction).decode(), reason)


def _id(*parts: Any) -> UUID:
    return derived_id(NAMESPACE, "ledger", *map(str, parts))


def _service_amount(text: str) -> ServiceAmount:
    service, sign, amount = text.partition("=")
    if not service.strip() or not sign:
        raise ValueError(f"--service: {text!r}: write a service and an amount, as heating=-150,00")
    return ServiceAmount(service.strip(), parse_roubles(amount))


def _print_result(result: dict[str, Any], json: bool) -> None:
    if json:
        print_json(result)
        return
    sentence = {
        "done": "Done.",
        "approved": "Approved and done.",
        "rejected": "Rejected: nothing was changed.",
        "unchanged": "It was done before; nothing was changed.",
        "dry_run": f"Nothing was changed; it would be {result.get('would_be')}.",
        "proposed": "Proposed: above the limit for one person, so nothing was changed.",
    }[result["state"]]
    if result.get("proposal", OPEN) != OPEN:
        out.print(f"It was proposed before, and is {result['proposal']}.")
        return
    if result.get("repeated") and result["state"] == "done":
        sentence = (
            "It was done before, so nothing was changed; a new --command-id makes the same "
            "correction again."
        )
    out.print(f"{sentence} Amount: {roubles(result['amount'])}.", soft_wrap=True)
    if result["state"] == "proposed":
        approval = f"saldo ledger approve {result['correction_id']} --actor NAME"
        out.print(f"To approve it as a second person: {approval}", soft_wrap=True)
    _print_balances("Before", result.get("before", ()))
    _print_balances(_title(result), result["accounts"])


def _title(result: Mapping[str, Any]) -> str:
    if result.get("repeated"):
        return "At that time"
    return "Now" if result["state"] == "proposed" else "After"


def _print_balances(title: str, accounts: Sequence[Mapping[str, Any]]) -> None:
    if not accounts:
        return
    table = new_table(title, "Account", amounts=("Principal", "Penalty", "Advance"))
    for account in accounts:
        sums = (roubles(account[name]) for name in ("principal", "penalty", "advance"))
        table.add_row(account["number"], *sums)
    show(table)
