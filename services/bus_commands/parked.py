"""``saldo bus parked``: the messages whose reaction failed for good; retry or drop them."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import psycopg
import typer

from services.bus_commands import retrying
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
    counting,
    day_or_instant,
    err,
    new_table,
    opened_store,
    out,
    print_json,
    reporting,
    show,
)
from shared import context
from shared.bus import parked, quarantine
from shared.config import load_settings
from shared.eventstore.postgres import PostgresStore
from shared.logs import get_logger

log = get_logger(__name__)

COLUMNS = ("service", "id", "upstream", "position", "type", "reason", "attempts", "error_id")
DROPPED_AT_ONCE = 500

Upstream = Annotated[str | None, typer.Option(help="Only messages of this service.")]
Type = Annotated[str | None, typer.Option("--type", help="Only this type, such as payment_posted.")]
Failure = Annotated[str | None, typer.Option(help="Only failures of this kind, such as KeyError.")]
Since = Annotated[str | None, typer.Option(help="Only those parked since this day or instant.")]


def parked_(
    service: Annotated[str | None, typer.Argument(help="The service; all when left out.")] = None,
    upstream: Upstream = None,
    type_: Type = None,
    failure: Failure = None,
    since: Since = None,
    limit: Annotated[int, typer.Option(help="List at most so many, oldest first.")] = 1000,
    show_id: Annotated[int | None, typer.Option("--show", help="Show this message.")] = None,
    retry: Annotated[int | None, typer.Option(help="Retry the message of this id.")] = None,
    retry_all: Annotated[bool, typer.Option(help="Retry all that are selected.")] = False,
    drop: Annotated[int | None, typer.Option(help="Drop the message of this id.")] = None,
    drop_all: Annotated[bool, typer.Option(help="Drop all that are selected.")] = False,
    actor: Actor = None,
    reason: OptionalReason = "",
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """List, show, retry or drop parked messages.

    --retry-all retries the selected ones in order, and what fails stays parked with its new
    failure, as do later messages of the same subject. Dropping needs --reason. Exit code 1: some
    are listed, stay parked, or are quarantined; 2: not all services could be read.
    """
    with reporting():
        selection = parked.Selection(upstream, type_, failure, _instant(since))
        asked = [show_id is not None, retry is not None, retry_all, drop is not None, drop_all]
        if not any(asked):
            names = check_names([service] if service else [], load_settings().books)
            _list(names, selection, limit, json)
            return
        if service is None or sum(asked) > 1:
            raise ValueError(
                "name the service, and one of --show, --retry, --retry-all, --drop and --drop-all"
            )
        if show_id is not None:
            _show(service, show_id, json)
            return
        dropping = drop is not None or drop_all
        who, why = author(actor, reason, optional=not dropping)
        with context.bind(actor=who), opened_store(service, writes=True) as store:
            if retry is not None:
                retrying.retry_one(store, retry, why, dry_run)
            elif retry_all:
                left = retrying.retry_selected(store, selection, why, dry_run, json)
                raise typer.Exit(DIFFERENCE if left else DONE)
            elif drop is not None:
                _drop(store, drop, why, dry_run)
            else:
                _drop_selected(store, selection, why, dry_run, json)


def _instant(since: str | None) -> datetime | None:
    """Return the moment that --since names; a day begins at midnight in the utility's zone."""
    text = day_or_instant(since, "--since")
    if text is None:
        return None
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=ZoneInfo(load_settings().timezone))


def _list(names: list[str], selection: parked.Selection, limit: int, json: bool) -> None:
    def select(store: PostgresStore) -> tuple[int, list[dict[str, Any]], int]:
        return store.query(
            lambda session: (
                parked.count(session.cursor, selection),
                parked.listing(session.cursor, selection, limit=limit),
                quarantine.count(session.cursor, upstream=selection.upstream),
            )
        )

    with ExitStack() as stack:
        read = read_each(stack, names, select)
    found = [{"service": name, **row} for name, (_, rows, _) in read.found.items() for row in rows]
    beyond = sum(total for total, _, _ in read.found.values()) - len(found)
    apart = sum(quarantined for _, _, quarantined in read.found.values())
    if json:
        print_json(found)
    elif found:
        table = new_table("Parked messages", *COLUMNS)
        for row in found:
            table.add_row(*(str(row[name]) for name in COLUMNS))
        show(table, keys=2)
    elif read.found:
        where = f" in {', '.join(read.found)}" if read.unreachable else ""
        out.print(f"Nothing is parked{where}.", soft_wrap=True)
    if apart:
        err.print(f"Messages in quarantine: {apart} (saldo bus quarantine list)", soft_wrap=True)
    if beyond:
        err.print(f"{beyond} more are not listed: select, or raise --limit", soft_wrap=True)
    for sentence in sentences(read.unreachable):
        err.print(sentence, soft_wrap=True)
    if read.unreachable:
        raise typer.Exit(BAD_INPUT)
    raise typer.Exit(DIFFERENCE if found or apart else DONE)


def _show(service: str, parked_id: int, json: bool) -> None:
    with opened_store(service, writes=True) as store:
        row = store.query(lambda session: parked.find(session.cursor, parked_id))
    if row is None:
        raise retrying.not_parked(service, parked_id)
    show_message(f"Parked message {parked_id}", service, row, json)


def _drop(store: PostgresStore, parked_id: int, why: str, dry_run: bool) -> None:
    with store.session() as session:
        if not parked.drop(session.cursor, parked_id):
            raise retrying.not_parked(store.service, parked_id)
        if dry_run:
            raise psycopg.Rollback
    if dry_run:
        out.print(f"would drop message {parked_id} of {store.service}")
        return
    log.warning("parked_dropped", service=store.service, parked_id=parked_id, why=why)
    out.print(f"message {parked_id} was dropped")


def _drop_selected(
    store: PostgresStore, selection: parked.Selection, why: str, dry_run: bool, json: bool
) -> None:
    total = store.query(lambda session: parked.count(session.cursor, selection))
    dropped = last = 0
    with counting(f"dropping parked messages of {store.service}", total) as advance:
        while not dry_run:
            with store.session() as session:
                rows = parked.listing(session.cursor, selection, after=last, limit=DROPPED_AT_ONCE)
                gone = parked.drop_some(session.cursor, [row["id"] for row in rows])
            if not rows:
                break
            # The log is where it can be found out later what was dropped.
            log.warning("parked_dropped", service=store.service, parked_ids=gone, why=why)
            last = rows[-1]["id"]
            dropped += len(gone)
            advance(len(gone))
    if json:
        print_json({"service": store.service, "selected": total, "dropped": dropped})
    elif dry_run:
        out.print(f"would drop {total} messages of {store.service}")
    else:
        out.print(f"{dropped} messages of {store.service} were dropped")
