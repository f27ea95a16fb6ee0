"""The live feed: sends a service's events to the queues that other systems bind.

It follows the relay's log with a position and a connection of its own, so that no subscriber can
stop Saldo. The broker refuses a message when one bound queue does (full, with `reject-publish`),
and does not confirm it while one has no majority; the other queues have it all the same. So an
event is sent once more only when the connection was lost, and what a queue refused is counted and
logged: its subscriber detects the gap by `saldo_predecessor`, and has the stream to fill it from.

A channel that has first sent to a queue of a cluster while the node of its leader was lost is
refused in the name of that queue from then on, whichever node leads it (RabbitMQ 3.10: the channel
asks the lost node whether the queue takes more, and learns of no other). So what a queue missed may
be the channel's fault, and the next events are sent by another one.

The relay's messages get one more header here, `saldo_type_predecessor`: whoever gets only some
types cannot compare `saldo_predecessor`, which may be of another type. What identifies a person
goes to `<service>.persons` alone.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterator
from datetime import datetime
from threading import Condition
from threading import Event as StopSignal
from typing import Any

from psycopg.types.json import Jsonb

from shared import telemetry
from shared.bus.disclosure import without_persons
from shared.bus.epochs import MARK
from shared.bus.leadership import Lead, lead
from shared.bus.messages import Envelope, Publish, TypePredecessors
from shared.bus.publisher import ConfirmedPublisher
from shared.bus.relay import NOTED_WITHIN_S, WINDOW, Window, read_window, send_all
from shared.bus.topology import connect, declare_live, event_exchange, person_exchange
from shared.config import Settings
from shared.eventstore.postgres import PostgresStore
from shared.logs import get_logger

log = get_logger(__name__)

POLL_S = 1.0
KEPT_WINDOWS = 8
CONFIRM_S = 10.0
HURRIED_S = 0.5
"""How long a window is waited for once one was not confirmed in time."""
REPORT_EVERY_S = 60.0
NEW_CHANNEL_S = 10.0
"""How old a channel has to be to be given up because some queue has missed an event."""
_OWED = f"""
SELECT live.position, live.published, live.types, relay.position - live.position AS behind, {MARK}
  FROM live, relay LEFT JOIN log_run ON true
"""


class Handoff:
    """The latest windows of the relay, for a live feed in the same process.

    It saves the feed from reading and encoding the log a second time. Nothing depends on it: a feed
    that has fallen behind, or that runs in another process, reads the log.
    """

    def __init__(self, kept: int = KEPT_WINDOWS) -> None:
        self._kept = kept
        self._windows: OrderedDict[int, Window] = OrderedDict()
        self._changed = Condition()

    def put(self, window: Window) -> None:
        """Keep a window, and drop the oldest one where there are too many; never waits."""
        with self._changed:
            self._windows[window.after] = window
            while len(self._windows) > self._kept:
                self._windows.popitem(last=False)
            self._changed.notify_all()

    def take(self, after: int, log: tuple[datetime, str]) -> Window | None:
        """Return the window of a log that begins after a position, if it is still here."""
        with self._changed:
            window = self._windows.pop(after, None)
        return window if window is not None and window.log == log else None

    def forget(self, position: int) -> None:
        """Drop the windows that begin before a position: the feed has read past them in the log."""
        with self._changed:
            for after in [after for after in self._windows if after < position]:
                del self._windows[after]

    def wait(self, timeout: float) -> None:
        """Wait until there is a window."""
        with self._changed:
            if not self._windows:
                self._changed.wait(timeout)


class LiveFeed:
    """Sends one service's log to its subscribers until stopped."""

    def __init__(
        self,
        settings: Settings,
        store: PostgresStore,
        publish: Publish,
        stop: StopSignal,
        handoff: Handoff,
    ) -> None:
        self._settings = settings
        self._store = store
        self._publish = publish
        self._stop = stop
        self._handoff = handoff
        self._service = store.service
        self._for_all = event_exchange(store.service).name
        self._for_some = person_exchange(store.service).name
        self._patience = CONFIRM_S
        self._refused = 0
        self._reported = float("-inf")
        self._opened, self._has_missed = time.monotonic(), False
        self._events = telemetry.LIVE_EVENTS.labels(store.service)
        self._refusals = telemetry.LIVE_REFUSED.labels(store.service)

    def run(self) -> None:
        """Take the lock and send; returns on stop, raises when a node is lost."""
        lead(self._settings, self._service, "live", self._stop, self._send_on)

    def _send_on(self, lead: Lead) -> None:
        url = self._settings.amqp_url_of(self._service)
        with connect(url, name=f"{self._service} live", reads_ahead=True) as broker:
            channel = broker.channel()
            declare_live(channel, self._service)
            publisher = self._publisher(channel)
            log.info("live_feed_ready", service=self._service)
            with lead.noting():
                while not self._stop.is_set():
                    self.drain(lead, publisher)
                    if self._may_be_stuck():
                        publisher.close()
                        publisher = self._publisher(broker.channel())
                        continue
                    self._handoff.wait(NOTED_WITHIN_S if lead.has_notes else POLL_S)
                    broker.heartbeat_check()
                    publisher.process(0.001)

    def _publisher(self, channel: Any) -> ConfirmedPublisher:
        self._opened, self._has_missed = time.monotonic(), False
        return ConfirmedPublisher(channel, self._service, forgiving=True)

    def _may_be_stuck(self) -> bool:
        return self._has_missed and time.monotonic() - self._opened >= NEW_CHANNEL_S

    def drain(self, lead: Lead, publisher: ConfirmedPublisher) -> int:
        """Send what the relay has published and subscribers have not got; return how many.

        It ends early where another channel had better be opened.
        """
        sent = 0
        while not self._stop.is_set() and (found := self._next(lead)) is not None:
            window, types, left = found
            messages = (
                one for message in window.envelopes for one in self._sent_as(message, types)
            )
            tag = send_all(lead, publisher, messages, len(window.envelopes))
            sent += len(window.envelopes)
            self._confirm(publisher, tag)
            self._events.inc(len(window.envelopes))
            lead.note_later(
                "UPDATE live SET position = %(position)s, published = %(published)s,"
                " types = %(types)s WHERE position = %(after)s",
                {
                    "after": window.after,
                    "position": window.position,
                    "published": window.published,
                    "types": Jsonb(types.last),
                },
            )
            if self._may_be_stuck():
                break
            if left <= 0:
                self._handoff.forget(window.position)
                break  # what the relay publishes from here on is handed on, or polled for
        return sent

    def _sent_as(
        self, message: Envelope, types: TypePredecessors
    ) -> Iterator[tuple[str, Envelope]]:
        """Yield one event for all, and whole for those who may see persons, with the exchanges."""
        whole = types.added_to(message)
        public = without_persons(self._service, whole)
        yield self._for_all, public
        if public is not whole:
            yield self._for_some, whole

    def _next(self, lead: Lead) -> tuple[Window, TypePredecessors, int] | None:
        """Return the window after our position, what was sent of each type before it, and how far
        the relay was beyond it.

        Returns None while the relay has got no further, and while the log is not confirmed.
        """
        with lead.connection.cursor() as owed:
            with lead.asking():
                owed.execute(_OWED)
            row = owed.fetchone()
        history, confirmed = lead.known.of(row, lead.connection)
        if row is None or not confirmed:
            return None
        position, behind = row["position"], row["behind"]
        self._handoff.forget(position)
        # What the relay hands on it has published, though that may not be noted yet. What it handed
        # on before it was fenced off may be of a log that is gone.
        window = self._handoff.take(position, (lead.started_at, history.current.name))
        if window is None and behind > 0:
            window = read_window(
                lead,
                self._store,
                self._publish,
                position,
                min(WINDOW, behind),
                row["published"],
            )
        if window is None:
            return None
        return window, TypePredecessors(row["types"]), position + behind - window.position

    def _confirm(self, publisher: ConfirmedPublisher, tag: int) -> None:
        """Wait a while for the confirms of a window, and count what some queue did not take."""
        missing = publisher.confirm_within(tag, self._patience)
        self._patience = HURRIED_S if missing.unconfirmed else CONFIRM_S
        missed = missing.refused + missing.unconfirmed
        self._refused += missed
        self._has_missed |= missed > 0
        self._refusals.inc(missed)
        if self._refused and time.monotonic() - self._reported >= REPORT_EVERY_S:
            log.warning("subscriber_queue_refused", service=self._service, events=self._refused)
            self._reported, self._refused = time.monotonic(), 0
