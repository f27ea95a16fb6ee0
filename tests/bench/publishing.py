"""The relay, from the log to confirmed messages, beside the broker's own limit.

That is the same messages in frames encoded before the clock starts, in the same windows of
confirms, by a process that does nothing else.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import psycopg
from psycopg.rows import dict_row

from services.ledger.publishing import publish
from shared.bus.confirmation import confirm
from shared.bus.frames import encoder
from shared.bus.history import page_after
from shared.bus.leadership import take_lead
from shared.bus.messages import CONTENT_TYPE, REPEATED_HEADERS, Envelope
from shared.bus.publisher import ConfirmedPublisher
from shared.bus.relay import WINDOW, Relay
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
    with as_service(bench) as database:
        confirm(database, bench.store, publish, lambda: None)
    envelopes = page_after(
        bench.store, publish, 0, 0, limit=10 * ACCOUNTS, max_bytes=2**40
    ).envelopes
    exchange, amqp_url = log_exchange("ledger").name, bench.settings.amqp_url_of("ledger")
    running = Relay(bench.settings, bench.store, publish, threading.Event())

    def ours() -> float:
        with (
            connect(amqp_url, name="bench relay", heartbeat=0) as broker,
            as_service(bench) as database,
        ):
            database.execute("UPDATE relay SET position = 0, published = 0")
            lead = take_lead(database, "relay")
            declare_publishing(broker, "ledger", bench.settings)
            publisher = ConfirmedPublisher(broker.channel(), "ledger")
            return seconds(lambda: _all_sent(running.drain(lead, publisher), len(envelopes)))

    def limit() -> float:
        with connect(amqp_url, name="bench limit", heartbeat=0) as broker:
            declare_publishing(broker, "ledger", bench.settings)
            channel = broker.channel()
            confirms = _WindowPublisher(channel, "ledger")
            windows = _encoded(channel, exchange, envelopes)

            def send() -> None:
                before = None
                for window, size in windows:
                    tag = confirms.send(window, size)
                    if before is not None:
                        confirms.wait_for(before)
                    before = tag
                confirms.wait_for(before or 0)

            return seconds(send)

    result = compare(
        "relay, log to confirmed message",
        "events/s",
        len(envelopes),
        ours,
        "the same frames, encoded ahead",
        limit,
        target=0.7,
        progress=progress,
    )
    with connect(bench.settings.amqp_url, name="bench", heartbeat=0) as broker:
        stream_queue("ledger", bench.settings)(broker.channel()).delete()
    return result


class _WindowPublisher(ConfirmedPublisher):
    """Sends whole windows of encoded messages."""

    def send(self, window: bytes, messages: int) -> int:
        """Send a window without waiting; return the tag of its last message."""
        self._channel.connection.transport.write(window)
        self._unconfirmed.update(range(self._sent + 1, self._sent + messages + 1))
        self._sent += messages
        return self._sent


def _encoded(channel: Any, exchange: str, envelopes: Sequence[Envelope]) -> list[tuple[bytes, int]]:
    """Return the frames of each window of the relay, and how many messages they are."""
    encode = encoder(
        channel.channel_id,
        channel.connection.frame_max,
        "ledger",
        CONTENT_TYPE,
        REPEATED_HEADERS,
        mandatory=True,
    )
    frames = [encode(exchange, one.routing_key, one.headers, one.body) for one in envelopes]
    starts = range(0, len(frames), WINDOW)
    return [
        (b"".join(frames[start : start + WINDOW]), len(frames[start : start + WINDOW]))
        for start in starts
    ]


def _all_sent(sent: int, expected: int) -> None:
    if sent != expected:
        raise RuntimeError(f"the relay sent {sent} of {expected} events")


def as_service(bench: Bench) -> psycopg.Connection[Any]:
    """Connect as the ledger's runtime role, to its schema."""
    return psycopg.connect(
        bench.settings.database_url_of("ledger"),
        autocommit=True,
        row_factory=dict_row,
        options="-c search_path=ledger",
    )
