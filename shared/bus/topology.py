"""Exchanges and queues: all durable, and replicated where RabbitMQ is a cluster.

- ``<service>.log``: the topic exchange that the relay publishes to. Only Saldo's own queues are
  bound to it: the broker confirms a message when every bound queue has taken it, so a foreign queue
  here could stop the service.
- ``<service>.stream``: a RabbitMQ stream bound to it that keeps the history, so that a new
  subscriber can start from the first event.
- ``<service>.events``: the topic exchange of the live feed. Any system may bind its own queue; a
  nameko ``@event_handler`` and a plain AMQP client both work.
- ``<consumer>.from.<upstream>``: the quorum queue of one service's reactions to another, read by
  one process at a time (single active consumer), so that order holds. A message that crashed its
  reader 20 times goes to ``<consumer>.dead``; the reader then detects the gap and fetches it from
  the upstream log.
"""

from __future__ import annotations

from typing import Any

from kombu import Connection, Exchange, Queue

DELIVERY_LIMIT = 20
HEARTBEAT_S = 20
TRANSPORT_OPTIONS = {
    "max_retries": 3,
    "interval_start": 0.1,
    "interval_step": 0.2,
    "interval_max": 1.0,
    "connect_timeout": 3,
}


def connect(amqp_url: str, *, name: str, heartbeat: int = HEARTBEAT_S) -> Connection:
    """Return a connection that is established on first use.

    Pass ``heartbeat=0`` for a connection that is never read: it could not answer heartbeats.
    """
    return Connection(
        amqp_url,
        heartbeat=heartbeat,
        connect_timeout=3,
        transport_options={
            **TRANSPORT_OPTIONS,
            "client_properties": {"connection_name": name},
        },
    )


def log_exchange(service: str) -> Exchange:
    """Return the exchange of a service's events for Saldo's own queues."""
    return Exchange(f"{service}.log", type="topic", durable=True)


def event_exchange(service: str) -> Exchange:
    """Return the exchange of a service's events for subscribers, declared as nameko declares it."""
    return Exchange(f"{service}.events", type="topic", durable=True)


def stream_queue(service: str) -> Queue:
    """Return the stream with a service's published history."""
    return Queue(
        f"{service}.stream",
        exchange=log_exchange(service),
        routing_key="#",
        durable=True,
        queue_arguments={"x-queue-type": "stream"},
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
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": f"{consumer}.dead",
        },
    )


def dead_queue(consumer: str) -> Queue:
    """Return the queue of messages that crashed a consumer too often."""
    return Queue(f"{consumer}.dead", durable=True, queue_arguments={"x-queue-type": "quorum"})


def declare_publishing(channel: Any, service: str) -> None:
    """Declare the exchange and the stream that a relay publishes to."""
    _declare_own(channel, stream_queue(service), service)


def declare_live(channel: Any, service: str) -> None:
    """Declare the exchange that subscribers bind their queues to."""
    event_exchange(service)(channel).declare()


def declare_listening(channel: Any, consumer: str, upstream: str) -> None:
    """Declare the queues that a listener reads."""
    dead_queue(consumer)(channel).declare()
    _declare_own(channel, reaction_queue(consumer, upstream), upstream)


def _declare_own(channel: Any, queue: Queue, service: str) -> None:
    """Declare a queue of Saldo's own on the log exchange, and take it off the subscribers' one.

    Queues of an older version are bound there: they would get every event twice, and their
    confirms are none of the live feed's business.
    """
    queue(channel).declare()
    declare_live(channel, service)
    channel.queue_unbind(queue.name, event_exchange(service).name, "#")
