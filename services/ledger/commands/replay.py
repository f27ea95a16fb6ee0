"""``saldo ledger replay``: the story of one account, or the read model rebuilt for all."""

from __future__ import annotations

from time import monotonic
from typing import Annotated, Any

import typer

from services.ledger.commands.printing import (
    DIFFERENCE,
    Json,
    counting,
    err,
    new_table,
    opened_store,
    out,
    print_json,
    reporting,
    roubles,
    show,
)
from services.ledger.replay.rebuild import Rebuilt, rebuild
from services.ledger.reports.history import event_history


def replay(
    number: Annotated[str | None, typer.Argument(help="The number of an account.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="Rebuild the read model of all.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="With --all: only compare, exit 1 on a difference.")
    ] = False,
    cores: Annotated[
        int | None,
        typer.Option(min=1, max=256, help="With --all: how many processes; one for each core."),
    ] = None,
    json: Json = False,
) -> None:
    """Tell the story of one account, or rebuild the read model of all from the log (--all).

    The rebuild stands beside the live tables until it is whole, and takes their place in one
    transaction: payments go on meanwhile, and a kill at any point changes nothing.
    """
    if (number is None) != all_:
        err.print("Name one account, or say --all.")
        raise typer.Exit(2)
    if number is not None:
        _tell(number, json)
        return
    began = monotonic()
    with reporting(), opened_store() as store:
        events = store.recorder.max_notification_id() or 0
        with counting("replaying", events) as advance:
            found = rebuild(store, advance, compare_only=dry_run, cores=cores)
    _print_summary(found, monotonic() - began, json)
    wrong = found.broken or (dry_run and found.differences)
    raise typer.Exit(DIFFERENCE if wrong else 0)


def _tell(number: str, json: bool) -> None:
    with reporting(), opened_store() as store:
        told = store.query(lambda session: event_history(session, number))
    if json:
        print_json(told)
        return
    table = new_table(
        f"Account {number}",
        "No.",
        "Position",
        "Effect",
        "Recorded",
        "What",
        "Who",
        "Command",
        amounts=("Amount", "Penalty", "Balance"),
    )
    for step in told:
        table.add_row(
            str(step["version"]),
            str(step["position"]),
            step["effective_on"],
            step["recorded_at"][:19],
            _what(step),
            step["actor"],
            step["command_id"][:8],
            *(roubles(step[name]) for name in ("amount", "penalty", "balance")),
        )
    show(table)


def _what(step: dict[str, Any]) -> str:
    corrected = step["corrects"]
    if not corrected:
        return str(step["text"])
    return f"{step['text']} (corrects {corrected['version']}: {corrected['text']})"


def _print_summary(found: Rebuilt, seconds: float, json: bool) -> None:
    if json:
        print_json(found)
        return
    for difference in found.differences:
        out.print(
            f"{difference.account}: {difference.what}: the replay says {difference.replayed}, "
            f"there stands {difference.found}",
            soft_wrap=True,
        )
    wrong = ", ".join(f"{count} of {table}" for table, count in found.wrong.items())
    out.print(
        f"{found.accounts} accounts, {found.events} events in {seconds:.1f} s; "
        f"rows that were not right: {wrong}",
        soft_wrap=True,
    )
    if found.broken:
        out.print(
            f"{found.broken} streams cannot be replayed, so nothing was changed: run audit",
            soft_wrap=True,
        )
    elif found.swapped:
        again = found.replayed_again
        out.print("the read model is what the log says" + (f"; {again} again" if again else ""))
    else:
        out.print("only compared: nothing was changed")
