"""``saldo helpdesk propose | disputes``, and what ``show`` prints of a disputed line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, get_args

import typer

from services.helpdesk.dispute import DisputeState
from services.helpdesk.verbs.words import Which, decision_name, dispute_name
from services.language import text
from services.staff_calls import calls_to
from services.terminal import (
    Actor,
    DryRun,
    Json,
    Reason,
    minute,
    money,
    new_table,
    out,
    print_json,
    recorded_reason,
    reporting,
    roubles,
    show,
)

STATES = (*get_args(DisputeState), "all")


def propose(
    question: Which,
    *,
    amount: Annotated[
        str, typer.Option(help="What the line changes by, -123,45: less is to be paid.")
    ],
    reason: Reason,
    actor: Actor = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Propose an adjustment of the line that a question disputes; a second person approves it.

    The person reads the reason beside the adjustment. You need the right to adjust in the ledger,
    too. The same command again goes on where it was cut off, and proposes nothing twice.
    """
    with reporting():
        kopecks, why = money(amount, "--amount"), recorded_reason(reason)
        with calls_to("helpdesk", actor) as helpdesk:
            line = helpdesk.command("disputed_line", question=question)
        with calls_to("ledger") as ledger:
            result = ledger.command(
                "adjust",
                account=line["account"],
                period=line["period"],
                lines=[{"service": line["service"], "amount": kopecks}],
                effective_on=None,
                reason=why,
                key=None,
                propose=True,
                dry_run=dry_run,
            )
        if result["state"] == "proposed":
            with calls_to("helpdesk") as helpdesk:
                helpdesk.command(
                    "note_proposal", question=question, proposal_id=result["correction_id"]
                )
    if json:
        print_json({"line": line, **result})
    else:
        _print_proposed(question, line, kopecks, result)


def list_disputes(
    *,
    state: Annotated[
        str, typer.Option(help="under_review, corrected, rejected, or all.")
    ] = "under_review",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="List at most so many.")] = 100,
    json: Json = False,
) -> None:
    """List disputed lines of bills, those first that have waited longest."""
    with reporting():
        if state not in STATES:
            raise ValueError(text("--state: one of {states}", states=", ".join(STATES)))
        with calls_to("helpdesk") as helpdesk:
            listed = helpdesk.ask(
                "disputes_of_state", state=None if state == "all" else state, limit=limit
            )
    if json:
        print_json(listed)
        return
    table = new_table(
        text("Disputed lines"),
        text("No."),
        text("State"),
        text("Account"),
        text("Month"),
        text("Service"),
        text("Since (UTC)"),
    )
    for found in listed["disputes"]:
        table.add_row(
            str(found["number"]),
            dispute_name(found["state"]),
            found["account"],
            found["period"],
            found["service"],
            minute(found["since"]),
        )
    show(table)


def print_dispute(dispute: Mapping[str, Any]) -> None:
    """Print the line that a question disputes, and what was proposed for it."""
    line = text(
        "Disputed: {account} {period} {service} · {state}",
        account=dispute["account"],
        period=dispute["period"],
        service=dispute["service"],
        state=dispute_name(dispute["state"]),
    )
    out.print(line, soft_wrap=True)
    for proposal in dispute["proposals"]:
        proposed = text(
            "  proposal {proposal_id}: {decision} · saldo ledger proposal {proposal_id}",
            proposal_id=proposal["proposal_id"],
            decision=decision_name(proposal["decision"]),
        )
        out.print(proposed, soft_wrap=True)


def _print_proposed(
    question: str, line: Mapping[str, Any], kopecks: int, result: Mapping[str, Any]
) -> None:
    asked = f"{line['account']} {line['period']} {line['service']} {roubles(kopecks)}"
    for changed in result.get("lines", ()):
        before, after = roubles(changed["before"]), roubles(changed["after"])
        out.print(f"{changed['period']} {changed['service']}: {before} → {after}", soft_wrap=True)
    if result["state"] == "dry_run":
        out.print(text("Dry run: all checks passed, nothing was written."))
    elif result["state"] != "proposed":
        out.print(text("{line}: there is nothing to change.", line=asked), soft_wrap=True)
    elif result["proposal"] == "open":
        out.print(
            text(
                "Question {question}: {line} is proposed; a second person decides by "
                "`saldo ledger approve {proposal_id}`, or `saldo ledger reject` with a reason.",
                question=question,
                line=asked,
                proposal_id=result["correction_id"],
            ),
            soft_wrap=True,
        )
    else:
        out.print(
            text(
                "{line} was proposed for this reason before, and is {decision}; another reason "
                "makes another proposal.",
                line=asked,
                decision=decision_name(result["proposal"]),
            ),
            soft_wrap=True,
        )
