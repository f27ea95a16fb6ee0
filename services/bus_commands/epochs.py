"""``saldo bus epochs``: which epoch each log is in, since when and why."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime
from typing import Annotated

import msgspec
import typer

from services.bus_commands.reachable import read_each, sentences
from services.discovery import check_names
from services.terminal import (
    BAD_INPUT,
    DIFFERENCE,
    DONE,
    Json,
    err,
    new_table,
    out,
    print_json,
    reporting,
    show,
)
from shared.bus.epochs import LogHistory, stored_history
from shared.config import load_settings
from shared.eventstore.postgres import PostgresStore


class LogEpoch(msgspec.Struct, frozen=True, kw_only=True):
    """An epoch of a log: it has the positions after ``after``, up to ``end``."""

    service: str
    epoch: str
    after: int
    end: int
    began_at: datetime
    reason: str
    current: bool


class Epochs(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that ``saldo bus epochs`` shows."""

    epochs: list[LogEpoch]
    not_confirmed: list[str]
    unreachable: list[str]


def epochs(
    service: Annotated[
        str | None, typer.Argument(help="A service; all without it, with the latest epoch each.")
    ] = None,
    json: Json = False,
) -> None:
    """Show the epochs of the logs: where a failover or a restore may have lost events.

    Exit code 1: a log has not been compared with the bus since its server was started, so that
    nobody reads it; 2: a database does not answer.
    """
    with reporting(), ExitStack() as stack:
        names = check_names([service] if service else [], load_settings().books)
        read = read_each(stack, names, _history)
    found = Epochs(
        epochs=[
            epoch
            for name, (history, _) in read.found.items()
            for epoch in _epochs_of(name, history)[0 if service else -1 :]
        ],
        not_confirmed=[name for name, (_, confirmed) in read.found.items() if not confirmed],
        unreachable=sentences(read.unreachable),
    )
    if json:
        print_json(found)
    else:
        _print(found)
    if found.unreachable:
        raise typer.Exit(BAD_INPUT)
    raise typer.Exit(DIFFERENCE if found.not_confirmed else DONE)


def _history(store: PostgresStore) -> tuple[LogHistory, bool]:
    return store.query(lambda session: stored_history(session.cursor))


def _epochs_of(service: str, history: LogHistory) -> Sequence[LogEpoch]:
    return [
        LogEpoch(
            service=service,
            epoch=epoch.name,
            after=epoch.after,
            end=history.end_of(epoch.name) or 0,
            began_at=epoch.began_at,
            reason=epoch.reason,
            current=epoch == history.current,
        )
        for epoch in history.epochs
    ]


def _print(found: Epochs) -> None:
    if found.epochs:
        table = new_table(
            "Epochs", "service", "epoch", "began at", "reason", amounts=("after", "up to")
        )
        for one in found.epochs:
            began = one.began_at.isoformat(timespec="seconds")
            table.add_row(one.service, one.epoch, began, one.reason, str(one.after), str(one.end))
        show(table, keys=2)
    for sentence in found.unreachable:
        err.print(sentence, soft_wrap=True)
    for name in found.not_confirmed:
        out.print(
            f"{name}: the log has not been compared with the bus since its server was started; "
            "its relay does so: look at the worker.",
            soft_wrap=True,
        )
