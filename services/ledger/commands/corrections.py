"""``saldo ledger adjust | reverse | write-off | proposals | approve | reject``: corrections.

Every one names an actor and a reason, and happens once however often it is said: its id is
derived from what it says, or from --command-id where the same is meant a second time.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from uuid import UUID

import msgspec
import typer

from services.ledger.commands.printing import (
    Actor,
    DryRun,
    Json,
    Number,
    Reason,
    author,
    day,
    new_table,
    opened_store,
    out,
    print_json,
    reporting,
    roubles,
    show,
)
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
    typer.Option(help="Any words that name this correction, to make the same one once more."),
]
ApproveId = Annotated[
    UUID | None,
    typer.Option("--approve", help="Approve this proposal, if it is the same correction."),
]


def adjust(
    account: Number,
    period: Annotated[str, typer.Option(help="The month of the bill, as 2026-10.")],
    service: Annotated[
        list[str], typer.Option(help="A service and a sum, heating=-150,00; may be repeated.")
    ],
    reason: Reason,
    actor: Actor,
    on: On = None,
    command_id: CommandId = None,
    approve: ApproveId = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Recalculate a bill («перерасчёт»): positive is owed in addition, negative taken off.

    Above the limit of one person (SALDO_LEDGER_APPROVAL_OVER, 50 000 roubles) it becomes a
    proposal, which a second one approves; the exit code is 0 for both, --json tells the state.
    """
    with reporting():
        lines = tuple(_service_amount(text) for text in service)
        correction = AdjustCharges(
            account=account, period=period, lines=lines, effective_on=day(on, "--on")
        )
        answer = _correct(correction, actor, reason, command_id, approve, dry_run)
    _print_answer(answer, json)


def reverse(
    payment_id: Annotated[UUID, typer.Argument(help="The id of the payment.")],
    reason: Reason,
    actor: Actor,
    account: Annotated[
        list[str] | None,
        typer.Option(help="Only in this account; may be repeated; all when left out."),
    ] = None,
    on: On = None,
    command_id: CommandId = None,
    approve: ApproveId = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Undo a payment exactly: what it settled is owed again."""
    with reporting():
        correction = ReversePayment(
            payment_id=payment_id,
            accounts=tuple(sorted(set(account or ()))),
            effective_on=day(on, "--on"),
        )
        answer = _correct(correction, actor, reason, command_id, approve, dry_run)
    _print_answer(answer, json)


def write_off(
    account: Number,
    amount: Annotated[str, typer.Option(help="The sum in roubles, as 119,63.")],
    reason: Reason,
    actor: Actor,
    on: On = None,
    command_id: CommandId = None,
    approve: ApproveId = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Waive a penalty, or a part of it."""
    with reporting():
        correction = WriteOffPenalty(
            account=account, amount=parse_roubles(amount), effective_on=day(on, "--on")
        )
        answer = _correct(correction, actor, reason, command_id, approve, dry_run)
    _print_answer(answer, json)


def list_proposals(
    all_: Annotated[bool, typer.Option("--all", help="Also those that are decided.")] = False,
    json: Json = False,
) -> None:
    """List the corrections that wait for a second person."""
    with reporting(), opened_store() as store:
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
    actor: Actor,
    reason: Annotated[
        str | None, typer.Option(help="What you add to the reason of who proposed it.")
    ] = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Agree to a correction that another one of the staff has proposed, and make it."""
    with reporting():
        who, added = author(actor, "agreed" if reason is None else reason)
        command = Approve(proposal_id=proposal_id, reason="" if reason is None else added)
        with opened_store() as store:
            answer = _approve(store, command, who, dry_run)
    _print_answer(answer, json)


def reject(
    proposal_id: Annotated[UUID, typer.Argument(help="The id of the proposal.")],
    reason: Reason,
    actor: Actor,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Refuse a proposed correction, or withdraw one's own."""
    with reporting():
        who, why = author(actor, reason)
        command = Reject(proposal_id=proposal_id, reason=why)
        with opened_store() as store:
            if dry_run:
                answer = store.query(lambda session: preview_rejection(session, command, who))
            else:
                command_id = _id("reject", proposal_id, who, why)
                answer = _execute(store, reject_proposal, command, who, command_id)
    _print_answer(answer, json)


def approval_limit(environ: Mapping[str, str] = os.environ) -> Kopecks:
    """Return what one person may move, in kopecks; 0: nothing.

    Raises ConfigurationError for what is not a sum.
    """
    text = environ.get(APPROVAL_OVER) or DEFAULT_APPROVAL_OVER
    try:
        limit = parse_roubles(text)
    except ValueError:
        limit = -1
    if limit < 0:
        raise ConfigurationError(f"set {APPROVAL_OVER} to a sum in roubles, as 50000,00")
    return limit


def _correct(
    correction: Correction,
    actor: str,
    reason: str,
    command_id: str | None,
    approved: UUID | None,
    dry_run: bool,
) -> dict[str, Any]:
    (who, why), limit = author(actor, reason), approval_limit()
    command = Correct(
        correction_id=_correction_id(correction, why, command_id), correction=correction, reason=why
    )
    with opened_store() as store:
        if approved is not None:
            _check_same(store, approved, correction)
            return _approve(store, Approve(proposal_id=approved, reason=why), who, dry_run)
        if dry_run:
            return store.query(lambda session: preview(session, command, limit))
        answer = _execute(store, correct_within(limit), command, who, command.correction_id)
        return answer | _state_now(store, answer)


def _approve(store: PostgresStore, command: Approve, who: str, dry_run: bool) -> dict[str, Any]:
    if dry_run:
        return store.query(lambda session: preview_approval(session, command.proposal_id, who))
    # The name is part of the id: who comes second is told that it is decided, not that he did it.
    command_id = _id("approve", command.proposal_id, who, command.reason)
    return _execute(store, approve_proposal, command, who, command_id)


def _execute(
    store: PostgresStore, handler: Any, command: Any, who: str, command_id: UUID
) -> dict[str, Any]:
    """Execute a command; ``repeated`` tells that it had been, and this is the answer of then."""
    known = store.query(lambda session: store.kept_commands(session.cursor, [command_id]))
    with context.bind(actor=who, command_id=command_id):
        answer: dict[str, Any] = store.execute(handler, command)
    return {**answer, "repeated": bool(known)}


def _check_same(store: PostgresStore, proposal_id: UUID, correction: Correction) -> None:
    proposed = _row(store, proposal_id)["correction"]
    if proposed != as_json(correction):
        raise Conflict(
            "another_correction",
            "The proposal is about another correction than this; see `saldo ledger proposals`.",
        )


def _state_now(store: PostgresStore, answer: Mapping[str, Any]) -> dict[str, Any]:
    """A proposal said again may have been decided meanwhile."""
    if answer["state"] != "proposed":
        return {}
    return {"proposal": _row(store, UUID(answer["correction_id"]))["state"]}


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
        raise ValueError(f"--service: {text!r}: write a service and a sum, as heating=-150,00")
    return ServiceAmount(service.strip(), parse_roubles(amount))


def _print_answer(answer: dict[str, Any], json: bool) -> None:
    if json:
        print_json(answer)
        return
    sentence = {
        "done": "Done.",
        "approved": "Approved and done.",
        "rejected": "Rejected: nothing was changed.",
        "unchanged": "It was done before: nothing was changed.",
        "dry_run": f"Nothing was changed; it would be {answer.get('would_be')}.",
        "proposed": "Proposed: one person may not decide on it alone, so nothing was changed.",
    }[answer["state"]]
    if answer.get("proposal", OPEN) != OPEN:
        out.print(f"This was proposed before, and is {answer['proposal']}.")
        return
    if answer.get("repeated") and answer["state"] == "done":
        sentence = (
            "It was done before, so nothing was changed now; --command-id with words of its own "
            "makes the same correction once more."
        )
    out.print(f"{sentence} It moves {roubles(answer['amount'])} roubles.", soft_wrap=True)
    if answer["state"] == "proposed":
        approval = f"saldo ledger approve {answer['correction_id']} --actor NAME"
        out.print(f"A second person says: {approval}", soft_wrap=True)
    _print_balances("Before", answer.get("before", ()))
    _print_balances(_title(answer), answer["accounts"])


def _title(answer: Mapping[str, Any]) -> str:
    if answer.get("repeated"):
        return "As it was then"
    return "Now" if answer["state"] == "proposed" else "After"


def _print_balances(title: str, accounts: Sequence[Mapping[str, Any]]) -> None:
    if not accounts:
        return
    table = new_table(title, "Account", amounts=("Principal", "Penalty", "Advance"))
    for account in accounts:
        sums = (roubles(account[name]) for name in ("principal", "penalty", "advance"))
        table.add_row(account["number"], *sums)
    show(table)
