"""``saldo ledger proposals | proposal``: corrections that await a second person, or are decided."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any
from uuid import UUID

import typer

from services.language import text
from services.ledger.commands.changes import show_changes
from services.ledger.commands.facts import show_facts
from services.ledger.commands.ledger_access import ledger_log, opened_books
from services.ledger.corrections import proposals
from services.ledger.domain.proposal import APPROVED, OPEN, REJECTED
from services.staff_calls import calls_to, reads_database
from services.terminal import Json, minute, out, print_json, refusal_text, reporting, roubles
from shared.errors import ServiceError


def list_proposals(
    all_: Annotated[bool, typer.Option("--all", help="Include decided ones.")] = False,
    json: Json = False,
) -> None:
    """List the corrections that await a second person's approval."""
    with reporting():
        found = list(_all_proposals(all_))
    if json:
        print_json(found)
        return
    for row in found:
        show_facts(str(row["proposal_id"]), _facts(row))
    if not found:
        out.print(text("There are no proposals."))


def show_proposal(
    proposal_id: Annotated[UUID, typer.Argument(help="The id of the proposal.")],
    json: Json = False,
) -> None:
    """Show a proposal, and what it would change today: before, after, and the difference."""
    with reporting(), calls_to(ledger_log()) as ledger:
        found = ledger.ask("proposal", proposal_id=proposal_id)
    if json:
        print_json(found)
        return
    show_facts(str(found["proposal_id"]), _facts(found))
    preview = found["preview"] or {}
    if "refused" in preview:
        refused = preview["refused"]
        error = ServiceError(refused["code"], refused["message"], **refused["params"])
        refusal = refusal_text(error)
        out.print(text("Today it would be refused: {refusal}", refusal=refusal), soft_wrap=True)
    elif preview:
        show_changes(text("Once approved"), preview)


def _facts(row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield text("Correction"), _what(row)
    yield text("Roubles"), roubles(row["amount"])
    yield text("Reason"), row["reason"]
    yield text("Proposed"), f"{row['proposed_by']} {minute(row['proposed_at'])}"
    yield text("State"), state_name(row["state"])
    if row["decided_by"]:
        yield text("Decided"), f"{row['decided_by']} {minute(row['decided_at'])}"


def _what(row: Mapping[str, Any]) -> str:
    """Return what a second person approves, line by line: accounts, the month and its sums."""
    correction = row["correction"]
    names = {
        "adjust_charges": text("recalculation"),
        "reverse_payment": text("reversal"),
        "move_payment": text("move of a payment"),
        "write_off_penalty": text("write-off of penalty"),
    }
    lines = [f"{names[correction['type']]} {', '.join(row['accounts'])}"]
    if "lines" in correction:
        lines.append(correction["period"])
        lines += [f"{line['service']} {roubles(line['amount'])}" for line in correction["lines"]]
    if "payment_id" in correction:
        lines.append(f"{correction['payment_id']}")
    return "\n".join(lines)


def state_name(state: str) -> str:
    return {
        OPEN: text("open"),
        APPROVED: text("approved"),
        REJECTED: text("rejected"),
    }.get(state, state)


def _all_proposals(decided: bool) -> Iterator[dict[str, Any]]:
    if reads_database(ledger_log()):
        state = None if decided else OPEN
        with opened_books() as stores:
            for store in stores:
                yield from store.query(lambda session: proposals(session, state))
        return
    with calls_to(ledger_log()) as ledger:
        page = ledger.ask("proposals", decided=decided)["proposals"]
        while page:
            yield from page
            page = ledger.ask("proposals", decided=decided, after=page[-1]["position"])["proposals"]
