"""``saldo bus lag``: how far relays, live feeds, reactions and subscribers are behind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Annotated

import msgspec
import typer

from services.bus_commands.broker import QueueFigures, opened_broker
from services.bus_commands.reachable import read_each, sentences
from services.discovery import reactions_of
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
from shared.books import with_books
from shared.bus.progress import ServiceProgress, Upstream, progress_of, upstream_after
from shared.bus.topology import reaction_queue, stream_queue
from shared.config import SERVICES, load_settings
from shared.errors import Unavailable
from shared.eventstore.postgres import PostgresStore

STALE_S = 10.0
"""How old the broker's figures may be: a message that is younger may be in no figure yet."""


class Limits(msgspec.Struct, frozen=True):
    """What may be behind before it is a finding."""

    events: int
    seconds: float
    parked: int
    queued: int


class ServiceLag(msgspec.Struct, frozen=True, kw_only=True):
    """A log, its relay and its live feed: positions, and how much each owes since when."""

    service: str
    log: int
    relay: int
    relay_events: int
    relay_seconds: float
    live: int
    live_events: int
    live_seconds: float
    parked: int
    parked_seconds: float
    waiting: int
    quarantined: int
    stream_messages: int | None = None


class ReactionLag(msgspec.Struct, frozen=True, kw_only=True):
    """The reactions of a service to an upstream, whose log ends at ``log``.

    ``events`` counts positions, also of events that are not published. ``gap``: the upstream has
    published what has neither taken effect nor waits in the queue; None where the broker was not
    asked. ``stopped``: why nothing more is read, "" where it is.
    """

    service: str
    upstream: str
    position: int
    log: int
    events: int
    seconds: float
    queued: int | None = None
    consumers: int | None = None
    gap: bool | None = None
    stopped: str = ""

    @property
    def ahead(self) -> bool:
        """Whether the position lies beyond the upstream's log: that has lost its end."""
        return self.position > self.log


class Lag(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that ``saldo bus lag`` shows; ``findings`` are the sentences beyond the limits."""

    services: list[ServiceLag]
    reactions: list[ReactionLag]
    queues: list[QueueFigures] | None
    unreachable: list[str]
    findings: list[str]


def lag(
    max_events: Annotated[int, typer.Option(help="How many events may wait.")] = 10_000,
    max_seconds: Annotated[float, typer.Option(help="How long an event may wait.")] = 60.0,
    max_parked: Annotated[
        int, typer.Option(help="How many messages of a service may be parked.")
    ] = 0,
    max_queued: Annotated[
        int, typer.Option(help="How many messages may wait in a queue of a subscriber.")
    ] = 100_000,
    json: Json = False,
) -> None:
    """Show how far relays, live feeds, reactions and subscribers are behind.

    Queues and streams are shown where SALDO_AMQP_ADMIN_URL names RabbitMQ's management API. Exit
    code 1: something is behind more than the options allow, a gap is not filled, a reader has
    stopped, or a message is quarantined; 2: a database or the broker does not answer.
    """
    with reporting():
        found = measured(Limits(max_events, max_seconds, max_parked, max_queued))
    if json:
        print_json(found)
    else:
        _print(found)
    if found.unreachable:
        raise typer.Exit(BAD_INPUT)
    raise typer.Exit(DIFFERENCE if found.findings else DONE)


def measured(limits: Limits) -> Lag:
    """Return what is behind now."""
    broker = opened_broker()
    unreachable: list[str] = []
    queues: list[QueueFigures] | None = None
    try:
        queues = list(broker.queues()) if broker else None
    except Unavailable as error:
        unreachable.append(f"broker: {error}")
    by_name = {queue.name: queue for queue in queues or ()}
    with ExitStack() as stack:
        read = read_each(stack, with_books(SERVICES, load_settings().books), _progress)
        unreachable += sentences(read.unreachable)
        services = [_service(name, found, by_name) for name, found in read.found.items()]
        reactions = list(_reactions(read.stores, read.found, by_name, asked=queues is not None))
    foreign = None if queues is None else [queue for queue in queues if _is_watched(queue)]
    findings = [
        *_of_services(services, limits),
        *_of_reactions(reactions, limits),
        *_of_queues(foreign or (), limits),
    ]
    return Lag(
        services=services,
        reactions=reactions,
        queues=foreign,
        unreachable=unreachable,
        findings=findings,
    )


def _progress(store: PostgresStore) -> ServiceProgress:
    return store.query(lambda session: progress_of(session.cursor))


def _service(name: str, found: ServiceProgress, queues: Mapping[str, QueueFigures]) -> ServiceLag:
    stream = queues.get(stream_queue(name, load_settings()).name)
    return ServiceLag(
        service=name,
        log=found.appended,
        relay=found.relayed,
        relay_events=found.lag,
        relay_seconds=round(found.relay_waits, 1),
        live=found.live,
        live_events=found.live_lag,
        live_seconds=round(found.live_waits, 1),
        parked=found.parked,
        parked_seconds=round(found.parked_for, 1),
        waiting=found.waiting,
        quarantined=found.quarantined,
        stream_messages=stream.messages if stream else None,
    )


def _reactions(
    stores: Mapping[str, PostgresStore],
    progress: Mapping[str, ServiceProgress],
    queues: Mapping[str, QueueFigures],
    *,
    asked: bool,
) -> Iterator[ReactionLag]:
    """Yield each pair whose two databases answer."""
    for service, found in progress.items():
        for upstream in reactions_of(service):
            if upstream not in progress:
                continue
            position = found.positions.get(upstream, 0)
            # Read after the position: a log never ends before what was read of it earlier.
            log = _upstream(stores[upstream], position)
            queue = queues.get(reaction_queue(service, upstream).name)
            empty = queue is None or not queue.messages
            yield ReactionLag(
                service=service,
                upstream=upstream,
                position=position,
                log=log.appended,
                events=max(0, log.published - position),
                seconds=round(log.seconds, 1),
                queued=queue.messages if queue else None,
                consumers=queue.consumers if queue else None,
                gap=(log.seconds > STALE_S and empty) if asked else None,
                stopped=found.stopped.get(upstream, ""),
            )


def _upstream(store: PostgresStore, position: int) -> Upstream:
    return store.query(lambda session: upstream_after(session.cursor, position))


def _is_watched(queue: QueueFigures) -> bool:
    """Whether a queue is a subscriber's, or holds what crashed its readers."""
    return queue.is_foreign or (queue.name.endswith(".dead") and bool(queue.messages))


def _of_services(services: Sequence[ServiceLag], limits: Limits) -> Iterator[str]:
    for found in services:
        for what, events, seconds in (
            ("relay", found.relay_events, found.relay_seconds),
            ("live feed", found.live_events, found.live_seconds),
        ):
            if events < 0:
                yield f"{found.service}: the log ends before the position of its {what}"
            elif events > limits.events or seconds > limits.seconds:
                yield f"{found.service}: the {what} owes {events} events, for {seconds:.0f} s"
        if found.parked > limits.parked:
            yield f"{found.service}: parked messages: {found.parked}"
        if found.quarantined:
            yield f"{found.service}: messages in quarantine: {found.quarantined}"


def _of_reactions(reactions: Sequence[ReactionLag], limits: Limits) -> Iterator[str]:
    for found in reactions:
        pair = f"{found.service} from {found.upstream}"
        if found.stopped:
            yield f"{pair}: it {found.stopped}; nothing more is read"
        elif found.ahead:
            yield f"{pair}: the log of {found.upstream} ends before position {found.position}"
        elif found.gap:
            yield f"{pair}: the events after position {found.position} are not in the queue"
        elif found.events > limits.events or found.seconds > limits.seconds:
            yield f"{pair}: {found.events} events wait, for {found.seconds:.0f} s"


def _of_queues(queues: Sequence[QueueFigures], limits: Limits) -> Iterator[str]:
    for queue in queues:
        if not queue.is_foreign:
            yield f"{queue.name}: {queue.messages} messages that crashed their reader"
        elif (queue.messages or 0) > limits.queued:
            yield f"{queue.name}: {queue.messages} messages wait"


def _print(found: Lag) -> None:
    if found.services:
        _print_services(found.services)
    if found.reactions:
        _print_reactions(found.reactions)
    if found.queues is None and found.services:
        err.print("Queues and streams: set SALDO_AMQP_ADMIN_URL to see them.", soft_wrap=True)
    elif found.queues:
        _print_queues(found.queues)
    for sentence in found.unreachable:
        err.print(sentence, soft_wrap=True)
    for sentence in found.findings:
        out.print(sentence, soft_wrap=True)


def _print_services(services: Sequence[ServiceLag]) -> None:
    amounts = (
        "log", "relay", "owes", "for s", "live", "owes live", "live s", "parked", "waiting",
        "quarantined", "stream",
    )  # fmt: skip
    table = new_table("Logs, relays and live feeds", "service", amounts=amounts)
    for one in services:
        table.add_row(
            one.service, str(one.log), str(one.relay), str(one.relay_events),
            f"{one.relay_seconds:.1f}", str(one.live), str(one.live_events),
            f"{one.live_seconds:.1f}", str(one.parked), str(one.waiting), str(one.quarantined),
            _figure(one.stream_messages),
        )  # fmt: skip
    show(table)


def _print_reactions(reactions: Sequence[ReactionLag]) -> None:
    amounts = ("position", "events", "for s", "queued", "consumers")
    table = new_table("Reactions", "service", "upstream", "state", "gap", amounts=amounts)
    for pair in reactions:
        gap = "" if pair.gap is None else "yes" if pair.gap else "no"
        table.add_row(
            pair.service, pair.upstream, "stopped" if pair.stopped else "", gap,
            str(pair.position), str(pair.events), f"{pair.seconds:.1f}", _figure(pair.queued),
            _figure(pair.consumers),
        )  # fmt: skip
    show(table, keys=2)


def _print_queues(queues: Sequence[QueueFigures]) -> None:
    amounts = ("messages", "unacknowledged", "consumers")
    table = new_table("Queues of subscribers", "queue", "type", "state", amounts=amounts)
    for queue in queues:
        figures = (queue.messages, queue.unacknowledged, queue.consumers)
        table.add_row(queue.name, queue.kind, queue.state, *map(_figure, figures))
    show(table)


def _figure(figure: int | None) -> str:
    return "" if figure is None else str(figure)
