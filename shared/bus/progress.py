"""How far the relays, live feeds and reactions of services are.

It is read from the database whenever it is asked for, by a scrape or by staff, so that a relay that
is stuck, or waits for another process, shows how much it owes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

import psycopg
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from shared.clock import wall_time
from shared.eventstore.postgres import PostgresStore
from shared.logs import get_logger

log = get_logger(__name__)

T = TypeVar("T")

WAIT_SECONDS = 1.0
"""How long a scrape waits for a connection to a service's database."""

_PROGRESS = """
SELECT coalesce((SELECT max(notification_id) FROM events), 0) AS appended,
       relay.position AS relayed, relay.published, live.position AS live,
       coalesce((SELECT extract(epoch FROM clock_timestamp() - recorded_at) FROM events
                  WHERE notification_id = relay.position + 1), 0)::float8 AS relay_waits,
       coalesce((SELECT extract(epoch FROM clock_timestamp() - recorded_at) FROM events
                  WHERE notification_id = live.position + 1
                    AND live.position < relay.position), 0)::float8 AS live_waits,
       coalesce((SELECT greatest(0, extract(epoch FROM recorded_at - clock_timestamp()))
                   FROM events ORDER BY notification_id DESC LIMIT 1), 0)::float8 AS clock_ahead,
       extract(epoch FROM clock_timestamp() - %(here)s)::float8 AS clock_differs,
       (SELECT count(*) FROM parked WHERE waits_until IS NULL) AS parked,
       coalesce((SELECT extract(epoch FROM clock_timestamp() - min(parked_at)) FROM parked
                  WHERE waits_until IS NULL), 0)::float8 AS parked_for,
       (SELECT count(*) FROM parked WHERE waits_until IS NOT NULL) AS waiting,
       (SELECT count(*) FROM quarantine) AS quarantined,
       (SELECT count(*) FROM epochs LEFT JOIN recoveries ON recoveries.epoch = epochs.name
         WHERE number > 1 AND done_at IS NULL) AS unrecovered
  FROM relay, live
"""
_POSITIONS = "SELECT upstream, position, epoch, stopped FROM positions ORDER BY upstream"
_UPSTREAM = """
SELECT coalesce((SELECT max(notification_id) FROM events), 0) AS appended, relay.published,
       coalesce((SELECT extract(epoch FROM clock_timestamp() - recorded_at) FROM events
                  WHERE notification_id > %(after)s AND notification_id <= relay.published
                  ORDER BY notification_id LIMIT 1), 0)::float8 AS seconds
  FROM relay
"""

_OF_SERVICE = {
    "saldo_event_log_position": ("Position of the last event of the log.", "appended"),
    "saldo_relay_published_position": ("Position of the last published event.", "published"),
    "saldo_relay_lag_events": ("Events of the log that the relay has not passed yet.", "lag"),
    "saldo_relay_lag_seconds": ("Age of the oldest event that the relay owes.", "relay_waits"),
    "saldo_live_lag_events": ("Events that the live feed has not passed yet.", "live_lag"),
    "saldo_live_lag_seconds": ("Age of the oldest event that the live feed owes.", "live_waits"),
    "saldo_event_log_clock_ahead_seconds": (
        "By how much the last time of the log is ahead of the database's clock.",
        "clock_ahead",
    ),
    "saldo_database_clock_ahead_seconds": (
        "By how much the database's clock is ahead of this machine's; negative: behind.",
        "clock_differs",
    ),
    "saldo_parked_messages": ("Messages that await a decision of staff.", "parked"),
    "saldo_parked_oldest_seconds": ("How long the oldest of them has waited.", "parked_for"),
    "saldo_waiting_messages": ("Messages that wait for what they need.", "waiting"),
    "saldo_quarantined_messages": (
        "Messages that arrived damaged, or are not in the log of their upstream.",
        "quarantined",
    ),
    "saldo_unrecovered_epochs": (
        "Epochs of the log before which events were lost that nobody has brought back.",
        "unrecovered",
    ),
}


class ServiceProgress(NamedTuple):
    """Positions in the log of a service, and how long what comes next has waited, in seconds.

    ``positions`` are those of its reactions, by upstream; ``stopped`` says of those readers that
    have stopped why.
    """

    appended: int
    relayed: int
    published: int
    live: int
    relay_waits: float
    live_waits: float
    clock_ahead: float
    clock_differs: float
    parked: int
    parked_for: float
    waiting: int
    quarantined: int
    unrecovered: int
    positions: Mapping[str, int]
    stopped: Mapping[str, str] = MappingProxyType({})

    @property
    def lag(self) -> int:
        """The events that the relay has not passed yet."""
        return self.appended - self.relayed

    @property
    def live_lag(self) -> int:
        """The events that the relay has passed, and the live feed has not."""
        return self.relayed - self.live


class Upstream(NamedTuple):
    """An upstream's log as a reader sees it: its end, what of it is published, and for how many
    seconds the first published event after the reader's position has waited."""

    appended: int
    published: int
    seconds: float


def progress_of(cursor: Any) -> ServiceProgress:
    """Return how far a service is."""
    row = cursor.execute(_PROGRESS, {"here": wall_time()}).fetchone()
    positions = cursor.execute(_POSITIONS).fetchall()
    return ServiceProgress(
        **row,
        positions={found["upstream"]: found["position"] for found in positions},
        stopped={found["upstream"]: found["stopped"] for found in positions if found["stopped"]},
    )


def upstream_after(cursor: Any, position: int) -> Upstream:
    """Return the log of the service of this cursor for a reader that has got to a position."""
    return Upstream(**cursor.execute(_UPSTREAM, {"after": position}).fetchone())


class ProgressCollector(Collector):
    """Collects the progress of some services; one whose database refuses or is away is left out."""

    def __init__(self, stores: Mapping[str, PostgresStore]) -> None:
        self._stores = stores

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Return the metrics without samples, so that registering asks no database."""
        yield from (*_families().values(), _reaction_positions(), _stopped_readers())

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Return the metrics with the samples of now."""
        families, reactions, stopped = _families(), _reaction_positions(), _stopped_readers()
        for service, store in self._stores.items():
            try:
                progress = scraped(store, progress_of)
            except psycopg.Error as error:
                log.info("progress_unknown", service=service, error=type(error).__name__)
                continue
            for name, (_, value) in _OF_SERVICE.items():
                families[name].add_metric([service], getattr(progress, value))
            for upstream, position in progress.positions.items():
                reactions.add_metric([service, upstream], position)
                stopped.add_metric([service, upstream], float(upstream in progress.stopped))
        yield from (*families.values(), reactions, stopped)


def _families() -> dict[str, GaugeMetricFamily]:
    return {
        name: GaugeMetricFamily(name, text, labels=["service"])
        for name, (text, _) in _OF_SERVICE.items()
    }


def _reaction_positions() -> GaugeMetricFamily:
    text = "Position of the last upstream event that has taken effect."
    return GaugeMetricFamily("saldo_reaction_position", text, labels=["service", "upstream"])


def _stopped_readers() -> GaugeMetricFamily:
    text = "1: the reader has stopped, because the upstream's log does not have its position."
    return GaugeMetricFamily("saldo_reaction_stopped", text, labels=["service", "upstream"])


def scraped(store: PostgresStore, read: Callable[[Any], T]) -> T:
    """Return what a function reads in one transaction, within the limit of a scrape."""
    with (
        store.pool.connection(timeout=WAIT_SECONDS) as connection,
        connection.transaction(),
        connection.cursor() as cursor,
    ):
        return read(cursor)
