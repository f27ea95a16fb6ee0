"""Exchanges and queues: all durable, and replicated where RabbitMQ is a cluster.

- ``<service>.log``: the topic exchange that the relay publishes to. Only Saldo's own queues are
  bound to it: the broker confirms a message when every bound queue has taken it, so a foreign queue
  here could stop the service.
- ``<service>.stream``: a RabbitMQ stream bound to it that keeps the history, so that a new
  subscriber can start from the first event.
- ``<service>.events``: the topic exchange of the live feed. Any system may bind its own queue; a
  nameko ``@event_handler`` and a plain AMQP client both work.
  Identifiers of persons are left out.
- ``<service>.persons``: the same events whole, of those types that identify persons, for
  subscribers with a grant for it.
- ``<consumer>.from.<upstream>``: the quorum queue of one service's reactions to another, read by
  one process at a time (single active consumer), so that order holds. A message that crashed its
  reader 20 times goes to the exchange and queue ``<consumer>.dead``; the reader then detects the
  gap and fetches it from the upstream log.
"""

from __future__ import annotations

from typing import Any

import amqp
from kombu import Connection, Exchange, Queue

from shared.bus.broker_connection import BrokerConnection, small_frames
from shared.bus.grants import types_with_persons
from shared.bus.principals import tls_of
from shared.config import Settings
from shared.logs import get_logger

log = get_logger(__name__)

DELIVERY_LIMIT = 20
HEARTBEAT_S = 20
MAX_SEGMENT = 100 * 2**20
"""Bytes: the largest part of a stream that is deleted at once."""
TRANSPORT_OPTIONS = {
    "max_retries": 3,
    "interval_start": 0.1,
    "interval_step": 0.2,
    "interval_max": 1.0,
    "connect_timeout": 3,
}


def connect(
    amqp_url: str, *, name: str, heartbeat: int = HEARTBEAT_S, reads_ahead: bool = False
) -> BrokerConnection:
    """Return a connection that is established on first use.

    Pass ``heartbeat=0`` for a connection that is never read: it could not answer heartbeats.
    ``reads_ahead`` is for one on which very many messages may come or go
    (:mod:`shared.bus.read_ahead`).
    """
    made = BrokerConnection(
        amqp_url,
        ssl=tls_of(amqp_url) or False,
        heartbeat=heartbeat,
        connect_timeout=3,
        transport_options={
            **TRANSPORT_OPTIONS,
            "client_properties": {"connection_name": name},
            "frame_writer": small_frames,
        },
    )
    made.reads_ahead = reads_ahead
    return made


def log_exchange(service: str) -> Exchange:
    """Return the exchange of a service's events for Saldo's own queues."""
    return Exchange(f"{service}.log", type="topic", durable=True)


def event_exchange(service: str) -> Exchange:
    """Return the exchange of a service's events for subscribers, declared as nameko declares it."""
    return Exchange(f"{service}.events", type="topic", durable=True)


def person_exchange(service: str) -> Exchange:
    """Return the exchange of the events that identify persons, whole."""
    return Exchange(f"{service}.persons", type="topic", durable=True)


def stream_queue(service: str, settings: Settings) -> Queue:
    """Return the stream with a service's published history, as long as the settings keep it."""
    return Queue(
        f"{service}.stream",
        exchange=log_exchange(service),
        routing_key="#",
        durable=True,
        queue_arguments={
            "x-queue-type": "stream",
            "x-max-age": settings.stream_max_age,
            "x-max-length-bytes": settings.stream_max_bytes,
            # Retention removes whole segments, so they are well below the whole.
            "x-stream-max-segment-size-bytes": min(MAX_SEGMENT, settings.stream_max_bytes // 4),
        },
    )


def reaction_queue(consumer: str, upstream: str) -> Queue:
    """Return the ordered queue of a consumer's reactions to an upstream."""
    return Queue(
        f"{consumer}.from.{upstream}",
        exchange=log_exchange(upstream),
        routing_key="#",
        durable=True,
        queue_arguments={
            "x-queue-type": "quorum",
            "x-single-active-consumer": True,
            "x-delivery-limit": DELIVERY_LIMIT,
            # Not the default exchange: who may write to that may write to any queue.
            "x-dead-letter-exchange": dead_exchange(consumer).name,
        },
    )


def dead_exchange(consumer: str) -> Exchange:
    """Return the exchange to which the queues of a consumer dead-letter."""
    return Exchange(f"{consumer}.dead", type="fanout", durable=True)


def dead_queue(consumer: str) -> Queue:
    """Return the queue of messages that crashed a consumer too often."""
    return Queue(
        f"{consumer}.dead",
        exchange=dead_exchange(consumer),
        durable=True,
        queue_arguments={"x-queue-type": "quorum"},
    )


def declare_publishing(broker: Connection, service: str, settings: Settings) -> None:
    """Declare the exchanges of a service, and the stream that its relay publishes to."""
    with broker.channel() as channel:
        log_exchange(service)(channel).declare()
        declare_live(channel, service)
    try:
        with broker.channel() as channel:
            stream_queue(service, settings)(channel).queue_declare()
            _bind_own(channel, stream_queue(service, settings), service)
    except amqp.PreconditionFailed:
        # The arguments of a queue cannot be changed. What is published is kept all the same; the
        # broker's operator changes the retention of an existing stream by a policy.
        log.warning("stream_retention_differs", stream=f"{service}.stream")
        with broker.channel() as channel:
            _bind_own(channel, stream_queue(service, settings), service)


def declare_live(channel: Any, service: str) -> None:
    """Declare the exchanges that subscribers bind their queues to."""
    event_exchange(service)(channel).declare()
    if types_with_persons(service):
        person_exchange(service)(channel).declare()


def has_exchanges(broker: Connection, upstream: str) -> bool:
    """Return whether the exchanges of a service exist: its own relay declares them."""
    try:
        with broker.channel() as channel:
            for exchange in (log_exchange(upstream), event_exchange(upstream)):
                channel.exchange_declare(exchange.name, exchange.type, passive=True)
    except amqp.NotFound:
        return False
    return True


def declare_listening(broker: Connection, consumer: str, upstream: str) -> None:
    """Declare the queues that a listener reads; the exchanges of the upstream must exist."""
    queue = reaction_queue(consumer, upstream)
    with broker.channel() as channel:
        dead_queue(consumer)(channel).declare()
    try:
        with broker.channel() as channel:
            queue(channel).queue_declare()
    except amqp.PreconditionFailed:
        # That of an older version dead-letters through the default exchange, and goes on to.
        log.info("queue_of_an_older_version", queue=queue.name)
    with broker.channel() as channel:
        _bind_own(channel, queue, upstream)


def _bind_own(channel: Any, queue: Queue, service: str) -> None:
    """Bind a queue of Saldo's own to the log exchange, and take it off the subscribers' one.

    Queues of an older version are bound there: they would get every event twice, and their
    confirms are none of the live feed's business.
    """
    channel.queue_bind(queue.name, log_exchange(service).name, "#")
    channel.queue_unbind(queue.name, event_exchange(service).name, "#")
