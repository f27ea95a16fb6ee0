"""``saldo payments reconcile | reconciliations``: do all books say the same?"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any

import typer

from services.language import text
from services.payments.commands.payments import Limit
from services.payments.commands.words import (
    kind_name,
    source_name,
    state_name,
    what_name,
)
from services.staff_calls import StaffCalls, calls_to
from services.terminal import (
    BAD_INPUT,
    DIFFERENCE,
    DONE,
    Json,
    counting,
    day,
    err,
    minute,
    new_table,
    out,
    print_json,
    reporting,
    roubles,
    show,
)
from shared.errors import Unavailable

LOOK_EVERY = 0.5
PATIENCE = 30.0
"""Seconds without any progress after which no worker seems to run."""
_KINDS = ("matched", "missing_here", "missing_there", "differing")
_SOURCES = ("orders", "acquirer", "ledger", "register")


def reconcile(
    on: Annotated[str, typer.Option("--day", help="The day, as 2026-10-31.")],
    all_: Annotated[bool, typer.Option("--all", help="Also list what agrees.")] = False,
    json: Json = False,
) -> None:
    """Compare our payments, the acquirers, the ledger and bank registers for a day.

    The worker does it; what asking the bank settles is asked at once. Each difference has the
    command that settles it. Exit code 0: all agree; 1: there are differences; 2: bad input, or a
    bank or the ledger does not answer.
    """
    with reporting():
        wanted = day(on, "--day")
        with calls_to("payments") as payments:
            asked = payments.ask("reconcile", day=wanted.isoformat())
            with counting(text("reconciling {day}", day=wanted), None) as advance:
                run = _awaited(payments, asked["reconciliation_id"], advance)
            run["findings"] = list(_findings(payments, run, all_)) if run["summary"] else []
    if json:
        print_json(run)
    elif run["summary"]:
        _show(run)
    if run["state"] == "failed":
        err.print(text("Not reconciled: {failure}", failure=run["failure"]), soft_wrap=True)
        raise typer.Exit(BAD_INPUT)
    raise typer.Exit(DIFFERENCE if run["summary"]["differences"] else DONE)


def reconciliations(limit: Limit = 30, json: Json = False) -> None:
    """List the reconciliations, the newest first: by whom, and what they found."""
    with reporting(), calls_to("payments") as payments:
        found = payments.ask("reconciliations", limit=limit)["reconciliations"]
    if json:
        print_json(found)
        return
    table = new_table(
        text("Reconciliations"),
        text("Day"),
        text("State"),
        text("Who"),
        text("Finished (UTC)"),
        text("Matched"),
        text("Differences"),
        text("Settled at once"),
    )
    for run in found:
        summary = run["summary"] or {"payments": {}, "differences": "", "settled": ""}
        table.add_row(
            run["day"],
            _run_state(run["state"]),
            run["requested_by"],
            minute(run["finished_at"]),
            str(summary["payments"].get("matched", "")),
            str(summary["differences"]),
            str(summary["settled"]),
        )
    show(table)


def _awaited(
    payments: StaffCalls, reconciliation_id: str, advance: Callable[[int], None]
) -> dict[str, Any]:
    """Return the run once it is made; raises Unavailable where it makes no progress."""
    read, since = 0, time.monotonic()
    last: Any = None
    while True:
        run: dict[str, Any] = payments.ask(
            "reconciliation", reconciliation_id=reconciliation_id, limit=1
        )
        if run["state"] in ("done", "failed"):
            return run
        if (run["state"], run["progress"]) != last:
            last, since = (run["state"], run["progress"]), time.monotonic()
            now = sum(run["progress"].values())
            advance(max(0, now - read))
            read = max(read, now)
        elif time.monotonic() - since > PATIENCE:
            raise Unavailable(
                "no_worker",
                text(
                    "The worker of payments makes no progress: it does not run, or a bank is "
                    "silent. `saldo payments reconciliations` says when it is made."
                ),
            )
        time.sleep(LOOK_EVERY)


def _findings(
    payments: StaffCalls, run: Mapping[str, Any], matched: bool
) -> Iterator[dict[str, Any]]:
    after: int | None = 0
    while after is not None:
        page = payments.ask(
            "reconciliation",
            reconciliation_id=run["reconciliation_id"],
            after=after,
            matched=matched,
        )
        yield from page["findings"]
        after = page["next"]


def _show(run: Mapping[str, Any]) -> None:
    summary = run["summary"]
    _show_sums(run["day"], summary)
    earlier, by_staff = summary["earlier"], summary["by_staff"]
    out.print(
        text(
            "Charges of the {days} days before that were looked at again: {orders}",
            days=earlier["days"],
            orders=earlier["orders"],
        ),
        soft_wrap=True,
    )
    if by_staff["records"]:
        out.print(
            text(
                "Entered in the ledger by staff, and compared with nothing: {records}, {amount}",
                records=by_staff["records"],
                amount=roubles(by_staff["amount"]),
            ),
            soft_wrap=True,
        )
    for finding in run["findings"]:
        _show_finding(finding)
    if not summary["differences"]:
        out.print(text("All agree."))


def _show_sums(on: str, summary: Mapping[str, Any]) -> None:
    """Show what each source holds, by what was found of it; the kinds add up to the sums."""
    table = new_table(
        text("Reconciliation of {day}", day=on),
        text("Source"),
        text("What"),
        text("Number"),
        amounts=(text("Roubles"), text("Went back")),
    )
    for source in _SOURCES:
        kinds = summary["kinds"][source]
        rows = [(kind_name(kind), kinds[kind]) for kind in _KINDS if kind in kinds]
        rows.append((text("in all"), summary["sources"][source]))
        for name, found in rows:
            table.add_row(
                source_name(source),
                name,
                str(found["records"]),
                roubles(found["amount"]),
                roubles(found["returned"]),
            )
        table.rows[-1].end_section = True
    show(table, keys=2)


def _show_finding(finding: Mapping[str, Any]) -> None:
    named = finding["payment_id"] or ", ".join(finding["order_numbers"])
    out.print(f"\n{kind_name(finding['kind'])}: {named}", style="bold", soft_wrap=True)
    for difference in finding["differences"]:
        what = ", ".join(what_name(one) for one in difference["what"])
        out.print(f"  {source_name(difference['source'])}: {what}", soft_wrap=True)
        out.print(
            text("  here: {here}; there: {there}", here=difference["here"],
                 there=difference["there"]),
            soft_wrap=True,
        )  # fmt: skip
        out.print(f"  {difference['command']}", soft_wrap=True)
    if polled := finding["polled"]:
        state = state_name(polled["state"])
        out.print(
            text("  The bank was asked at once; settled: {state}", state=state)
            if polled["settled"]
            else text("  The bank was asked at once; not settled: {state}", state=state),
            soft_wrap=True,
        )


def _run_state(state: str) -> str:
    return {
        "requested": text("waits for the worker"),
        "running": text("under way"),
        "done": text("done"),
        "failed": text("not reconciled"),
    }.get(state, state)
