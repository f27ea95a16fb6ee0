"""``saldo bus quarantine``: messages that arrived damaged, or are not in their upstream's log."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Annotated, Any

import psycopg
import typer

from services.bus_commands.disclosure import show_message
from services.bus_commands.reachable import read_each, sentences
from services.discovery import check_names
from services.terminal import (
    BAD_INPUT,
    DIFFERENCE,
    DONE,
    Actor,
    DryRun,
    Json,
    OptionalReason,
    author,
    err,
    new_table,
    opened_store,
    out,
    print_json,
    reporting,
    show,
)
from shared import context
from shared.bus import quarantine
from shared.config import load_settings
from shared.eventstore.postgres import PostgresStore
from shared.logs import get_logger

log = get_logger(__name__)

COLUMNS = ("service", "id", "upstream", "epoch", "position", "type", "reason", "quarantined_at")
DROPPED_AT_ONCE = 500

Upstream = Annotated[str | None, typer.Option(help="Only messages of this service.")]


def list_(
    service: Annotated[str | None, typer.Argument(help="The service; all when left out.")] = None,
    upstream: Upstream = None,
    limit: Annotated[int, typer.Option(help="List at most so many, oldest first.")] = 1000,
    show_id: Annotated[int | None, typer.Option("--show", help="Show this message.")] = None,
    json: Json = False,
) -> None:
    """List quarantined messages, or show one of a service.

    None of them takes effect: what the upstream's log has at their positions was read from there.
    Exit code 1: there are some; 2: not all services could be read.
    """
    with reporting():
        if show_id is None:
            names = check_names([service] if service else [], load_settings().books)
            _list(names, upstream, limit, json)
            return
        if service is None:
            raise ValueError("name the service of the message to show")
        _show(service, show_id, json)


def drop(
    service: Annotated[str, typer.Argument(help="The service that keeps them.")],
    id_: Annotated[int | None, typer.Option("--id", help="Drop the message of this id.")] = None,
    drop_all: Annotated[bool, typer.Option("--all", help="Drop all that are selected.")] = False,
    upstream: Upstream = None,
    actor: Actor = None,
    reason: OptionalReason = "",
    dry_run: DryRun = False,
) -> None:
    """Drop quarantined messages that need not be kept any more. Needs --reason."""
    with reporting():
        if (id_ is None) != drop_all:
            raise ValueError("give one of --id and --all")
        who, why = author(actor, reason)
        with context.bind(actor=who), opened_store(service, writes=True) as store:
            dropped = _drop(store, id_, upstream, why, dry_run)
            if id_ is not None and not dropped:
                raise ValueError(f"{service} has no quarantined message {id_}.")
    verb = "would be dropped" if dry_run else "were dropped"
    out.print(f"{dropped} messages of {service} {verb}")


def _list(names: list[str], upstream: str | None, limit: int, json: bool) -> None:
    def select(store: PostgresStore) -> tuple[int, list[dict[str, Any]]]:
        return store.query(
            lambda session: (
                quarantine.count(session.cursor, upstream=upstream),
                quarantine.listing(session.cursor, upstream=upstream, limit=limit),
            )
        )

    with ExitStack() as stack:
        read = read_each(stack, names, select)
    found = [{"service": name, **row} for name, (_, rows) in read.found.items() for row in rows]
    beyond = sum(total for total, _ in read.found.values()) - len(found)
    if json:
        print_json(found)
    elif found:
        table = new_table("Quarantined messages", *COLUMNS)
        for row in found:
            table.add_row(*("" if row[name] is None else str(row[name]) for name in COLUMNS))
        show(table, keys=2)
    elif read.found:
        out.print("Nothing is quarantined.", soft_wrap=True)
    if beyond:
        err.print(f"{beyond} more are not listed: select, or raise --limit", soft_wrap=True)
    for sentence in sentences(read.unreachable):
        err.print(sentence, soft_wrap=True)
    if read.unreachable:
        raise typer.Exit(BAD_INPUT)
    raise typer.Exit(DIFFERENCE if found else DONE)


def _show(service: str, quarantine_id: int, json: bool) -> None:
    with opened_store(service, writes=True) as store:
        row = store.query(lambda session: quarantine.find(session.cursor, quarantine_id))
    if row is None:
        raise ValueError(f"{service} has no quarantined message {quarantine_id}.")
    show_message(f"Quarantined message {quarantine_id}", service, row, json)


def _drop(
    store: PostgresStore, id_: int | None, upstream: str | None, why: str, dry_run: bool
) -> int:
    if dry_run and id_ is None:
        return store.query(lambda session: quarantine.count(session.cursor, upstream=upstream))
    dropped = 0
    while True:
        with store.session() as session:
            ids = [id_] if id_ is not None else _next(session.cursor, upstream)
            gone = quarantine.drop_some(session.cursor, ids)
            if dry_run:
                raise psycopg.Rollback
        if gone and not dry_run:
            # The log is where it can be found out later what was dropped.
            log.warning("quarantine_dropped", service=store.service, ids=gone, why=why)
        dropped += len(gone)
        if not gone or id_ is not None:
            return dropped


def _next(cursor: Any, upstream: str | None) -> list[int]:
    rows = quarantine.listing(cursor, upstream=upstream, limit=DROPPED_AT_ONCE)
    return [row["id"] for row in rows]
