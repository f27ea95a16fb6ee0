"""``saldo bus``: parked messages, and replaying a service's history to a subscriber's queue."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from services.discovery import check_names, open_store, publisher_of, reactions_of
from services.work import WorkerServices
from shared.bus import parked
from shared.bus.listen import Reactions
from shared.bus.publisher import ConfirmedPublisher
from shared.bus.relay import published_after
from shared.bus.topology import connect
from shared.config import SERVICES, load_settings
from shared.eventstore.postgres import PostgresStore
from shared.logs import get_logger
from shared.rpc.client import RpcClient

app = typer.Typer(no_args_is_help=True, help="The bus: parked messages, replay of history.")
out, err = Console(), Console(stderr=True)
log = get_logger(__name__)

WINDOW = 500


@app.command("parked")
def parked_(
    service: Annotated[str | None, typer.Argument(help="Whose; all when left out.")] = None,
    retry: Annotated[int | None, typer.Option(help="Try this message again.")] = None,
    drop: Annotated[int | None, typer.Option(help="Forget this message.")] = None,
    actor: Annotated[str, typer.Option(help="Who decides, e.g. staff:ivanova.")] = "",
    reason: Annotated[str, typer.Option(help="Why it is dropped.")] = "",
    dry_run: Annotated[bool, typer.Option(help="Only show what would be done.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Answer JSON.")] = False,
) -> None:
    """List parked messages, or decide on one. Exit 1: there are some."""
    if (retry is not None or drop is not None) and (service is None or not actor):
        err.print("Name the service and --actor to decide on a message.")
        raise typer.Exit(2)
    if drop is not None and not reason:
        err.print("Dropping a message needs a --reason.")
        raise typer.Exit(2)
    if retry is not None and service is not None:
        _retry(service, retry, actor, dry_run)
    elif drop is not None and service is not None:
        _drop(service, drop, actor, reason, dry_run)
    else:
        _list([service] if service else list(SERVICES), json)


@app.command()
def replay(
    service: Annotated[str, typer.Argument(help="Whose history.")],
    to_queue: Annotated[str, typer.Option(help="The subscriber's own queue.")],
    after: Annotated[int, typer.Option(help="Begin after this position.")] = 0,
    dry_run: Annotated[bool, typer.Option(help="Only count.")] = False,
) -> None:
    """Send published events again, to one queue only; the exchange's readers see nothing."""
    with _store(service) as store, connect(load_settings().amqp_url, name="replay") as broker:
        publisher, publish = ConfirmedPublisher(broker.channel()), publisher_of(service)
        sent, position, predecessor, tag = 0, after, after, 0
        last = store.recorder.max_notification_id() or 0
        with Progress(console=err) as bar:
            task = bar.add_task(f"{service} -> {to_queue}", total=max(0, last - after))
            while True:
                envelopes, reached, predecessor = published_after(
                    store, publish, position, WINDOW, predecessor
                )
                if reached == position:
                    break
                for message in [] if dry_run else envelopes:
                    tag = publisher.publish(
                        "", msgspec.structs.replace(message, routing_key=to_queue)
                    )
                if tag:
                    publisher.wait_for(tag)
                sent += len(envelopes)
                bar.advance(task, reached - position)
                position = reached
    out.print(f"{sent} events {'would be sent' if dry_run else 'sent'}, up to position {position}")


def _list(names: list[str], json: bool) -> None:
    found = []
    for name in check_names(names):
        with _store(name) as store:
            rows = store.query(lambda session: parked.listing(session.cursor))
        found += [{"service": name, **row} for row in rows]
    if json:
        sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
    else:
        table = Table("Service", "Id", "From", "Position", "Type", "Reason", "Tries", "Error id")
        for row in found:
            table.add_row(
                row["service"],
                *(str(row[k]) for k in ("id", "upstream", "position", "type", "reason")),
                str(row["attempts"]),
                row["error_id"],
            )
        out.print(table if found else "Nothing is parked.")
    raise typer.Exit(1 if found else 0)


def _retry(service: str, parked_id: int, actor: str, dry_run: bool) -> None:
    settings = load_settings()
    client = RpcClient(settings.amqp_url, name="bus-cli")
    try:
        with _store(service) as store, store.session() as session:
            rows = [row for row in parked.listing(session.cursor) if row["id"] == parked_id]
            if not rows:
                err.print(f"{service} has no parked message {parked_id}.")
                raise typer.Exit(2)
            if dry_run:
                out.print(f"would try {rows[0]['type']} {rows[0]['position']} again")
                return
            upstream = rows[0]["upstream"]
            reactions = Reactions(
                WorkerServices(settings, store, client),
                store,
                upstream,
                reactions_of(service)[upstream],
            )
            parked.retry(
                session.cursor, parked_id, lambda message: reactions.handle(session, message)
            )
        log.warning("parked_retried", service=service, parked_id=parked_id, by=actor)
        out.print(f"message {parked_id} was handled")
    except (parked.OutOfOrderError, parked.MalformedMessageError) as error:
        err.print(str(error))
        raise typer.Exit(2) from None
    finally:
        client.close()


def _drop(service: str, parked_id: int, actor: str, reason: str, dry_run: bool) -> None:
    with _store(service) as store, store.session() as session:
        if dry_run:
            out.print(f"would drop message {parked_id} of {service}")
            return
        if not parked.drop(session.cursor, parked_id):
            err.print(f"{service} has no parked message {parked_id}.")
            raise typer.Exit(2)
        log.warning("parked_dropped", service=service, parked_id=parked_id, by=actor, why=reason)
    out.print(f"message {parked_id} was dropped")


@contextmanager
def _store(service: str) -> Iterator[PostgresStore]:
    store = open_store(check_names([service])[0], load_settings())
    try:
        yield store
    finally:
        store.close()
