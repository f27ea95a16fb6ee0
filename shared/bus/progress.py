"""How far the relays, live feeds and reactions of a worker are.

It is read from the database at each scrape, so that a relay that is stuck, or waits for another
process, shows how much it owes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import psycopg
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from shared.eventstore.postgres import PostgresStore
from shared.logs import get_logger

log = get_logger(__name__)

WAIT_SECONDS = 1.0
"""How long a scrape waits for a connection to a service's database."""

_PROGRESS = """
SELECT coalesce((SELECT max(notification_id) FROM events), 0) AS appended,
       coalesce(max(position), 0) AS relayed, coalesce(max(published), 0) AS published,
       (SELECT position FROM live) AS live, (SELECT count(*) FROM parked) AS parked,
       coalesce((SELECT extract(epoch FROM clock_timestamp() - recorded_at) FROM events
                  WHERE notification_id = (SELECT position FROM relay) + 1), 0)::float8 AS waiting
  FROM relay
"""
_POSITIONS = "SELECT upstream, position FROM positions"

_OF_SERVICE = {
    "saldo_event_log_position": ("Position of the last event of the log.", "appended"),
    "saldo_relay_published_position": ("Position of the last published event.", "published"),
    "saldo_relay_lag_events": ("Events of the log that the relay has not passed yet.", "lag"),
    "saldo_relay_lag_seconds": ("Age of the oldest event that the relay owes.", "waiting"),
    "saldo_live_lag_events": ("Events that the live feed has not passed yet.", "live_lag"),
    "saldo_parked_messages": ("Messages that await a decision of staff.", "parked"),
}


class ProgressCollector(Collector):
    """Collects the progress of some services; one whose database does not respond is left out."""

    def __init__(self, stores: Mapping[str, PostgresStore]) -> None:
        self._stores = stores

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Return the metrics without samples, so that registering asks no database."""
        yield from (*_families().values(), _reaction_positions())

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Return the metrics with the samples of now."""
        families, reactions = _families(), _reaction_positions()
        for service, store in self._stores.items():
            try:
                row, positions = _read(store)
            except psycopg.OperationalError as error:
                log.info("progress_unknown", service=service, error=type(error).__name__)
                continue
            values = {
                **row,
                "lag": row["appended"] - row["relayed"],
                "live_lag": row["relayed"] - row["live"],
            }
            for name, (_, value) in _OF_SERVICE.items():
                families[name].add_metric([service], values[value])
            for upstream, position in positions.items():
                reactions.add_metric([service, upstream], position)
        yield from (*families.values(), reactions)


def _families() -> dict[str, GaugeMetricFamily]:
    return {
        name: GaugeMetricFamily(name, text, labels=["service"])
        for name, (text, _) in _OF_SERVICE.items()
    }


def _reaction_positions() -> GaugeMetricFamily:
    text = "Position of the last upstream event that has taken effect."
    return GaugeMetricFamily("saldo_reaction_position", text, labels=["service", "upstream"])


def _read(store: PostgresStore) -> tuple[dict[str, Any], dict[str, int]]:
    with (
        store.pool.connection(timeout=WAIT_SECONDS) as connection,
        connection.transaction(),
        connection.cursor() as cursor,
    ):
        row = cursor.execute(_PROGRESS).fetchone()
        positions = cursor.execute(_POSITIONS).fetchall()
    return row, {found["upstream"]: found["position"] for found in positions}
