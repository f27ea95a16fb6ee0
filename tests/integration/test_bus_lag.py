"""``saldo bus lag``: how far everything is behind, with an exit code that a script can trust."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner, Result

from services import bus_cli, terminal
from services.bus_commands import lag, reachable
from services.bus_commands.broker import QueueFigures
from shared.config import SERVICES, ConfigurationError, Settings
from shared.errors import Unavailable
from tests.conftest import Database
from tests.integration.bus_ends import open_one, pay
from tests.integration.test_bus_parked import park

pytestmark = pytest.mark.nodes


class Queues:
    """Stands in for the broker's management API."""

    def __init__(self, *queues: QueueFigures) -> None:
        self._queues = queues

    def queues(self) -> tuple[QueueFigures, ...]:
        return self._queues


class Silent:
    """A broker that does not answer."""

    def queues(self) -> tuple[QueueFigures, ...]:
        raise Unavailable("broker_unavailable", "RabbitMQ's management API does not respond.")


def queue(name: str, messages: int, **figures: Any) -> QueueFigures:
    return QueueFigures(name=name, kind="quorum", state="running", messages=messages, **figures)


@pytest.fixture(autouse=True)
def settings(database: Database, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for module in (lag, terminal):
        monkeypatch.setattr(module, "load_settings", lambda: database.settings)
    ask(monkeypatch, None)
    return database.settings


def ask(monkeypatch: pytest.MonkeyPatch, broker: Any) -> None:
    monkeypatch.setattr(lag, "opened_broker", lambda: broker)


def bus(*words: object) -> Result:
    return CliRunner().invoke(bus_cli.app, ["lag", *(str(word) for word in words)])


def figures(result: Result) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def of_ledger(result: Result) -> dict[str, Any]:
    [one] = [one for one in figures(result)["services"] if one["service"] == "ledger"]
    return dict(one)


def of_payments(result: Result) -> dict[str, Any]:
    """Return the reactions of payments to the ledger."""
    [one] = [
        one
        for one in figures(result)["reactions"]
        if (one["service"], one["upstream"]) == ("payments", "ledger")
    ]
    return dict(one)


def place(database: Database, service: str, statement: str) -> None:
    with database.owner(service) as owner:
        owner.execute(statement)


def record_an_hour_ago(database: Database, events: int) -> None:
    """Append events to the ledger, and have them an hour old."""
    ledger = database.store("ledger")
    open_one(ledger)
    pay(ledger, events - 1)
    place(
        database,
        "ledger",
        "ALTER TABLE events DISABLE TRIGGER USER;"
        "UPDATE events SET recorded_at = recorded_at - interval '1 hour';"
        "ALTER TABLE events ENABLE TRIGGER USER",
    )


def test_an_idle_installation_is_nowhere_behind(database: Database) -> None:
    result = bus("--json")
    assert result.exit_code == 0, result.output
    assert figures(result)["findings"] == []
    assert figures(result)["queues"] is None
    shown = bus()
    assert shown.exit_code == 0
    assert "SALDO_AMQP_ADMIN_URL" in shown.stderr
    assert "payments" in shown.stdout


def test_lag_of_relay_and_live_feed_is_given_in_events_and_seconds(database: Database) -> None:
    record_an_hour_ago(database, 5)
    place(database, "ledger", "UPDATE relay SET position = 3, published = 3")
    place(database, "ledger", "UPDATE live SET position = 1, published = 1")
    result = bus("--json")
    assert result.exit_code == 1
    found = of_ledger(result)
    assert (found["log"], found["relay"], found["relay_events"]) == (5, 3, 2)
    assert (found["live"], found["live_events"]) == (1, 2)
    assert found["relay_seconds"] > 3500
    assert found["live_seconds"] > 3500
    assert bus("--max-seconds", 9999).exit_code == 0
    assert bus("--max-seconds", 9999, "--max-events", 1).exit_code == 1


def test_a_pair_is_behind_what_its_upstream_has_published(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    record_an_hour_ago(database, 5)
    place(database, "ledger", "UPDATE relay SET position = 5, published = 5")
    place(database, "ledger", "UPDATE live SET position = 5, published = 5")
    place(database, "payments", "INSERT INTO positions VALUES ('ledger', 3)")
    ask(monkeypatch, Queues(queue("payments.from.ledger", 2, consumers=1)))
    result = bus("--json")
    found = of_payments(result)
    assert (found["position"], found["events"], found["queued"]) == (3, 2, 2)
    assert (found["gap"], found["consumers"]) == (False, 1)
    assert found["seconds"] > 3500
    assert result.exit_code == 1
    ask(monkeypatch, Queues(queue("payments.from.ledger", 0)))
    empty = bus("--json", "--max-seconds", 9999)
    assert of_payments(empty)["gap"] is True
    [finding] = [found for found in figures(empty)["findings"] if found.startswith("payments")]
    assert "after position 3 are not in the queue" in finding


def test_a_log_that_is_shorter_than_its_readers_have_seen_is_found(database: Database) -> None:
    open_one(database.store("ledger"))
    place(database, "ledger", "UPDATE relay SET position = 9, published = 9")
    place(database, "ledger", "UPDATE live SET position = 9, published = 9")
    place(database, "payments", "INSERT INTO positions VALUES ('ledger', 8)")
    result = bus("--json")
    assert result.exit_code == 1
    assert figures(result)["findings"] == [
        "ledger: the log ends before the position of its relay",
        "payments from ledger: the log of ledger ends before position 8",
    ]


def test_parked_messages_and_queues_of_subscribers_are_counted(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    park(database)
    ask(
        monkeypatch,
        Queues(
            queue("subscriber.datamart.ledger", 12, consumers=0),
            queue("ledger.dead", 1),
            queue("payments.dead", 0),
            queue("rpc-ledger", 3),
            queue("rpc.reply-gateway-1", 0),
            QueueFigures(name="ledger.stream", kind="stream", state="running", messages=7),
        ),
    )
    result = bus("--json", "--max-queued", 10)
    assert [one["name"] for one in figures(result)["queues"]] == [
        "subscriber.datamart.ledger",
        "ledger.dead",
    ]
    assert (of_ledger(result)["parked"], of_ledger(result)["stream_messages"]) == (1, 7)
    assert figures(result)["findings"] == [
        "ledger: parked messages: 1",
        "subscriber.datamart.ledger: 12 messages wait",
        "ledger.dead: 1 messages that crashed their reader",
    ]
    assert "subscriber.datamart.ledger" in bus().stdout


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (psycopg.OperationalError("refused"), "ledger: its database does not answer"),
        (ConfigurationError("you may not read ledger"), "ledger: you may not read ledger"),
    ],
)
def test_a_silent_node_is_named_and_the_rest_is_shown(
    monkeypatch: pytest.MonkeyPatch, error: Exception, told: str
) -> None:
    def opened(service: str) -> AbstractContextManager[Any]:
        if service == "ledger":
            raise error
        return terminal.opened_store(service)

    monkeypatch.setattr(reachable, "opened_store", opened)
    ask(monkeypatch, Silent())
    result = bus("--json")
    assert result.exit_code == 2
    assert figures(result)["unreachable"] == [
        "broker: RabbitMQ's management API does not respond.",
        told,
    ]
    services = {one["service"] for one in figures(result)["services"]}
    assert services == set(SERVICES) - {"ledger"}
