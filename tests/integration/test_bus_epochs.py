"""``saldo bus epochs``, and the same as metrics: each log's epoch, since when and why."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from typer.testing import CliRunner, Result

from services import bus_cli, terminal
from services.discovery import publisher_of
from shared.bus.confirmation import confirm
from shared.bus.epoch_metrics import EpochCollector
from shared.bus.stream import Sent
from shared.config import SERVICES, Settings
from shared.eventstore.postgres import PostgresStore
from tests.conftest import Database
from tests.integration.bus_ends import open_one, pay, start_again

pytestmark = pytest.mark.nodes


@pytest.fixture(autouse=True)
def settings(database: Database, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(terminal, "load_settings", lambda: database.settings)
    return database.settings


@pytest.fixture
def ledger(database: Database) -> PostgresStore:
    """A ledger that has lost published events, in a house where every log is confirmed."""
    stores = {name: database.store(name) for name in SERVICES}
    ledger = stores["ledger"]
    open_one(ledger)
    pay(ledger, 2)
    [first] = epochs("ledger")["epochs"]
    start_again(database)
    with database.runtime("ledger") as connection:
        lost = Sent(first["epoch"], 9, ledger.log_after(0, 1)[0].recorded_at)
        confirm(connection, ledger, publisher_of("ledger"), lambda: lost)
    return ledger


def bus(*words: str) -> Result:
    return CliRunner().invoke(bus_cli.app, ["epochs", *words])


def epochs(*words: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(bus(*words, "--json").stdout)
    return found


def test_each_log_is_shown_with_its_epoch_since_when_and_why(ledger: PostgresStore) -> None:
    result = bus()
    assert result.exit_code == 0, result.output
    shown = epochs()
    assert [one["service"] for one in shown["epochs"]] == list(SERVICES)
    [of_ledger] = [one for one in shown["epochs"] if one["service"] == "ledger"]
    assert (of_ledger["after"], of_ledger["end"]) == (3, 3)
    assert (of_ledger["reason"], of_ledger["current"]) == ("tail_lost", True)
    first, second = epochs("ledger")["epochs"]
    assert (first["reason"], first["current"], first["end"]) == ("first", False, 3)
    assert second == of_ledger
    assert second["epoch"] in bus("ledger").stdout


def test_log_that_nobody_has_compared_is_a_finding(
    database: Database, ledger: PostgresStore
) -> None:
    start_again(database)
    result = bus("ledger")
    assert result.exit_code == 1
    assert "the log has not been compared with the bus" in result.stdout.replace("\n", " ")
    assert epochs("ledger")["not_confirmed"] == ["ledger"]


def test_unknown_service_is_bad_input() -> None:
    assert bus("moon").exit_code == 2


def test_monitoring_has_the_epoch_and_when_events_were_lost(
    database: Database, ledger: PostgresStore
) -> None:
    registry = CollectorRegistry()
    accounts = database.store("accounts")
    registry.register(EpochCollector({"ledger": ledger, "accounts": accounts}))

    def sample(name: str, service: str) -> float | None:
        return registry.get_sample_value(name, {"service": service})

    [*_, second] = epochs("ledger")["epochs"]
    lost_at = sample("saldo_log_tail_lost_timestamp_seconds", "ledger")
    assert lost_at is not None
    assert second["began_at"].startswith(isoformat(lost_at))
    assert sample("saldo_log_epoch", "ledger") == 2
    assert sample("saldo_log_confirmed", "ledger") == 1
    assert sample("saldo_log_tail_lost_timestamp_seconds", "accounts") == 0
    assert sample("saldo_log_epoch", "accounts") == 1
    start_again(database)
    assert sample("saldo_log_confirmed", "ledger") == 0


def isoformat(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()[:19]
