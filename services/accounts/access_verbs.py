"""``saldo accounts links | link | unlink | attempts``: who has access to an account, by what."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import typer

from services.language import text
from services.staff_calls import calls_to
from services.terminal import (
    Actor,
    DryRun,
    Json,
    Reason,
    minute,
    new_table,
    out,
    print_json,
    recorded_reason,
    reporting,
    show,
)

Number = Annotated[str, typer.Argument(help="The number of the personal account, or its ЕЛС.")]
PersonId = Annotated[
    UUID, typer.Argument(metavar="PERSON", help="The id, as `saldo identity find` shows it.")
]


def links(number: Number, json: Json = False) -> None:
    """Show who has access to an account, since when and by what; of all its holders."""
    with reporting(), calls_to("accounts") as accounts:
        found = accounts.ask("links", number=number)
    if json:
        print_json(found)
        return
    table = new_table(
        text("Access to {number}", number=found["number"]),
        text("Person"),
        text("Role"),
        text("Holder"),
        text("Since"),
        text("Until"),
        text("Proven by"),
        text("Invited by"),
        text("Linked (UTC)"),
    )
    for link in found["links"]:
        table.add_row(
            link["person_id"],
            role_name(link["role"]),
            str(link["tenure"]),
            link["since"] or "",
            link["until"] or "",
            proof_name(link["proven_by"]),
            link["invited_by"] or "",
            minute(link["linked_at"]),
        )
    show(table)


def link(
    number: Number,
    person_id: PersonId,
    *,
    role: Annotated[str, typer.Option(help="owner, payer or viewer.")] = "owner",
    reason: Reason,
    actor: Actor = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Give a person access to an account by hand, for one who has shown a passport or a contract.

    Whoever has access already gets a letter about it, as when a person links an account himself.
    """
    with reporting():
        if role not in ("owner", "payer", "viewer"):
            raise ValueError(text("--role: owner, payer or viewer"))
        result = _write(
            "staff_link", actor, reason, dry_run, number=number, person_id=person_id, role=role
        )
    done = text("{person} has access to {number} now.", person=person_id, number=result["number"])
    _print_done(done, result, json)


def unlink(
    number: Number,
    person_id: PersonId,
    *,
    reason: Reason,
    actor: Actor = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Take a person's access to an account away, and that of everybody whom he has invited."""
    with reporting():
        result = _write("staff_unlink", actor, reason, dry_run, number=number, person_id=person_id)
    done = text(
        "{person} has no access to {number} any more.", person=person_id, number=result["number"]
    )
    _print_done(done, result, json)


def attempts(
    number: Annotated[
        str | None, typer.Argument(help="Only those of this account; of all when left out.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="At most so many.")] = 100,
    json: Json = False,
) -> None:
    """Show the newest attempts to prove an account; a network is a mark, not its address."""
    with reporting(), calls_to("accounts") as accounts:
        found = accounts.ask("attempts", number=number, limit=limit)
    if json:
        print_json(found)
        return
    table = new_table(
        text("Attempts to prove an account"),
        text("At (UTC)"),
        text("Account"),
        text("Person"),
        text("Network"),
        text("What for"),
        text("Outcome"),
    )
    for attempt in found["attempts"]:
        table.add_row(
            minute(attempt["at"]),
            attempt["number"],
            attempt["person_id"],
            attempt["network"],
            purpose_name(attempt["purpose"]),
            outcome_name(attempt["outcome"]),
        )
    show(table)


def role_name(role: str) -> str:
    """Return the name of what somebody may do with an account."""
    return {
        "owner": text("owner"),
        "payer": text("payer"),
        "viewer": text("viewer"),
    }.get(role, role)


def proof_name(proven_by: str) -> str:
    """Return the name of what gave somebody access."""
    return {
        "bill": text("a bill of before"),
        "control_code": text("the control code of a bill"),
        "total_and_period": text("the total and the month of a bill"),
        "number": text("the number alone"),
        "invitation": text("an invitation"),
        "staff": text("staff"),
    }.get(proven_by, proven_by)


def purpose_name(purpose: str) -> str:
    """Return the name of what an account was to be proven for."""
    return {
        "link": text("access"),
        "prove": text("recovery"),
    }.get(purpose, purpose)


def outcome_name(outcome: str) -> str:
    """Return the name of what came of an attempt."""
    return {
        "proven": text("proven"),
        "refused": text("refused"),
    }.get(outcome, outcome)


def _write(
    method: str, actor: str | None, reason: str, dry_run: bool, **arguments: Any
) -> dict[str, Any]:
    why = recorded_reason(reason)
    with calls_to("accounts", actor) as accounts:
        return dict(accounts.command(method, reason=why, dry_run=dry_run, **arguments))


def _print_done(done: str, result: dict[str, Any], json: bool) -> None:
    if json:
        print_json(result)
    elif result.get("dry_run"):
        out.print(text("Dry run: all checks passed, nothing was written."))
    else:
        out.print(done, soft_wrap=True)
