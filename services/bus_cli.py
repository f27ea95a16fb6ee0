"""``saldo bus``: lag, parked messages, what there is; replay of history to a subscriber's queue."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
import typer

from services.bus_commands import describe, lag, parked
from services.discovery import publisher_of
from services.terminal import (
    Actor,
    DryRun,
    OptionalReason,
    StaffVerbs,
    author,
    counting,
    opened_store,
    out,
    reporting,
)
from shared import context
from shared.bus.publisher import ConfirmedPublisher
from shared.bus.relay import published_after
from shared.bus.topology import connect
from shared.config import load_settings, user_of
from shared.eventstore.postgres import PostgresStore
from shared.logs import get_logger

app = StaffVerbs("The bus: lag, parked messages, exchanges and types; replay of history.")
app.reads("lag")(lag.lag)
app.reads("describe")(describe.describe)
app.writes("parked", long=True)(parked.parked_)
log = get_logger(__name__)

WINDOW = 500
"""Events that are published before their confirms are awaited."""


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
