"""``saldo bus replay``: sends the history of a service to one queue of a subscriber again.

The queue gets what its owner may see and nothing else: the default exchange, by which the messages
go, asks nobody for rights.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, time
from typing import Annotated, Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
import typer

from services.discovery import publisher_of
from services.staff_calls import check_access
from services.subscriber_administration import SubscriberAdministration
from services.terminal import (
    Actor,
    DryRun,
    OptionalReason,
    author,
    counting,
    day_or_instant,
    opened_store,
    out,
    reporting,
)
from shared import context
from shared.bus.grants import Grants
from shared.bus.history import end_of, page_after
from shared.bus.messages import Envelope, TypePredecessors
from shared.bus.publisher import ConfirmedPublisher, PublishError
from shared.bus.topology import connect
from shared.config import Settings, load_settings, user_of
from shared.eventstore.postgres import PostgresStore
from shared.logs import get_logger

log = get_logger(__name__)

WINDOW = 500
"""Events that are published before their confirms are awaited."""
_OWN = re.compile(r"subscriber\.([a-z][a-z0-9_-]{0,31})\..+")
_NAMEKO = re.compile(r"evt-(\w+)-(\w+)--([a-z][a-z0-9_-]{0,31})\..+")

Send = Callable[[list[Envelope]], None]


class Destination(NamedTuple):
    """A queue of a subscriber, and which types of a service it gets, with or without persons."""

    queue: str
    types: frozenset[str]
    persons: bool


def replay(
    service: Annotated[str, typer.Argument(help="The service whose history it is.")],
    to_queue: Annotated[str, typer.Option(help="The queue, such as subscriber.datamart.ledger.")],
    after: Annotated[int, typer.Option(min=0, help="Begin after this position.")] = 0,
    since: Annotated[
        str | None, typer.Option(help="Begin with what was recorded since this day or instant.")
    ] = None,
    actor: Actor = None,
    reason: OptionalReason = "",
    dry_run: DryRun = False,
) -> None:
    """Publish the events of a service again, to one queue only.

    The queue gets what the subscriber who owns it may see.
    """
    with reporting():
        who, why = author(actor, reason, optional=True)
        settings = load_settings()
        amqp_url = settings.staff_amqp_url
        check_access(amqp_url)
        with (
            context.bind(actor=who),
            opened_store(service, writes=True) as store,
            connect(amqp_url, name="replay") as broker,
        ):
            destination = _destination(settings, service, to_queue)
            begin = _beginning(store, settings, after, since)
            publisher = ConfirmedPublisher(broker.channel(), user_of(amqp_url))
            send = _discard if dry_run else _sender(publisher, to_queue)
            sent, position = _replay(store, service, destination, begin, send)
            if not dry_run:
                log.warning("history_replayed", service=service, queue=to_queue, why=why)
    out.print(f"{sent} events {'would be sent' if dry_run else 'sent'}, up to position {position}")


def _destination(settings: Settings, service: str, queue: str) -> Destination:
    """Return what a queue gets. Raises ValueError where nobody owns it, or he may see nothing."""
    own, of_nameko = _OWN.fullmatch(queue), _NAMEKO.fullmatch(queue)
    name = own[1] if own else of_nameko[3] if of_nameko else None
    found = SubscriberAdministration(settings).find(name) if name else None
    if found is None:
        raise ValueError(
            f"{queue} is no queue of a subscriber: those are called subscriber.<name>.<anything>"
        )
    grants = Grants.stored(found.grants, persons=found.persons)
    types = grants.visible(service)
    if of_nameko:
        types = types & {of_nameko[2]} if of_nameko[1] == service else frozenset()
    if not types:
        raise ValueError(f"{found.name} may see nothing of {service} in {queue}")
    return Destination(queue, types, grants.persons)


def _beginning(store: PostgresStore, settings: Settings, after: int, since: str | None) -> int:
    if since is None:
        return after
    if after:
        raise ValueError("give one of --after and --since")
    moment = str(day_or_instant(since, "--since"))
    if len(moment) == len("2026-10-31"):
        zone = ZoneInfo(settings.timezone)
        return end_of(store, datetime.combine(date.fromisoformat(moment), time(), zone))
    return end_of(store, datetime.fromisoformat(moment))


def _replay(
    store: PostgresStore, service: str, destination: Destination, after: int, send: Send
) -> tuple[int, int]:
    """Return how many events were sent, and the position up to which the log was read."""
    publish, last = publisher_of(service), end_of(store)
    sent, position, predecessor, epoch = 0, after, after, ""
    types = TypePredecessors({}, after)  # before the beginning there is no gap to find
    with counting(f"replaying {service}", max(0, last - after)) as advance:
        while True:
            page = page_after(
                store, publish, position, predecessor,
                limit=WINDOW, types=destination.types, persons=destination.persons, epoch=epoch,
            )  # fmt: skip
            epoch = page.history.epoch_at(page.position).name
            send([types.added_to(one) for one in page.envelopes])
            sent += len(page.envelopes)
            advance(page.position - position)
            position, predecessor = page.position, page.published
            if not page.more:
                return sent, position


def _sender(publisher: ConfirmedPublisher, queue: str) -> Send:
    def send(envelopes: list[Envelope]) -> None:
        tag = 0
        for message in envelopes:
            tag = publisher.publish("", msgspec.structs.replace(message, routing_key=queue))
        try:
            if tag:
                publisher.wait_for(tag)
        except PublishError as error:
            raise ValueError(f"{queue} does not take it: {error}") from None

    return send


def _discard(_: list[Any]) -> None:
    """Send nothing."""
