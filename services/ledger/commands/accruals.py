"""``saldo ledger accruals``: the schedule of penalties, and the accrual runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from services.language import text
from services.ledger.commands.ledger_access import read_or_ask
from services.ledger.penalties.accrual_record import BY_SCHEDULE, accruals
from services.ledger.penalties.schedule import read_schedule
from services.terminal import (
    Json,
    err,
    minute,
    new_table,
    out,
    print_json,
    reporting,
    roubles,
    show,
)
from shared.config import load_settings

_COUNTS = ("accounts", "changed", "refused")


def accruals_(
    last: Annotated[int, typer.Option(min=1, max=200, help="How many of the last runs.")] = 12,
    json: Json = False,
) -> None:
    """List the accrual runs, the newest first, and when the next one is due.

    The worker accrues by the operator's schedule (SALDO_LEDGER_ACCRUALS); `saldo ledger accrue`
    does so at any time. A run without a result was stopped, or is under way.
    """
    with reporting():
        schedule = load_settings().ledger_accruals
        found = read_or_ask(
            lambda session: accruals(session, read_schedule(schedule), last), "accruals", last=last
        )
    if json:
        print_json(found)
        return
    numbers = (
        text("Accounts"),
        text("Changed"),
        text("Refused"),
        text("Added"),
        text("Taken back"),
    )
    table = new_table(
        text("Accrual runs"), text("Begun"), text("Through"), text("By"), amounts=numbers
    )
    for run in found["runs"]:
        table.add_row(*_cells(run))
    show(table)
    _show_schedule(found)
    if found["runs"] and found["runs"][0]["refused"]:
        err.print(
            text(
                "The rules do not cover the accounts that were refused: `saldo ledger accrue --on "
                "{day} --dry-run` names them and says why.",
                day=found["runs"][0]["through"],
            ),
            soft_wrap=True,
        )


def _cells(run: Mapping[str, Any]) -> list[str]:
    who = text("schedule") if run["by"] == BY_SCHEDULE else run["by"].removeprefix("staff:")
    begun = [minute(run["begun_at"]), run["through"], who]
    if run["finished_at"] is None:
        return [*begun, text("not finished")]
    return [
        *begun,
        *(str(run[name]) for name in _COUNTS),
        roubles(run["added"]),
        roubles(run["taken_back"]),
    ]


def _show_schedule(found: Mapping[str, Any]) -> None:
    due, following = found["due"], found["next"]
    if due:
        out.print(
            text(
                "due since {day}, and not made: through {through}",
                day=due["due_on"],
                through=due["through"],
            ),
            soft_wrap=True,
        )
    if following:
        out.print(
            text(
                "schedule {name}: next on {day}, through {through}",
                name=found["schedule"],
                day=following["due_on"],
                through=following["through"],
            ),
            soft_wrap=True,
        )
    else:
        out.print(text("schedule off: penalties are accrued by `saldo ledger accrue` alone"))
