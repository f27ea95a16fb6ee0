"""A PostgreSQL whose machine had a clock years ahead: what follows has the right time again."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.discovery import open_store
from services.ledger.application import OpenAccount, open_account
from services.ledger.domain.events import ServiceAmount
from shared.config import Settings
from tests.faults.private_postgres import PrivatePostgres

pytestmark = pytest.mark.nodes

LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))


@pytest.fixture
def server(tmp_path: Path) -> PrivatePostgres:
    if not LIBRARIES:
        pytest.skip("libfaketime is not here: install the package faketime")
    return PrivatePostgres(tmp_path / "state")


def open_one(settings: Settings, number: str) -> list[datetime]:
    """Open an account, by a process of its own as far as the database sees; return all times."""
    store = open_store("ledger", settings, pool_size=1)
    try:
        opening = (ServiceAmount("heating", 450_000),)
        store.execute(
            open_account, OpenAccount(number=number, payer_kind="household", opening=opening)
        )
        return [logged.recorded_at for logged in store.log_after(0, 100)]
    finally:
        store.close()


def test_server_that_was_years_ahead_leaves_its_times_behind(server: PrivatePostgres) -> None:
    settings = server.settings()
    years_ahead = {
        "LD_PRELOAD": str(LIBRARIES[0]), "FAKETIME": "+3y", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }  # fmt: skip
    server.start()
    try:
        server.migrate(settings, ["ledger"])
        open_one(settings, "0100000001")
        server.stop()
        server.start(environment=years_ahead)
        ahead = open_one(settings, "0100000002")[-1]
        assert ahead.timestamp() - time.time() > 2 * 365 * 86_400
        server.stop()
        server.start()
        times = open_one(settings, "0100000003")
        assert abs((times[-1] - datetime.now(UTC)).total_seconds()) < 60
        assert times[1] == ahead
    finally:
        server.stop()
