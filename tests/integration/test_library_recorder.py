"""The library's own tests of recorders, on the log of a service.

Nothing of them is left out. One assertion does not suit a log: that inserting returns nothing, as
the library asks of recorders that have no positions (:class:`WithoutPositions`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from eventsourcing.persistence import StoredEvent
from eventsourcing.tests import persistence

from shared.eventstore.recorder import PostgresRecorder
from tests.conftest import Database


class WithoutPositions(PostgresRecorder):
    """Our recorder as one of aggregates alone, which returns nothing for what it has inserted."""

    def insert_events(self, stored_events: Sequence[StoredEvent], **options: Any) -> None:  # type: ignore[override]
        super().insert_events(stored_events, **options)


class TestAggregateRecorder(persistence.AggregateRecorderTestCase):
    @pytest.fixture(autouse=True)
    def log_of_the_ledger(self, database: Database) -> None:
        self.pool = database.store("ledger").pool

    def create_recorder(self) -> WithoutPositions:
        return WithoutPositions(self.pool, "ledger")


class TestApplicationRecorder(persistence.ApplicationRecorderTestCase[PostgresRecorder]):
    @pytest.fixture(autouse=True)
    def log_of_the_ledger(self, database: Database) -> None:
        self.pool = database.store("ledger").pool

    def create_recorder(self) -> PostgresRecorder:
        return PostgresRecorder(self.pool, "ledger")

    def test_insert_subscribe(self) -> None:
        self.optional_test_insert_subscribe()
