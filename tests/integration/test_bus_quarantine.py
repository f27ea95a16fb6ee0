"""``saldo bus quarantine``: staff look at what is in no log, and drop it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from services import bus_cli, terminal
from services.bus_commands import lag
from services.bus_commands import parked as parked_command
from shared.bus import parked, quarantine, reading
from shared.config import Settings
from tests.conftest import Database
from tests.integration.test_bus_parked import BY

pytestmark = [pytest.mark.nodes, pytest.mark.usefixtures("logged")]


@pytest.fixture(autouse=True)
def settings(database: Database, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for module in (parked_command, terminal, lag):
        monkeypatch.setattr(module, "load_settings", lambda: database.settings)
    monkeypatch.setattr(lag, "opened_broker", lambda: None)
    return database.settings


def bus(*words: object) -> Result:
    return CliRunner().invoke(bus_cli.app, [str(word) for word in words])


def put(database: Database, position: int = 7, body: bytes = b'{"number": "01"}') -> int:
    headers = {
        "cloudEvents_id": f"accounts-{position}",
        "cloudEvents_type": "account_linked",
        "cloudEvents_source": "/saldo/accounts",
        "cloudEvents_subject": "01",
        "cloudEvents_dataschema": "/saldo/contracts/accounts/account_linked/v1",
        "saldo_position": position,
        "saldo_epoch": "2.0123abcd",
    }
    with database.store("ledger").session() as session:
        assert quarantine.put(
            session.cursor, "accounts", headers, body, reason=quarantine.LOST_TAIL
        )
        return int(quarantine.listing(session.cursor)[-1]["id"])


def kept(database: Database) -> list[int]:
    with database.owner("ledger") as owner:
        return [row[0] for row in owner.execute("SELECT id FROM quarantine ORDER BY id")]


def test_quarantined_messages_are_listed_and_shown_without_persons(database: Database) -> None:
    assert bus("quarantine", "list").stdout == "Nothing is quarantined.\n"
    assert bus("quarantine", "list").exit_code == 0
    message = put(database, body=b'{"number": "01", "passport": "4510 123456"}')
    listed = bus("quarantine", "list", "--json")
    assert listed.exit_code == 1
    [row] = json.loads(listed.stdout)
    assert (row["service"], row["id"], row["epoch"]) == ("ledger", message, "2.0123abcd")
    assert (row["position"], row["reason"]) == (7, "lost_tail")
    assert "lost_tail" in bus("quarantine", "list", "ledger").stdout
    assert json.loads(bus("quarantine", "list", "--upstream", "payments", "--json").stdout) == []
    shown = bus("quarantine", "list", "ledger", "--show", message, "--json")
    assert json.loads(shown.stdout)["data"] == {"number": "01"}
    assert "4510" not in bus("quarantine", "list", "ledger", "--show", message).output


def test_parked_and_lag_say_that_there_is_something_in_quarantine(database: Database) -> None:
    put(database)
    listed = bus("parked")
    assert listed.exit_code == 1
    assert "Messages in quarantine: 1 (saldo bus quarantine list)" in listed.stderr
    behind = bus("lag", "--json")
    assert "ledger: messages in quarantine: 1" in json.loads(behind.stdout)["findings"]


def test_quarantined_messages_are_dropped_with_a_reason(
    database: Database, logged: list[Any]
) -> None:
    first, second, third = (put(database, position) for position in (1, 2, 3))
    assert bus("quarantine", "drop", "ledger", "--id", first).exit_code == 2
    tried = bus("quarantine", "drop", "ledger", "--all", *BY, "--dry-run")
    assert tried.stdout == "3 messages of ledger would be dropped\n"
    assert bus("quarantine", "drop", "ledger", "--id", first, *BY, "--dry-run").exit_code == 0
    assert kept(database) == [first, second, third]
    assert bus("quarantine", "drop", "ledger", "--id", first, *BY).exit_code == 0
    assert kept(database) == [second, third]
    again = bus("quarantine", "drop", "ledger", "--id", first, *BY)
    assert (again.exit_code, again.stderr) == (2, f"ledger has no quarantined message {first}.\n")
    assert bus("quarantine", "drop", "ledger", "--all", *BY).exit_code == 0
    assert kept(database) == []
    entries = [entry for entry in logged if entry["event"] == "quarantine_dropped"]
    assert [(entry["ids"], entry["why"]) for entry in entries] == [
        ([first], "order 17"),
        ([second, third], "order 17"),
    ]


@pytest.mark.parametrize(
    "words",
    [
        ("list", "--show", "7"),
        ("list", "ledger", "--show", "7"),
        ("drop", "ledger", *BY),
        ("drop", "ledger", "--id", "7", "--all", *BY),
        ("drop", "ledger", "--all"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(words: tuple[str, ...]) -> None:
    result = bus("quarantine", *words)
    assert result.exit_code == 2, (result.output, result.exception)
    assert result.stderr.strip()


def test_stopped_reader_is_shown_with_its_reason(database: Database) -> None:
    with database.store("payments").session() as session:
        reading.stop(session.cursor, "ledger", "has applied the events up to 9 of epoch 1")
    shown = bus("lag", "--json")
    assert shown.exit_code == 1
    found = json.loads(shown.stdout)
    [pair] = [
        one
        for one in found["reactions"]
        if (one["service"], one["upstream"]) == ("payments", "ledger")
    ]
    assert pair["stopped"] == "has applied the events up to 9 of epoch 1"
    assert found["findings"] == [
        "payments from ledger: it has applied the events up to 9 of epoch 1; nothing more is read"
    ]
    assert "stopped" in bus("lag").stdout


def test_parked_ghosts_alone_are_quarantined_by_a_rewind(database: Database) -> None:
    with database.store("ledger").session() as session:
        for position in (5, 6, 7):
            headers = {"saldo_position": position, "cloudEvents_subject": str(position)}
            parked.put(
                session.cursor, "accounts", headers, b"{}", reason="KeyError", error_id="",
                attempts=5,
            )  # fmt: skip
        assert reading.rewind(session.cursor, "accounts", "1", 5) == 2
        assert reading.read_point(session.cursor, "accounts")[:3] == ("1", 5, "")
        assert [row["position"] for row in parked.listing(session.cursor)] == [5]
        assert [row["position"] for row in quarantine.listing(session.cursor)] == [6, 7]
