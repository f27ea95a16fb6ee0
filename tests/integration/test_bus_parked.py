"""``saldo bus parked``: staff list, show, retry and drop what has failed for good."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner, Result

from services import bus_cli, terminal
from services.bus_commands import parked as parked_command
from services.bus_commands import retrying
from shared.bus import parked
from shared.bus.retries import Retrier
from shared.bus.worker import Worker
from shared.config import Settings
from shared.eventstore.postgres import PostgresStore
from tests.conftest import Database
from tests.waiting import eventually

pytestmark = [pytest.mark.nodes, pytest.mark.usefixtures("logged")]

BY = ("--reason", "order 17")


@pytest.fixture(autouse=True)
def settings(database: Database, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for module in (parked_command, terminal):
        monkeypatch.setattr(module, "load_settings", lambda: database.settings)
    return database.settings


@dataclass
class Services:
    """The dependencies of the ledger's reactions, which call nobody here."""

    settings: Settings
    store: PostgresStore

    def call(self, service: str, method: str, *, deadline: float = 5.0, **kwargs: Any) -> Any:
        raise AssertionError(f"{service}.{method} is not to be called")


@pytest.fixture
def react(database: Database) -> Iterator[Callable[[Callable[[Any], None]], None]]:
    """Run the ledger's worker of retries; return how to set its reaction to `account_linked`."""
    store = database.store("ledger")
    current: list[Callable[[Any], None]] = [lambda _: None]
    reactions = {"accounts": {"account_linked": lambda _, message, __: current[0](message)}}
    worker = Worker()
    retrier = Retrier(Services(database.settings, store), store, reactions, worker.stop)
    worker.start("ledger retries", retrier.run)
    yield lambda reaction: current.__setitem__(0, reaction)
    worker.join()


def bus(*words: object) -> Result:
    return CliRunner().invoke(bus_cli.app, [str(word) for word in words])


def park(
    database: Database,
    position: int = 7,
    subject: str = "01",
    type_: str = "account_linked",
    body: bytes = b"{}",
    reason: str = "KeyError",
) -> int:
    """Park a message of accounts in the ledger; the ledger ignores these types."""
    headers = {
        "cloudEvents_id": f"accounts-{position}",
        "cloudEvents_type": type_,
        "cloudEvents_source": "/saldo/accounts",
        "cloudEvents_subject": subject,
        "cloudEvents_time": "2026-11-01T10:00:00+00:00",
        "cloudEvents_dataschema": f"/saldo/contracts/accounts/{type_}/v1",
        "saldo_position": position,
        "saldo_predecessor": 0,
    }
    with database.store("ledger").session() as session:
        parked.put(
            session.cursor, "accounts", headers, body, reason=reason, error_id="e", attempts=5
        )
    return int(parked_in(database)[-1]["id"])


def parked_in(database: Database) -> list[dict[str, Any]]:
    with database.owner("ledger") as owner:
        cursor = owner.cursor(row_factory=psycopg.rows.dict_row)
        return cursor.execute("SELECT * FROM parked ORDER BY id").fetchall()


def test_parked_messages_are_listed_with_exit_code_1(database: Database) -> None:
    assert (bus("parked").exit_code, bus("parked").stdout) == (0, "Nothing is parked.\n")
    message = park(database)
    listed = bus("parked", "--json")
    assert listed.exit_code == 1
    [row] = json.loads(listed.stdout)
    assert (row["service"], row["id"], row["upstream"]) == ("ledger", message, "accounts")
    assert "account_linked" in bus("parked", "ledger").stdout


@pytest.mark.parametrize(
    ("words", "positions"),
    [
        (("--type", "account_unlinked"), [2]),
        (("--failure", "ValueError"), [3]),
        (("--upstream", "payments"), []),
        (("--since", "2026-11-01"), [1, 2, 3]),
        (("--since", "2999-01-01"), []),
        (("--limit", "2"), [1, 2]),
    ],
)
def test_a_list_is_narrowed_by_options(
    database: Database, words: tuple[str, ...], positions: list[int]
) -> None:
    park(database, 1)
    park(database, 2, type_="account_unlinked")
    park(database, 3, reason="ValueError")
    listed = bus("parked", "ledger", *words, "--json")
    assert [row["position"] for row in json.loads(listed.stdout)] == positions
    assert ("more are not listed" in listed.stderr) == ("--limit" in words)


def test_a_message_beyond_the_listed_thousand_is_found(database: Database) -> None:
    with database.owner("ledger") as owner:
        owner.execute(
            "INSERT INTO parked (upstream, position, subject, type, headers, body, reason,"
            " error_id, attempts) SELECT 'accounts', n, n::text, 'account_linked', '{}', '{}',"
            " 'KeyError', '', 5 FROM generate_series(1, 1100) AS n"
        )
    last = parked_in(database)[-1]["id"]
    assert json.loads(bus("parked", "ledger", "--show", last, "--json").stdout)["position"] == 1100
    dropped = bus("parked", "ledger", "--drop", last, *BY)
    assert dropped.exit_code == 0, dropped.output
    assert len(json.loads(bus("parked", "ledger", "--json").stdout)) == 1000
    assert len(json.loads(bus("parked", "ledger", "--limit", "2000", "--json").stdout)) == 1099


def test_a_message_is_shown_with_the_fields_of_its_contract_alone(database: Database) -> None:
    body = b'{"number": "0100000001", "passport": "4510 123456"}'
    message = park(database, body=body)
    shown = json.loads(bus("parked", "ledger", "--show", message, "--json").stdout)
    assert shown["data"] == {"number": "0100000001"}
    assert (shown["id"], shown["size"]) == (message, len(body))
    assert "4510" not in bus("parked", "ledger", "--show", message).stdout
    unknown = park(database, 8, type_="account_painted", body=body)
    assert json.loads(bus("parked", "ledger", "--show", unknown, "--json").stdout)["data"] is None
    broken = park(database, 9, body=b"\xff not JSON")
    assert json.loads(bus("parked", "ledger", "--show", broken, "--json").stdout)["data"] is None


def test_a_parked_message_is_dropped_in_the_name_of_a_person(
    database: Database, logged: list[Any]
) -> None:
    message = park(database)
    assert bus("parked", "ledger", "--drop", message, *BY, "--dry-run").exit_code == 0
    assert parked_in(database)
    dropped = bus("parked", "ledger", "--drop", message, *BY)
    assert dropped.exit_code == 0, dropped.output
    assert parked_in(database) == []
    [entry] = [entry for entry in logged if entry["event"] == "parked_dropped"]
    assert (entry["parked_id"], entry["why"]) == (message, "order 17")
    again = bus("parked", "ledger", "--drop", message, *BY)
    assert (again.exit_code, again.stderr) == (2, f"ledger has no parked message {message}.\n")


def test_selected_messages_are_dropped_and_the_log_has_their_ids(
    database: Database, logged: list[Any]
) -> None:
    kept = park(database, 1)
    gone = [park(database, position, type_="account_unlinked") for position in (2, 3)]
    words = ("parked", "ledger", "--drop-all", "--type", "account_unlinked", *BY)
    assert "would drop 2 messages" in bus(*words, "--dry-run").stdout
    dropped = bus(*words)
    assert "2 messages of ledger were dropped" in dropped.stdout, dropped.output
    assert [row["id"] for row in parked_in(database)] == [kept]
    [entry] = [entry for entry in logged if entry["event"] == "parked_dropped"]
    assert (entry["parked_ids"], entry["why"]) == (gone, "order 17")


def test_a_parked_message_is_retried(
    database: Database, react: Callable[[Any], None], logged: list[Any]
) -> None:
    message = park(database)
    tried = bus("parked", "ledger", "--retry", message, "--dry-run")
    assert tried.stdout == "would retry account_linked 7\n"
    assert parked_in(database)
    done = bus("parked", "ledger", "--retry", message)
    assert done.exit_code == 0, (done.output, done.exception)
    assert parked_in(database) == []
    [entry] = [entry for entry in logged if entry["event"] == "parked_retried"]
    assert entry["asked_by"].startswith("staff:")


def test_a_retry_without_a_worker_is_told_and_stays_asked_for(
    database: Database, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setattr(retrying, "PATIENCE_S", 0.5)
    message = park(database)
    asked = bus("parked", "ledger", "--retry", message)
    assert asked.exit_code == 2
    assert "The worker of ledger has not retried 1 of 1 messages" in asked.stderr
    request.getfixturevalue("react")
    eventually(lambda: not parked_in(database), "the worker that comes retries it")


def test_an_earlier_message_of_the_subject_goes_first(
    database: Database, react: Callable[[Any], None]
) -> None:
    park(database, 1)
    second = park(database, 2)
    refused = bus("parked", "ledger", "--retry", second)
    assert refused.exit_code == 2
    assert "waits behind an earlier one" in refused.stderr
    assert len(parked_in(database)) == 2


def test_a_message_that_fails_again_stays_parked_with_its_new_failure(
    database: Database, react: Callable[[Any], None]
) -> None:
    def fail(_: Any) -> None:
        raise ZeroDivisionError("4510 123456")

    react(fail)
    message = park(database)
    retried = bus("parked", "ledger", "--retry", message)
    assert retried.exit_code == 2
    assert "failed again: ZeroDivisionError" in retried.stderr
    assert "4510" not in retried.output
    [row] = parked_in(database)
    assert (row["reason"], row["attempts"]) == ("ZeroDivisionError", 6)
    assert row["error_id"] in retried.stderr


def test_selected_messages_are_retried_in_order_and_a_failure_holds_up_its_subject_alone(
    database: Database, react: Callable[[Any], None]
) -> None:
    handled: list[int] = []

    def handle(message: Any) -> None:
        if message.position == 2:
            raise ZeroDivisionError
        handled.append(message.position)

    react(handle)
    for position, subject in ((1, "a"), (2, "b"), (3, "a"), (4, "b"), (5, "c")):
        park(database, position, subject)
    words = ("parked", "ledger", "--retry-all")
    assert bus(*words, "--dry-run").stdout == "would retry 5 messages of ledger\n"
    retried = bus(*words, "--json")
    assert retried.exit_code == 1
    found = json.loads(retried.stdout)
    assert (found["handled"], found["failed"], found["waiting"]) == (3, 1, 1)
    assert handled == [1, 3, 5]
    rows = parked_in(database)
    assert [(row["position"], row["reason"], row["attempts"]) for row in rows] == [
        (2, "ZeroDivisionError", 6),
        (4, "KeyError", 5),
    ]
    react(lambda message: handled.append(message.position))
    done = bus(*words)
    assert done.exit_code == 0, done.output
    assert "2 messages were handled; 0 failed and 0 wait" in done.stdout
    assert handled[3:] == [2, 4]


def test_a_message_parked_during_a_retry_is_retried_too(
    database: Database, react: Callable[[Any], None]
) -> None:
    handled: list[int] = []

    def handle(message: Any) -> None:
        if message.position == 1:
            park(database, 2)
        handled.append(message.position)

    react(handle)
    park(database, 1)
    assert bus("parked", "ledger", "--retry-all").exit_code == 0
    assert handled == [1, 2]
    assert parked_in(database) == []


def test_an_unavailable_node_holds_up_the_retries_and_blames_no_message(
    database: Database, react: Callable[[Any], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retrying, "PATIENCE_S", 1.0)

    def fail(message: Any) -> None:
        if message.position == 2:
            raise psycopg.OperationalError("the server closed the connection")

    react(fail)
    for position in (1, 2, 3):
        park(database, position, subject=str(position))
    retried = bus("parked", "ledger", "--retry-all")
    assert retried.exit_code == 2
    assert "has not retried 2 of 3 messages" in retried.stderr
    assert [(row["position"], row["attempts"]) for row in parked_in(database)] == [(2, 5), (3, 5)]
    react(lambda _: None)
    eventually(lambda: not parked_in(database), "it goes on when the node is back")


@pytest.mark.parametrize(
    "words",
    [
        ("parked", "--drop", "7", *BY),
        ("parked", "--retry-all"),
        ("parked", "ledger", "--drop", "7", "--retry", "7", *BY),
        ("parked", "ledger", "--drop-all", "--retry-all", *BY),
        ("parked", "ledger", "--drop", "7"),
        ("parked", "ledger", "--drop-all"),
        ("parked", "ledger", "--retry", "7"),
        ("parked", "ledger", "--show", "7"),
        ("parked", "ledger", "--since", "yesterday"),
        ("parked", "moon"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(words: tuple[str, ...]) -> None:
    result = bus(*words)
    assert result.exit_code == 2, (result.output, result.exception)
    assert result.stdout == ""
    assert result.stderr.strip()
