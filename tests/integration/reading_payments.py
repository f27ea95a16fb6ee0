"""The reactions of payments to a ledger without a broker, and messages to try them with."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest
from prometheus_client import REGISTRY

from shared.bus import parked, quarantine, reading
from shared.bus.listen import Listener
from shared.bus.reactions import Delivery
from shared.bus.reading import ReadPoint
from tests.conftest import Database
from tests.integration.bus_ends import Calls, open_one
from tests.integration.test_reactions import count_payments, with_seen


@pytest.fixture
def calls(database: Database) -> Calls:
    """Payments, which read a ledger with one account."""
    with_seen(database)
    made = Calls(database.settings, database.store("payments"), database.store("ledger"))
    open_one(made.ledger)
    return made


class Reading:
    """The reactions of payments to the ledger, without a broker."""

    def __init__(self, calls: Calls, handler: Any = count_payments) -> None:
        self.calls = calls
        self.pauses: list[float] = []
        self.stop = threading.Event()
        self.listener = Listener(
            calls, calls.store, "ledger", {"payment_posted": handler}, self.stop
        )

    def get(self, *batch: Delivery, stop_after: float = 3600.0) -> None:
        """Take messages; the process is stopped after so many seconds of pauses."""

        def pause(seconds: float) -> None:
            self.pauses.append(seconds)
            if sum(self.pauses) > stop_after:
                self.stop.set()

        self.listener.process(batch, pause)

    @property
    def point(self) -> ReadPoint:
        with self.calls.store.transaction() as cursor:
            return reading.read_point(cursor, "ledger")

    @property
    def parked(self) -> list[tuple[int, str]]:
        rows = self.calls.store.query(lambda session: parked.listing(session.cursor))
        return [(row["position"], row["reason"]) for row in rows]

    @property
    def quarantined(self) -> list[tuple[int | None, str]]:
        rows = self.calls.store.query(lambda session: quarantine.listing(session.cursor))
        return [(row["position"], row["reason"]) for row in rows]


def changed(delivery: Delivery, body: bytes | None = None, **headers: Any) -> Delivery:
    """Return a message with another body or other headers: position=7 for saldo_position."""
    named = {f"saldo_{name}": value for name, value in headers.items()}
    return replace(
        delivery,
        headers={**delivery.headers, **named},
        body=delivery.body if body is None else body,
    )


def metric(name: str) -> float:
    labels = {"service": "payments", "upstream": "ledger"}
    return REGISTRY.get_sample_value(name, labels) or 0.0
