"""The epochs of the services' logs as metrics, read from the database at each scrape."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import psycopg
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from shared.bus.epochs import TAIL_LOST, stored_history
from shared.bus.progress import scraped
from shared.eventstore.postgres import PostgresStore
from shared.logs import get_logger

log = get_logger(__name__)

_METRICS = {
    "saldo_log_epoch": "The number of the epoch that the log is in.",
    "saldo_log_confirmed": "1 where the log was compared with the bus since its server started.",
    "saldo_log_tail_lost_timestamp_seconds": "When published events were last found lost; 0: no.",
}


class LogState(NamedTuple):
    """The values of the metrics, in their order."""

    epoch: int
    confirmed: bool
    tail_lost_at: float


def log_state(cursor: Any) -> LogState:
    """Return the state of the log of a service's cursor."""
    history, confirmed = stored_history(cursor)
    lost = [epoch.began_at.timestamp() for epoch in history.epochs if epoch.reason == TAIL_LOST]
    return LogState(len(history.epochs), confirmed, max(lost, default=0.0))


class EpochCollector(Collector):
    """Collects the epochs of some services; one whose database is away is left out."""

    def __init__(self, stores: Mapping[str, PostgresStore]) -> None:
        self._stores = stores

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Return the metrics without samples, so that registering asks no database."""
        yield from _families()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Return the metrics with the samples of now."""
        families = _families()
        for service, store in self._stores.items():
            try:
                state = scraped(store, log_state)
            except psycopg.Error as error:
                log.info("epochs_unknown", service=service, error=type(error).__name__)
                continue
            for family, value in zip(families, state, strict=True):
                family.add_metric([service], float(value))
        yield from families


def _families() -> list[GaugeMetricFamily]:
    return [GaugeMetricFamily(name, text, labels=["service"]) for name, text in _METRICS.items()]
