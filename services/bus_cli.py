"""``saldo bus``: parked messages, and replaying a service's history to a subscriber's queue."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Annotated, Any

import msgspec
import psycopg
import typer

from services.discovery import check_names, publisher_of, reactions_of
from services.terminal import (
    DIFFERENCE,
    DONE,
    Actor,
    DryRun,
    Json,
    OptionalReason,
    StaffVerbs,
    author,
    counting,
    new_table,
    opened_store,
    out,
    print_json,
    refused,
    reporting,
    show,
)
from services.work import WorkerServices
from shared import context
from shared.bus import parked
from shared.bus.publisher import ConfirmedPublisher
from shared.bus.reactions import Reactions
from shared.bus.relay import published_after
from shared.bus.topology import connect
from shared.config import load_settings, user_of
from shared.eventstore.postgres import PostgresSession, PostgresStore
from shared.logs import get_logger
from shared.rpc.client import RpcClient

app = StaffVerbs("The bus: parked messages, replay of history.")
log = get_logger(__name__)

WINDOW = 500
"""Events that are published before their confirms are awaited."""
COLUMNS = ("service", "id", "upstream", "position", "type", "reason", "attempts", "error_id")


@app.writes("parked")
def parked_(
    service: Annotated[str | None, typer.Argument(help="Whose; all when left out.")] = None,
    retry: Annotated[int | None, typer.Option(help="Retry the message of this id.")] = None,
    drop: Annotated[int | None, typer.Option(help="Drop the message of this id.")] = None,
    actor: Actor = None,
    reason: OptionalReason = "",
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """List parked messages, or retry or drop one.

    Dropping needs --reason. Exit code 1: some are listed.
    """
    with reporting():
        if retry is None and drop is None:
            _list([service] if service else [], json)
            return
        if service is None or (retry is not None and drop is not None):
            raise ValueError("name the service, and one of --retry and --drop")
        who, why = author(actor, reason, optional=drop is None)
        with context.bind(actor=who), opened_store(service, writes=True) as store:
            if drop is not None:
                _drop(store, service, drop, why, dry_run)
            elif retry is not None:
                _retry(store, service, retry, why, dry_run)


@app.writes("replay", long=True)
def replay(
    service: Annotated[str, typer.Argument(help="Whose history.")],
    to_queue: Annotated[str, typer.Option(help="The subscriber's own queue.")],
    after: Annotated[int, typer.Option(help="Begin after this position.")] = 0,
    actor: Actor = None,
    reason: OptionalReason = "",
    dry_run: DryRun = False,
) -> None:
    """Publish the events of a service again, to one queue only."""
    with reporting():
        who, why = author(actor, reason, optional=True)
        amqp_url = load_settings().staff_amqp_url
        with (
            context.bind(actor=who),
            opened_store(service, writes=True) as store,
            connect(amqp_url, name="replay") as broker,
        ):
            publisher = ConfirmedPublisher(broker.channel(), user_of(amqp_url))
            send = _discard if dry_run else _sender(publisher, to_queue)
            sent, position = _replay(store, service, after, send)
            if not dry_run:
                log.warning("history_replayed", service=service, queue=to_queue, why=why)
    out.print(f"{sent} events {'would be sent' if dry_run else 'sent'}, up to position {position}")


def _replay(
    store: PostgresStore, service: str, after: int, send: Callable[[list[Any]], None]
) -> tuple[int, int]:
    """Return how many events were sent, and the position of the last."""
    publish, last = publisher_of(service), store.recorder.max_notification_id() or 0
    sent, position, predecessor = 0, after, after
    with counting(f"replaying {service}", max(0, last - after)) as advance:
        while True:
            envelopes, reached, predecessor = published_after(
                store, publish, position, WINDOW, predecessor
            )
            if reached == position:
                return sent, position
            send(envelopes)
            sent += len(envelopes)
            advance(reached - position)
            position = reached


def _sender(publisher: ConfirmedPublisher, queue: str) -> Callable[[list[Any]], None]:
    def send(envelopes: list[Any]) -> None:
        tag = 0
        for message in envelopes:
            tag = publisher.publish("", msgspec.structs.replace(message, routing_key=queue))
        if tag:
            publisher.wait_for(tag)

    return send


def _discard(_: list[Any]) -> None:
    """Send nothing."""


def _list(names: list[str], json: bool) -> None:
    found: list[dict[str, Any]] = []
    for name in check_names(names):
        with opened_store(name) as store:
            rows = store.query(lambda session: parked.listing(session.cursor))
        found += [{"service": name, **row} for row in rows]
    if json:
        print_json(found)
    elif found:
        table = new_table("Parked messages", *COLUMNS)
        for row in found:
            table.add_row(*(str(row[name]) for name in COLUMNS))
        show(table)
    else:
        out.print("Nothing is parked.")
    raise typer.Exit(DIFFERENCE if found else DONE)


def _retry(store: PostgresStore, service: str, parked_id: int, why: str, dry_run: bool) -> None:
    settings = load_settings()
    with (
        closing(RpcClient(settings.amqp_url_of(service), name="bus-cli")) as client,
        store.session() as session,
    ):
        row = _parked(session, service, parked_id)
        if dry_run:
            out.print(f"would retry {row['type']} {row['position']}")
            return
        upstream = row["upstream"]
        services = WorkerServices(settings, store, client)
        reactions = Reactions(services, store, upstream, reactions_of(service)[upstream])
        try:
            parked.retry(
                session.cursor, parked_id, lambda message: reactions.handle(session, message)
            )
        except (parked.OutOfOrderError, parked.MalformedMessageError) as error:
            raise refused(str(error)) from None
    log.warning("parked_retried", service=service, parked_id=parked_id, why=why)
    out.print(f"message {parked_id} was handled")


def _drop(store: PostgresStore, service: str, parked_id: int, why: str, dry_run: bool) -> None:
    with store.session() as session:
        if not parked.drop(session.cursor, parked_id):
            raise _not_parked(service, parked_id)
        if dry_run:
            raise psycopg.Rollback
    if dry_run:
        out.print(f"would drop message {parked_id} of {service}")
        return
    log.warning("parked_dropped", service=service, parked_id=parked_id, why=why)
    out.print(f"message {parked_id} was dropped")


def _parked(session: PostgresSession, service: str, parked_id: int) -> dict[str, Any]:
    """Return a parked message; raises ValueError."""
    for row in parked.listing(session.cursor):
        if row["id"] == parked_id:
            return row
    raise _not_parked(service, parked_id)


def _not_parked(service: str, parked_id: int) -> ValueError:
    return ValueError(f"{service} has no parked message {parked_id}.")
