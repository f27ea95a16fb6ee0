"""``saldo bus describe``, and what the broker's management API tells."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from services import bus_cli
from services.bus_commands import describe
from services.bus_commands.broker import Binding, ManagementBroker, QueueFigures
from shared.bus.administration import BrokerAdministration
from shared.config import SERVICES
from shared.contracts import all_contracts
from shared.errors import Unavailable
from tests.serving_http import serving

ANSWERS: dict[str, Any] = {
    "/api/queues/%2F": [
        {
            "name": "subscriber.datamart.ledger", "type": "quorum", "state": "running",
            "messages": 3, "messages_unacknowledged": 1, "consumers": 0, "message_bytes": 99,
        },
        {"name": "ledger.stream", "type": "stream", "state": "running", "messages": 7},
    ],
    "/api/bindings/%2F": [
        {"source": "", "destination": "ledger.stream", "destination_type": "queue",
         "routing_key": "ledger.stream"},
        {"source": "ledger.log", "destination": "ledger.stream", "destination_type": "queue",
         "routing_key": "#"},
        {"source": "ledger.events", "destination": "other", "destination_type": "exchange",
         "routing_key": "#"},
    ],
}  # fmt: skip


def managed(request: BaseHTTPRequestHandler, _: bytes) -> tuple[int, bytes]:
    """Return what RabbitMQ's management API answers."""
    path, signed = request.path, request.headers["Authorization"]
    if path in ANSWERS and signed == "Basic c2FsZG86cEA=":
        return 200, json.dumps(ANSWERS[path]).encode()
    return 401, b'{"error": "not_authorised"}'


@pytest.fixture(scope="module")
def management() -> Iterator[str]:
    """Return the address of a management API."""
    with serving(managed) as address:
        yield address


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    def ask(broker: Any) -> None:
        monkeypatch.setattr(describe, "opened_broker", lambda: broker)

    ask(None)
    return ask


def opened(url: str) -> ManagementBroker:
    return ManagementBroker(BrokerAdministration(url))


def bus(*words: str) -> Result:
    return CliRunner().invoke(bus_cli.app, ["describe", *words])


def test_queues_and_bindings_are_read_from_the_management_api(management: str) -> None:
    broker = opened(f"http://saldo:p%40@{management}")
    stream, subscriber = broker.queues()
    assert subscriber == QueueFigures(
        name="subscriber.datamart.ledger", kind="quorum", state="running",
        messages=3, unacknowledged=1, consumers=0, bytes=99,
    )  # fmt: skip
    assert (stream.messages, stream.bytes) == (7, None)
    assert (subscriber.is_foreign, stream.is_foreign) == (True, False)
    assert broker.bindings() == [Binding("ledger.log", "ledger.stream", "#")]


@pytest.mark.parametrize("user", ["saldo:wrong", "saldo:p%40"])
def test_a_broker_that_refuses_or_is_down_is_unavailable(management: str, user: str) -> None:
    address = management if user == "saldo:wrong" else "127.0.0.1:1"
    with pytest.raises(Unavailable) as refused:
        opened(f"http://{user}@{address}").queues()
    assert user.partition(":")[2] not in str(refused.value)


def test_every_service_is_described_with_its_types_and_their_readers(
    asked: Callable[[Any], None],
) -> None:
    result = bus("--json")
    assert result.exit_code == 0, result.output
    found = {one["service"]: one for one in json.loads(result.stdout)}
    assert tuple(found) == SERVICES
    for service, contracts in all_contracts().items():
        described = {
            (one["type"], version) for one in found[service]["types"] for version in one["versions"]
        }
        assert described == {(contract.type, contract.version) for contract in contracts}
    ledger = found["ledger"]
    [posted] = [one for one in ledger["types"] if one["type"] == "payment_posted"]
    assert "payments" in posted["consumers"]
    assert (ledger["log_exchange"], ledger["public_exchange"]) == ("ledger.log", "ledger.events")
    assert "ledger.from.payments" in ledger["reads"]
    assert ledger["bound"] is None


def test_what_is_bound_comes_from_the_broker(asked: Callable[[Any], None], management: str) -> None:
    asked(opened(f"http://saldo:p%40@{management}"))
    [ledger] = json.loads(bus("ledger", "--json").stdout)
    assert ledger["bound"] == [
        {"exchange": "ledger.log", "queue": "ledger.stream", "routing_key": "#"}
    ]
    assert "ledger.stream" in bus("ledger").stdout


@pytest.mark.parametrize("name", ["payment_posted", "ledger.payment_posted"])
def test_a_type_is_described_with_fields_schema_and_sample(
    asked: Callable[[Any], None], name: str
) -> None:
    found = json.loads(bus(name, "--json").stdout)
    assert {one["service"] for one in found} == {"ledger"}
    for one in found:
        assert one["sample"].keys() <= one["schema"]["properties"].keys()
        assert one["dataschema"].endswith(f"v{one['version']}")
    shown = bus(name).stdout
    assert "payment_id" in shown
    assert "ledger.events" in shown


def test_an_unknown_name_is_refused(asked: Callable[[Any], None]) -> None:
    result = bus("payment_painted")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "neither a service nor a type" in result.stderr
