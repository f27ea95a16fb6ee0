"""``saldo ledger replay``: the event history of an account, or a rebuild of the read model."""

from __future__ import annotations

from time import monotonic
from typing import Annotated, Any

import typer

from services.language import text
from services.ledger.commands.ledger_access import (
    Run,
    SortLog,
    Workers,
    log_of_account,
    opened_ledger,
    record_run,
    replaying,
)
from services.ledger.commands.movements import description, with_payment
from services.ledger.replay.rebuild import Rebuilt, rebuild
from services.ledger.reports.history import event_history
from services.ledger.tenures import named_key
from services.terminal import (
    DIFFERENCE,
    DONE,
    Actor,
    Json,
    OptionalReason,
    author,
    new_table,
    out,
    print_json,
    refused,
    reporting,
    roubles,
    show,
)


def replay(
    number: Annotated[str | None, typer.Argument(help="The number of an account.")] = None,
    all_: Annotated[
        bool, typer.Option("--all", help="Rebuild the read model of all accounts.")
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="With --all: compare only; exit code 1 on a difference."),
    ] = False,
    workers: Workers = None,
    sort_log: SortLog = False,
    actor: Actor = None,
    reason: OptionalReason = "",
    json: Json = False,
) -> None:
    """Show the event history of an account, or rebuild the read model of all accounts (--all).

    The rebuild is prepared beside the live tables and replaces wrong rows some hundred at a time:
    payments continue, and a rebuild that is killed leaves each row as it was, or right.
    """
    if (number is None) != all_:
        raise refused(text("Name one account, or use --all."))
    if number is not None:
        _show_history(number, json)
        return
    began = monotonic()
    with reporting(), opened_ledger(writes=True) as store:
        if not dry_run:
            who, why = author(actor, reason, optional=True)
            record_run(store, who, Run(verb="replay", by=who, reason=why))
        with replaying(store, sort_log=sort_log) as (advance, sorting):
            found = rebuild(store, advance, compare_only=dry_run, workers=workers, sorting=sorting)
    _print_summary(found, monotonic() - began, json)
    wrong = found.broken or (dry_run and found.differences)
    raise typer.Exit(DIFFERENCE if wrong else DONE)


def _show_history(number: str, json: bool) -> None:
    with reporting(), opened_ledger(log=log_of_account(number)) as store:
        history = store.query(lambda session: event_history(session, named_key(session, number)))
    for step in history:
        step["text"] = description(step)
        if step["corrects"]:
            corrected = history[step["corrects"]["version"] - 1]
            step["corrects"]["text"] = corrected["text"]
    if json:
        print_json(history)
        return
    table = new_table(
        text("Account {number}", number=number),
        text("No."),
        text("Position"),
        text("Effect"),
        text("Recorded"),
        text("What"),
        text("Who"),
        text("Command"),
        amounts=(text("Amount"), text("Penalty"), text("Balance")),
    )
    for step in history:
        table.add_row(
            str(step["version"]),
            str(step["position"]),
            step["effective_on"],
            step["recorded_at"][:19].replace("T", " "),
            _what(step),
            step["actor"],
            step["command_id"][:8],
            *(roubles(step[name]) for name in ("amount", "penalty", "balance")),
        )
    show(table)


def _what(step: dict[str, Any]) -> str:
    corrected, what = step["corrects"], str(step["text"])
    if corrected:
        what = text(
            "{what} (corrects {version}: {corrected})",
            what=what,
            version=corrected["version"],
            corrected=corrected["text"],
        )
    return with_payment(what, step)


def _print_summary(found: Rebuilt, seconds: float, json: bool) -> None:
    if json:
        print_json(found)
        return
    for difference in found.differences:
        out.print(
            text(
                "{account}: {what}: the replay gives {replayed}, the table has {found}",
                account=difference.account,
                what=difference.what,
                replayed=difference.replayed,
                found=difference.found,
            ),
            soft_wrap=True,
        )
    wrong = ", ".join(f"{table} {count}" for table, count in found.wrong.items())
    out.print(
        text(
            "accounts: {accounts}, events: {events}, in {seconds:.1f} s; wrong rows: {wrong}",
            accounts=found.accounts,
            events=found.events,
            seconds=seconds,
            wrong=wrong,
        ),
        soft_wrap=True,
    )
    if found.broken:
        count = found.broken
        sentence = (
            text("streams that cannot be replayed: {count}: run audit", count=count)
            if found.swapped
            else text(
                "streams that cannot be replayed: {count}; so nothing was changed: run audit",
                count=count,
            )
        )
        out.print(sentence, soft_wrap=True)
    elif found.replayed_again:
        out.print(
            text(
                "the read model matches the log; replayed again: {count}",
                count=found.replayed_again,
            )
        )
    elif found.swapped:
        out.print(text("the read model matches the log"))
    else:
        out.print(text("compared only; nothing was changed"))
