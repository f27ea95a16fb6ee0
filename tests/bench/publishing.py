"""The relay, from the log to confirmed messages, beside a bare pipelined publish of the same."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import psycopg
from psycopg.rows import dict_row

from services.ledger.publishing import publish
from shared.bus.confirmation import confirm
from shared.bus.history import page_after
from shared.bus.leadership import take_lead
from shared.bus.publisher import ConfirmedPublisher
from shared.bus.relay import Relay
from shared.bus.topology import connect, declare_publishing, log_exchange, stream_queue
from shared.eventstore.recorder import Cause
from shared.ids import new_id
from tests.bench.company import Bench, billing_run, encoded_rows, opened
from tests.bench.measure import Result, compare, seconds

ACCOUNTS = 10_000


def relay(bench: Bench, progress: Callable[[str], None]) -> Result:
    """Measure publishing 20 000 events to the same exchange and stream."""
    bench.reset()
    for rows in (opened(ACCOUNTS), billing_run(ACCOUNTS)):
        with bench.store.session(Cause(new_id(), "staff:bench", "bench")) as session:
            session.copy_states(encoded_rows(bench.store, rows))
    with _as_service(bench) as database:
        confirm(database, bench.store, publish, lambda: None)
    envelopes = page_after(
        bench.store, publish, 0, 0, limit=10 * ACCOUNTS, max_bytes=2**40
    ).envelopes
    exchange, amqp_url = log_exchange("ledger").name, bench.settings.amqp_url_of("ledger")
    running = Relay(bench.settings, bench.store, publish, threading.Event())

    def ours() -> float:
        with (
            connect(amqp_url, name="bench relay", heartbeat=0) as broker,
            _as_service(bench) as database,
        ):
            database.execute("UPDATE relay SET position = 0, published = 0")
            lead = take_lead(database, "relay")
            declare_publishing(broker, "ledger", bench.settings)
            publisher = ConfirmedPublisher(broker.channel(), "ledger")
            return seconds(lambda: _all_sent(running.drain(lead, publisher), len(envelopes)))

    def bare() -> float:
        with connect(amqp_url, name="bench bare", heartbeat=0) as broker:
            declare_publishing(broker, "ledger", bench.settings)
            publisher = ConfirmedPublisher(broker.channel(), "ledger")

            def send() -> None:
                tag = 0
                for envelope in envelopes:
                    tag = publisher.publish(exchange, envelope)
                    if publisher.unconfirmed >= 1_000:
                        publisher.wait_for(tag - 500)
                publisher.wait_for(tag)

            return seconds(send)

    result = compare(
        "relay, log to confirmed message",
        "events/s",
        len(envelopes),
        ours,
        "bare pipelined publish of the same messages",
        bare,
        target=0.5,
        progress=progress,
    )
    with connect(bench.settings.amqp_url, name="bench", heartbeat=0) as broker:
        stream_queue("ledger", bench.settings)(broker.channel()).delete()
    return result


def _all_sent(sent: int, expected: int) -> None:
    if sent != expected:
        raise RuntimeError(f"the relay sent {sent} of {expected} events")


def _as_service(bench: Bench) -> psycopg.Connection[Any]:
    return psycopg.connect(
        bench.settings.database_url_of("ledger"),
        autocommit=True,
        row_factory=dict_row,
        options="-c search_path=ledger",
    )
