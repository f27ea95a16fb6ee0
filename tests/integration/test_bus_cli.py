"""``saldo bus``: staff list, retry and drop parked messages, and replay history to one queue."""

from __future__ import annotations

import json
from typing import Any

import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner, Result

from services import bus_cli, terminal
from services.ledger.application import OpenAccount, open_account
from shared.bus import parked
from shared.bus.topology import connect
from shared.config import Settings
from tests.conftest import Database

pytestmark = pytest.mark.nodes

BY = ("--reason", "order 17")
QUEUE = "erp.from.ledger"


@pytest.fixture(autouse=True)
def settings(database: Database, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for module in (bus_cli, terminal):
        monkeypatch.setattr(module, "load_settings", lambda: database.settings)
    return database.settings


def bus(*words: object) -> Result:
    return CliRunner().invoke(bus_cli.app, [str(word) for word in words])


def park(database: Database) -> int:
    """Park a message of accounts in the ledger, of a type that the ledger ignores."""
    store = database.store("ledger")
    headers = {
        "cloudEvents_id": "11111111-2222-4333-8444-555555555555",
        "cloudEvents_type": "account_linked",
        "cloudEvents_source": "/saldo/accounts",
        "cloudEvents_subject": "01",
        "cloudEvents_time": "2026-11-01T10:00:00+00:00",
        "saldo_position": 7,
        "saldo_predecessor": 0,
    }
    with store.session() as session:
        parked.put(session.cursor, "accounts", headers, b"{}", reason="x", error_id="e", attempts=5)
    [row] = parked_in(database)
    return int(row["id"])


def parked_in(database: Database) -> list[dict[str, Any]]:
    store = database.store("ledger")
    return store.query(lambda session: parked.listing(session.cursor))


def test_parked_messages_are_listed_with_exit_code_1(database: Database) -> None:
    assert (bus("parked").exit_code, bus("parked").stdout) == (0, "Nothing is parked.\n")
    message = park(database)
    listed = bus("parked", "--json")
    assert listed.exit_code == 1
    [row] = json.loads(listed.stdout)
    assert (row["service"], row["id"], row["upstream"]) == ("ledger", message, "accounts")
    assert "account_linked" in bus("parked", "ledger").stdout


def test_a_parked_message_is_dropped_in_the_name_of_a_person(database: Database) -> None:
    message = park(database)
    assert bus("parked", "ledger", "--drop", message, *BY, "--dry-run").exit_code == 0
    assert parked_in(database)
    with capture_logs() as logged:
        dropped = bus("parked", "ledger", "--drop", message, *BY)
    assert dropped.exit_code == 0, dropped.output
    assert parked_in(database) == []
    [entry] = [entry for entry in logged if entry["event"] == "parked_dropped"]
    assert (entry["parked_id"], entry["why"]) == (message, "order 17")
    again = bus("parked", "ledger", "--drop", message, *BY)
    assert (again.exit_code, again.stderr) == (2, f"ledger has no parked message {message}.\n")


def test_a_parked_message_is_retried(database: Database) -> None:
    message = park(database)
    tried = bus("parked", "ledger", "--retry", message, "--dry-run")
    assert tried.stdout == "would retry account_linked 7\n"
    assert parked_in(database)
    done = bus("parked", "ledger", "--retry", message)
    assert done.exit_code == 0, (done.output, done.exception)
    assert parked_in(database) == []


@pytest.mark.parametrize(
    "words",
    [
        ("parked", "--drop", "7", *BY),
        ("parked", "ledger", "--drop", "7", "--retry", "7", *BY),
        ("parked", "ledger", "--drop", "7"),
        ("parked", "ledger", "--retry", "7"),
        ("parked", "moon"),
        ("replay", "moon", "--to-queue", QUEUE),
    ],
)
def test_bad_input_is_refused_in_a_sentence(words: tuple[str, ...]) -> None:
    result = bus(*words)
    assert result.exit_code == 2, (result.output, result.exception)
    assert result.stdout == ""
    assert result.stderr.strip()


def test_history_is_replayed_to_one_queue(
    database: Database, settings: Settings, clean_bus: None
) -> None:
    del clean_bus
    store = database.store("ledger")
    store.execute(open_account, OpenAccount(number="0100000001", payer_kind="household"))
    with connect(settings.amqp_url, name="test") as broker:
        channel = broker.channel()
        channel.queue_declare(QUEUE, durable=True, auto_delete=False)
        counted = bus("replay", "ledger", "--to-queue", QUEUE, *BY, "--dry-run")
        assert counted.stdout == "1 events would be sent, up to position 1\n", counted.output
        assert channel.basic_get(QUEUE, no_ack=True) is None
        sent = bus("replay", "ledger", "--to-queue", QUEUE, *BY)
        assert sent.stdout.endswith("1 events sent, up to position 1\n"), sent.output
        assert channel.basic_get(QUEUE, no_ack=True) is not None
        channel.queue_delete(QUEUE)
