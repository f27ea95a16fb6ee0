"""The relay: publishes a service's events to Saldo's own queues and to the stream.

It reads the log after its position, publishes in the order of the log, and advances its position
once the broker has confirmed: at least once, never out of order. One relay per service is active,
behind an advisory lock that PostgreSQL releases when the process dies. Before it publishes it
confirms the log (:mod:`shared.bus.confirmation`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from functools import partial
from itertools import chain
from threading import Event as StopSignal
from typing import NamedTuple

from shared import telemetry, tracing
from shared.bus.confirmation import compare, confirm
from shared.bus.crowding import Crowding
from shared.bus.epochs import MARK, LogHistory, confirmed_history
from shared.bus.leadership import Lead, lead
from shared.bus.messages import Envelope, Publish, envelope, in_order
from shared.bus.publisher import ConfirmedPublisher
from shared.bus.stream import last_sent
from shared.bus.topology import connect, declare_publishing, log_exchange
from shared.bus.waking import POLL_S, Waking
from shared.config import Settings
from shared.eventstore.events import UnknownTopicError
from shared.eventstore.postgres import PostgresStore
from shared.eventstore.recorder import LoggedEvent
from shared.logs import get_logger

log = get_logger(__name__)

WINDOW = 500
LEFT_S, MOST_LEFT = 0.5, 100
"""How long events that are not published may be left to be read again, and how many of them."""
MANY = 100
"""Messages of a window from which on they are written together: fewer are to arrive at once."""
NOTED_WITHIN_S = 0.25
"""How long what was published is not noted, if nothing follows. A process that is killed meanwhile
has it published once more by the next."""
_PLACE = f"SELECT relay.position, relay.published, {MARK} FROM relay LEFT JOIN log_run ON true"


def published_of(
    store: PostgresStore,
    publish: Publish,
    history: LogHistory,
    rows: Sequence[LoggedEvent],
    position: int,
    predecessor: int,
) -> tuple[list[Envelope], int, int]:
    """Return (envelopes, last position, last published position) of rows that follow a position.

    ``predecessor`` is the last published position up to ``position``. They end before an event that
    this version does not know: what it would publish of it, a newer version does. Raises
    UnknownTopicError where the first is such a one.
    """
    envelopes, begin = [], position
    for logged in rows:
        try:
            recorded = store.recorded(logged)
        except UnknownTopicError:
            if position == begin:
                raise
            break
        position = recorded.position
        epoch = history.epoch_at(position).name
        versions = in_order(publish(recorded))
        envelopes += [
            envelope(store.service, recorded, one, predecessor, epoch) for one in versions
        ]
        if versions:
            predecessor = position
    return envelopes, position, predecessor


class Window(NamedTuple):
    """A part of the log, ready to send: ``position`` is the last one that was read for it.

    ``log`` says which log on which run of its server it was read from.
    """

    after: int
    envelopes: list[Envelope]
    position: int
    published: int
    log: tuple[datetime, str]


def read_window(
    lead: Lead, store: PostgresStore, publish: Publish, after: int, limit: int, predecessor: int
) -> Window | None:
    """Return the next window of the log after a position; None at its end.

    It is read on the connection that holds the lock: whoever has lost it reads nothing, and no
    other connection can be to another server. Raises Unavailable ``log_not_confirmed``.
    """
    return _read(lead, store, publish, limit, (after, predecessor))


def next_window(lead: Lead, store: PostgresStore, publish: Publish, limit: int) -> Window | None:
    """Return the window of the log that follows what the relay has published."""
    return _read(lead, store, publish, limit, None)


def _read(
    lead: Lead, store: PostgresStore, publish: Publish, limit: int, since: tuple[int, int] | None
) -> Window | None:
    """Read by one round trip, which is one transaction, what makes a window."""
    connection, recorder = lead.connection, store.recorder
    with connection.cursor() as place, recorder.reading(connection) as reading:
        with lead.asking():
            place.execute(_PLACE)
            recorder.ask_after(reading, None if since is None else since[0], limit)
        row = place.fetchone()
        history = confirmed_history(*lead.known.of(row, connection))
        if since is None:
            since = (row["position"], row["published"]) if row else (0, 0)
        rows = [LoggedEvent(*row) for row in reading]
    after, predecessor = since
    envelopes, position, published = published_of(store, publish, history, rows, after, predecessor)
    if position == after:
        return None
    return Window(after, envelopes, position, published, (lead.started_at, history.current.name))


def send_all(
    lead: Lead,
    publisher: ConfirmedPublisher,
    messages: Iterable[tuple[str, Envelope]],
    count: int,
) -> int:
    """Send messages, each to its exchange, while the lead is ours; return the last tag."""
    tag = 0
    with publisher.gathering(count >= MANY):
        for found in lead.while_ours(chain(messages, (None,))):
            if found is None:
                publisher.flush()
            else:
                tag = publisher.publish(*found)
    return tag


class Relay:
    """Publishes one service's log until stopped.

    ``hand_on`` gets each window once it is published and recorded as such; ``noticed`` is called
    when there are new events, also such as are not published. Neither may wait.
    """

    def __init__(
        self,
        settings: Settings,
        store: PostgresStore,
        publish: Publish,
        stop: StopSignal,
        hand_on: Callable[[Window], None] | None = None,
        noticed: Callable[[], None] = lambda: None,
    ) -> None:
        self._settings = settings
        self._store = store
        self._publish = publish
        self._stop = stop
        self._hand_on = hand_on
        self._noticed = noticed
        self._left_since: float | None = None
        self._crowding: Crowding | None = None
        self._service = store.service
        self._published = telemetry.RELAY_EVENTS.labels(store.service)

    def run(self) -> None:
        """Take the lock and publish; returns on stop, raises when a node is lost.

        Raises UnknownTopicError before an event that only a newer version knows: it is not passed
        over, and the lock is free for that version.
        """
        lead(self._settings, self._service, "relay", self._stop, self._publish_on)

    def _publish_on(self, lead: Lead) -> None:
        waking = Waking(lead.connection, self._store.recorder)
        url = self._settings.amqp_url_of(self._service)
        with connect(url, name=f"{self._service} relay", reads_ahead=True) as broker:
            confirm(
                lead.connection,
                self._store,
                self._publish,
                lambda: last_sent(broker, self._service, partial(compare, lead.connection)),
            )
            declare_publishing(broker, self._service, self._settings)
            publisher = ConfirmedPublisher(broker.channel(), self._service)
            self._crowding = Crowding(
                lead.connection, broker, self._store.recorder, self._settings.books
            )
            log.info("relay_ready", service=self._service, term=lead.term)
            with lead.noting():
                while not self._stop.is_set():
                    # It returns within a second, which keeps the heartbeats of the broker going.
                    waking.wait(self.drain(lead, publisher), self._look_again_in(lead))
                    broker.heartbeat_check()
                    publisher.process(0.001)

    def _look_again_in(self, lead: Lead) -> float:
        """Return when the log is read again, at the latest, in seconds."""
        at_most = self._crowding.look() if self._crowding is not None else POLL_S
        return min(at_most, NOTED_WITHIN_S) if lead.has_notes else at_most

    def drain(self, lead: Lead, publisher: ConfirmedPublisher) -> int:
        """Publish the log to its end; return the number of messages sent.

        While one window waits for its confirms, the next is read and sent. What is appended after
        the last one was read is a reason to be woken.
        """
        exchange = log_exchange(self._service).name
        sent, in_flight = 0, None
        for window in self._windows(lead):
            self._noticed()
            if self._may_leave(window):
                break
            began = time.time_ns()
            messages = ((exchange, message) for message in window.envelopes)
            if self._crowding is not None:
                self._crowding.sends(len(window.envelopes))
            tag = send_all(lead, publisher, messages, len(window.envelopes))
            sent += len(window.envelopes)
            if in_flight is not None:
                self._confirm(lead, publisher, *in_flight)
            in_flight = (tag, window, began)
        if in_flight is not None:
            self._confirm(lead, publisher, *in_flight)
        return sent

    def _may_leave(self, window: Window) -> bool:
        """Return whether a window may be read again with what follows it.

        Nothing of it is published, and to record that for each event of a service's own costs as
        much as to publish it.
        """
        if window.envelopes or window.position - window.after > MOST_LEFT:
            return False
        now = time.monotonic()
        if self._left_since is None:
            self._left_since = now
        return now - self._left_since < LEFT_S

    def _windows(self, lead: Lead) -> Iterator[Window]:
        window = next_window(lead, self._store, self._publish, WINDOW)
        while window is not None and not self._stop.is_set():
            yield window
            if window.position - window.after < WINDOW:
                return  # it was not full
            try:
                window = read_window(
                    lead, self._store, self._publish, window.position, WINDOW, window.published
                )
            except UnknownTopicError:
                return  # it is raised again once what was sent before it is confirmed

    def _confirm(
        self,
        lead: Lead,
        publisher: ConfirmedPublisher,
        tag: int,
        window: Window,
        began: int,
    ) -> None:
        publisher.wait_for(tag)
        self._left_since = None
        exchange = log_exchange(self._service).name
        tracing.published(self._service, exchange, window.envelopes, began)
        # Many are noted at once: whoever appends in bulk waits for that.
        note = lead.note if len(window.envelopes) >= MANY else lead.note_later
        note(
            "UPDATE relay SET position = %(position)s, published = %(published)s"
            " WHERE position = %(after)s",
            {
                "after": window.after,
                "position": window.position,
                "published": window.published,
            },
        )
        self._published.inc(len(window.envelopes))
        if self._hand_on is not None:
            self._hand_on(window)
        if self._crowding is not None:
            self._crowding.published(len(window.envelopes))
            self._crowding.look()
