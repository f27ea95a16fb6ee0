"""``saldo bus replay``: staff send the history again, to one queue."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner, Result

from services import bus_cli, terminal
from services.ledger.application import OpenAccount, open_account
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


@pytest.mark.parametrize(
    "words",
    [
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
