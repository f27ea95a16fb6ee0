"""``saldo bus subscriber``: what the credentials of a subscriber open, and nothing else."""

from __future__ import annotations

import json
import secrets
import shlex
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pika
import pytest
from pika.exceptions import AMQPError, ChannelClosedByBroker, ConnectionClosedByBroker
from typer.testing import CliRunner, Result

from services import bus_cli, subscriber_administration, terminal
from services.bus_commands import replay, subscriber
from services.identity.fingerprints import token_digest
from shared.bus.topology import connect, declare_live
from shared.config import Settings
from tests.conftest import Database
from tests.integration.bus_ends import open_one, pay
from tests.waiting import eventually

pytestmark = [pytest.mark.nodes, pytest.mark.usefixtures("clean_bus")]

BY = ("--reason", "act 7")


@pytest.fixture(autouse=True)
def settings(database: Database, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for module in (replay, subscriber, terminal):
        monkeypatch.setattr(module, "load_settings", lambda: database.settings)
    return database.settings


@pytest.fixture(autouse=True)
def _exchanges(settings: Settings, clean_bus: None) -> None:
    with connect(settings.amqp_url, name="test", heartbeat=0) as broker:
        for service in ("ledger", "payments"):
            declare_live(broker.channel(), service)


def bus(*words: object) -> Result:
    return CliRunner().invoke(bus_cli.app, [str(word) for word in words])


@pytest.fixture
def name() -> Iterator[str]:
    """A name of its own, because users belong to the whole broker; it is gone after the test."""
    chosen = f"test_{secrets.token_hex(4)}"
    yield chosen
    bus("subscriber", "remove", chosen, *BY)


def added(name: str, file: Path, *grants: str, more: tuple[str, ...] = ()) -> dict[str, str]:
    """Add a subscriber; return the variables of its file."""
    granted = [word for grant in grants for word in ("--grant", grant)]
    result = bus("subscriber", "add", name, *granted, *more, "--env", file, *BY)
    assert result.exit_code == 0, (result.output, result.exception)
    return variables_in(file)


def variables_in(file: Path) -> dict[str, str]:
    words = shlex.split(file.read_text(encoding="utf-8"))
    return dict(word.split("=", 1) for word in words if "=" in word)


@pytest.fixture
def signed_in() -> Iterator[Callable[[dict[str, str]], Any]]:
    """Return a function that opens a channel with the variables of a subscriber."""
    opened: list[pika.BlockingConnection] = []

    def open_(variables: dict[str, str]) -> Any:
        opened.append(pika.BlockingConnection(pika.URLParameters(variables["SALDO_AMQP_URL"])))
        return opened[-1].channel()

    yield open_
    for connection in opened:
        with suppress(AMQPError):  # the broker may have closed it
            connection.close()


def row_of(database: Database, token: str) -> Any:
    digest = token_digest(token)
    return database.store("identity").query(lambda s: s.read.subscribers.of_token(digest))


def test_its_credentials_open_what_is_granted_and_nothing_else(
    database: Database, name: str, tmp_path: Path, signed_in: Callable[..., Any]
) -> None:
    file = tmp_path / "subscriber.env"
    own = added(name, file, "ledger", "payments.payment_completed")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert own["SALDO_QUEUE_PREFIX"] == f"subscriber.{name}."
    assert row_of(database, own["SALDO_EVENTS_TOKEN"]).name == name
    queue = f"{own['SALDO_QUEUE_PREFIX']}all"
    channel = signed_in(own)
    channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
    channel.queue_bind(queue, "ledger.events", "#")
    channel.queue_bind(queue, "payments.events", "payment_completed")
    for exchange, key in (
        ("payments.events", "payment_captured"),
        ("payments.events", "#"),
        ("payments.persons", "payment_completed"),
        ("ledger.log", "#"),
        ("identity.events", "#"),
        ("nameko-rpc", "ledger.balance"),
    ):
        with pytest.raises(ChannelClosedByBroker) as refused:
            signed_in(own).queue_bind(queue, exchange, key)
        assert refused.value.reply_code in (403, 404), exchange


def test_a_mistake_is_named_and_changes_nothing(database: Database, name: str) -> None:
    for words in (
        ("add", name, "--grant", "moon"),
        ("add", name, "--grant", "ledger.moon_risen"),
        ("add", "ledger", "--grant", "ledger"),
        ("add", "No Name", "--grant", "ledger"),
        ("grant", name, "--grant", "ledger"),
        ("rotate", name),
        ("remove", name),
    ):
        result = bus("subscriber", *words, *BY)
        assert (result.exit_code, result.stdout) == (2, ""), words
        assert result.stderr.strip()
    rehearsed = bus("subscriber", "add", name, "--grant", "ledger", *BY, "--dry-run")
    assert rehearsed.stdout == f"{name} would be added and sees ledger\n"
    assert json.loads(bus("subscriber", "list", "--json").stdout) == []


def test_adding_again_repairs_with_its_file_and_is_refused_without(
    database: Database, name: str, tmp_path: Path, signed_in: Callable[..., Any]
) -> None:
    file = tmp_path / "subscriber.env"
    own = added(name, file, "ledger")
    administration = subscriber_administration.SubscriberAdministration(database.settings)
    administration._broker().remove_user(f"subscriber.{name}")
    with pytest.raises(AMQPError):
        signed_in(own)
    assert added(name, file, "ledger") == own
    assert signed_in(own).is_open
    again = bus("subscriber", "add", name, "--grant", "ledger", *BY)
    assert again.exit_code == 2
    assert "is a subscriber already" in again.stderr
    [listed] = json.loads(bus("subscriber", "list", "--json").stdout)
    assert (listed["name"], listed["grants"], listed["persons"]) == (name, ["ledger"], False)


def test_a_smaller_grant_takes_bindings_away_and_holds_for_http_at_once(
    database: Database, name: str, tmp_path: Path, signed_in: Callable[..., Any]
) -> None:
    own = added(name, tmp_path / "env", "ledger", "payments", more=("--persons",))
    queue = f"{own['SALDO_QUEUE_PREFIX']}all"
    channel = signed_in(own)
    channel.queue_declare(queue, durable=True)
    for exchange in ("ledger.events", "payments.events", "payments.persons"):
        channel.queue_bind(queue, exchange, "#")
    changed = bus("subscriber", "grant", name, "--grant", "ledger.payment_posted", *BY)
    assert changed.exit_code == 0, (changed.output, changed.exception)
    found = row_of(database, own["SALDO_EVENTS_TOKEN"])
    assert (list(found.grants), found.persons) == (["ledger.payment_posted"], False)
    administration = subscriber_administration.SubscriberAdministration(database.settings)
    bound = [
        one["source"]
        for one in administration._broker().bindings()
        if one["destination"] == queue and one["source"]
    ]
    assert bound == []
    signed_in(own).queue_bind(queue, "ledger.events", "payment_posted")


def test_rotated_credentials_replace_the_old_ones_at_once(
    database: Database, name: str, tmp_path: Path, signed_in: Callable[..., Any]
) -> None:
    file = tmp_path / "subscriber.env"
    old = added(name, file, "ledger")
    channel = signed_in(old)
    assert bus("subscriber", "rotate", name, "--env", file, *BY).exit_code == 0
    new = variables_in(file)
    assert new["SALDO_EVENTS_TOKEN"] != old["SALDO_EVENTS_TOKEN"]
    assert row_of(database, old["SALDO_EVENTS_TOKEN"]) is None
    eventually(lambda: _is_closed(channel), "the old connection is closed")
    with pytest.raises(AMQPError):
        signed_in(old)
    assert signed_in(new).is_open


def test_a_removed_subscriber_has_no_connection_no_queue_and_no_token(
    database: Database, name: str, tmp_path: Path, signed_in: Callable[..., Any]
) -> None:
    own = added(name, tmp_path / "env", "ledger")
    channel = signed_in(own)
    channel.queue_declare(f"{own['SALDO_QUEUE_PREFIX']}all", durable=True)
    removed = bus("subscriber", "remove", name, *BY)
    assert removed.stdout == f"{name} is removed\n", (removed.output, removed.exception)
    eventually(lambda: _is_closed(channel), "its connection is closed")
    administration = subscriber_administration.SubscriberAdministration(database.settings)
    assert [q["name"] for q in administration._broker().queues() if name in q["name"]] == []
    assert row_of(database, own["SALDO_EVENTS_TOKEN"]) is None
    with pytest.raises(AMQPError):
        signed_in(own)


def _is_closed(channel: Any) -> bool:
    try:
        channel.connection.process_data_events(0)
    except (ConnectionClosedByBroker, AMQPError):
        return True
    return not channel.is_open


def got(channel: Any, queue: str) -> list[dict[str, Any]]:
    headers = []
    while (found := channel.basic_get(queue, auto_ack=True))[0] is not None:
        headers.append(found[1].headers)
    return headers


def test_a_queue_gets_the_history_that_its_owner_may_see(
    database: Database, name: str, tmp_path: Path, signed_in: Callable[..., Any]
) -> None:
    ledger = database.store("ledger")
    open_one(ledger)
    pay(ledger, 3)
    own = added(name, tmp_path / "env", "ledger.payment_posted")
    queue = f"{own['SALDO_QUEUE_PREFIX']}late"
    channel = signed_in(own)
    channel.queue_declare(queue, durable=True)
    counted = bus("replay", "ledger", "--to-queue", queue, *BY, "--dry-run")
    assert counted.stdout == "3 events would be sent, up to position 4\n", counted.output
    sent = bus("replay", "ledger", "--to-queue", queue, *BY)
    assert sent.stdout.endswith("3 events sent, up to position 4\n"), sent.output
    headers = got(channel, queue)
    assert [one["saldo_position"] for one in headers] == [2, 3, 4]
    assert [one["saldo_type_predecessor"] for one in headers] == [0, 2, 3]
    later = bus("replay", "ledger", "--to-queue", queue, "--after", 3, *BY)
    assert later.stdout.endswith("1 events sent, up to position 4\n"), later.output
    [recorded] = [event.recorded_at for event in ledger.log_after(1, 1)]
    since = bus("replay", "ledger", "--to-queue", queue, "--since", recorded.isoformat(), *BY)
    assert since.stdout.endswith("3 events sent, up to position 4\n"), since.output


def test_history_goes_to_nobody_who_may_not_see_it(
    database: Database, name: str, tmp_path: Path
) -> None:
    open_one(database.store("ledger"))
    own = added(name, tmp_path / "env", "ledger")
    prefix = own["SALDO_QUEUE_PREFIX"]
    for service, queue in (
        ("payments", f"{prefix}late"),
        ("ledger", "erp.from.ledger"),
        ("ledger", "subscriber.nobody.late"),
        ("ledger", f"evt-payments-payment_completed--{name}.on_payment"),
        ("ledger", "rpc-ledger"),
        ("ledger", f"{prefix}missing"),
    ):
        refused = bus("replay", service, "--to-queue", queue, *BY)
        assert (refused.exit_code, refused.stdout) == (2, ""), (queue, refused.output)
        assert refused.stderr.strip()
