"""RPC over a real broker: the server process as it is deployed, and the client."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pika
import pytest
import requests

from services.ledger.application import OpenAccount, open_account
from services.ledger.domain.events import ServiceAmount
from shared import clock, context
from shared.config import GATEWAY, Settings
from shared.distant_clock import ServiceClocks
from shared.errors import Forbidden, NotFound, Unavailable, ValidationFailed
from shared.rpc.client import RpcClient
from tests.conftest import Database
from tests.service_process import ServiceProcess, service_process
from tests.waiting import eventually

NUMBER = "0100000001"
ADDRESS = "reply.gateway.00000000-0000-4000-8000-000000000000"


@pytest.fixture(scope="module")
def server(
    module_database: Database, tmp_path_factory: pytest.TempPathFactory, module_bus: None
) -> Iterator[ServiceProcess]:
    log = tmp_path_factory.mktemp("server") / "server.log"
    with service_process(module_database, "ledger", log) as running:
        yield running


@pytest.fixture
def cash_desk(
    module_database: Database, cash_desk_of: Callable[[Database], RpcClient]
) -> RpcClient:
    return cash_desk_of(module_database)


@pytest.fixture
def client(base_settings: Settings) -> Iterator[RpcClient]:
    """The gateway, which speaks for persons."""
    made = RpcClient(base_settings.amqp_url_of(GATEWAY), name="tests")
    yield made
    made.close()


def test_call_returns_the_result(
    module_database: Database, server: ServiceProcess, client: RpcClient
) -> None:
    with context.bind(actor="staff:petrova"):
        module_database.store("ledger").execute(
            open_account,
            OpenAccount(
                number=NUMBER, payer_kind="household", opening=(ServiceAmount("heating", 450_000),)
            ),
        )
    answer = client.call("ledger", "balance", number=NUMBER)
    assert (answer["principal"], answer["version"]) == (450_000, 1)
    page = client.call("ledger", "events_after", after=0, predecessor=0, limit=10)
    assert [event["headers"]["saldo_position"] for event in page["events"]] == [1]
    assert client.call("ledger", "health") == {"status": "ok"}


def test_errors_of_the_closed_set_cross_the_wire(server: ServiceProcess, client: RpcClient) -> None:
    with pytest.raises(NotFound) as missing:
        client.call("ledger", "balance", number="999")
    assert (missing.value.code, missing.value.params) == ("account_not_found", {"account": "999"})
    with pytest.raises(ValidationFailed) as wrong:
        client.call("ledger", "balance", number="12a", more=1)
    assert set(wrong.value.params["fields"]) == {"number", "more"}


def test_reply_tells_its_caller_the_time_of_the_database(
    module_database: Database,
    server: ServiceProcess,
    base_settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A caller without a database, whose machine has another time."""
    monkeypatch.setattr(clock, "wall_time", lambda: datetime(2031, 1, 1, tzinfo=UTC))
    clocks = ServiceClocks(base_settings.timezone)
    url = base_settings.amqp_url_of(GATEWAY)
    with closing(RpcClient(url, name="tests", clocks=clocks)) as caller:
        with pytest.raises(NotFound):
            caller.call("ledger", "balance", number="998")
        caller.call("ledger", "health")
    [row] = module_database.store("ledger").query(
        lambda session: session.cursor.execute("SELECT clock_timestamp() AS at").fetchall()
    )
    off_by = abs(clocks.of("ledger").now() - row["at"])
    assert off_by < timedelta(minutes=1)
    assert clocks.of("accounts").now().year == 2031


def test_unknown_method_is_a_refusal_and_no_defect(
    server: ServiceProcess, client: RpcClient
) -> None:
    with pytest.raises(NotFound) as unknown:
        client.call("ledger", "nope")
    assert unknown.value.code == "method_unknown"


def test_call_to_a_stopped_service_takes_its_deadline_and_no_more(client: RpcClient) -> None:
    began = time.monotonic()
    with pytest.raises(Unavailable) as error:
        client.call("absent", "balance", number=NUMBER, deadline=0.5)
    assert error.value.params == {"service": "absent"}
    assert time.monotonic() - began < 10


def test_expired_request_is_not_processed_later(amqp_url: str, client: RpcClient) -> None:
    channel = pika.BlockingConnection(pika.URLParameters(amqp_url)).channel()
    channel.exchange_declare("nameko-rpc", "topic", durable=True)
    channel.queue_declare("rpc-absent", durable=True)
    channel.queue_bind("rpc-absent", "nameko-rpc", "absent.*")
    with pytest.raises(Unavailable):
        client.call("absent", "balance", number=NUMBER, deadline=0.3)
    eventually(
        lambda: not channel.queue_declare("rpc-absent", passive=True).method.message_count,
        "the request has expired in the queue",
    )
    channel.queue_delete("rpc-absent")
    channel.connection.close()


@pytest.mark.parametrize(
    ("properties", "body", "routing_key"),
    [
        ({"content_type": "application/json"}, b'{"args":[],"kwargs":{}}', "ledger.balance"),
        (
            {"content_type": "application/json", "reply_to": "q"},
            b'{"args":[],"kwargs":{}}',
            "ledger.balance",
        ),
        ({"reply_to": ADDRESS}, b'{"args":[],"kwargs":{}}', "ledger.balance"),
        ({"content_type": "application/json", "reply_to": ADDRESS}, b'"text"', "ledger.balance"),
        ({"content_type": "application/json", "reply_to": "q"}, b"{broken", "ledger.balance"),
        ({"content_type": "application/json", "reply_to": "q"}, b"{}", "ledger.no_such"),
        (
            {"content_type": "application/x-python-serialize", "reply_to": ADDRESS},
            b"x",
            "ledger.health",
        ),
        (
            {
                "content_type": "application/json",
                "reply_to": ADDRESS,
                "headers": {"nameko.actor": "a b"},
            },
            b'{"args":[1],"kwargs":{}}',
            "ledger.balance",
        ),
    ],
)
def test_malformed_request_harms_nobody(
    server: ServiceProcess,
    client: RpcClient,
    base_settings: Settings,
    properties: dict[str, Any],
    body: bytes,
    routing_key: str,
) -> None:
    url = base_settings.amqp_url_of(GATEWAY)
    connection = pika.BlockingConnection(pika.URLParameters(url))
    sent = pika.BasicProperties(user_id=GATEWAY, **properties)
    connection.channel().basic_publish("nameko-rpc", routing_key, body, sent)
    connection.close()
    assert client.call("ledger", "health") == {"status": "ok"}
    assert server.process.poll() is None


def test_many_calls_share_one_client(
    module_database: Database, server: ServiceProcess, client: RpcClient
) -> None:
    store = module_database.store("ledger")
    for number in range(11, 31):
        store.execute(open_account, OpenAccount(number=f"{number:010}", payer_kind="household"))
    answers: dict[int, str] = {}

    def ask(number: int) -> None:
        answers[number] = client.call("ledger", "balance", number=f"{number:010}")["number"]

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(11, 31)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {number: f"{number:010}" for number in range(11, 31)}


def test_payments_of_many_callers_are_committed_together_and_each_once(
    module_database: Database, server: ServiceProcess, cash_desk: RpcClient
) -> None:
    store, owed = module_database.store("ledger"), 100_000
    numbers = [f"{number:010}" for number in range(41, 51)]
    for number in numbers:
        opening = (ServiceAmount("heating", owed),)
        store.execute(
            open_account, OpenAccount(number=number, payer_kind="household", opening=opening)
        )
    last = max(event.id for event in store.log_after(0, 1_000))
    answers: dict[int, Any] = {}

    def pay(caller: int) -> None:
        for number in numbers:
            # Sent twice, as by a caller that has not seen the reply.
            payment_id = str(uuid4())
            lines = [{"account": number, "amount": 100}]
            for _ in range(2):
                answers[caller] = cash_desk.call(
                    "ledger",
                    "post_payment",
                    payment_id=payment_id,
                    paid_on="2026-11-01",
                    lines=lines,
                    deadline=30.0,
                )
                assert answers[caller] == {"payment_id": payment_id, "posted": [number]}

    threads = [threading.Thread(target=pay, args=(caller,)) for caller in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 20
    events = store.log_after(last, 1_000)
    assert len(events) == 20 * len(numbers)
    assert len({event.recorded_at for event in events}) < len(events)
    rows = store.query(lambda session: session.read.balances(numbers))
    assert {row["principal"] for row in rows} == {owed - 20 * 100}


def test_payment_is_posted_to_all_its_accounts_or_to_none(
    module_database: Database, server: ServiceProcess, client: RpcClient, cash_desk: RpcClient
) -> None:
    module_database.store("ledger").execute(
        open_account, OpenAccount(number="0000000061", payer_kind="household")
    )
    lines = [{"account": number, "amount": 5} for number in ("0000000061", "0000000062")]
    asked = {"payment_id": str(uuid4()), "paid_on": "2026-11-01", "lines": lines}
    with pytest.raises(NotFound):
        cash_desk.call("ledger", "post_payment", **asked)
    assert client.call("ledger", "balance", number="0000000061")["version"] == 1
    with context.bind(actor=f"person:{uuid4()}"), pytest.raises(Forbidden) as refused:
        client.call("ledger", "post_payment", **asked)
    assert refused.value.code == "caller_not_served"
    asked["lines"] = [{"account": "0000000061", "amount": amount} for amount in (5, 7)]
    with pytest.raises(ValidationFailed) as twice:
        cash_desk.call("ledger", "post_payment", **asked)
    assert set(twice.value.params["fields"]) == {"lines"}
    assert client.call("ledger", "balance", number="0000000061")["version"] == 1


def test_log_names_the_caller_and_not_the_arguments(
    server: ServiceProcess, client: RpcClient
) -> None:
    with context.bind(actor="person:1f0c", correlation_id="journey-9"), pytest.raises(NotFound):
        client.call("ledger", "balance", command_id=uuid4(), number="70000000077")
    # The reply is sent before the call is logged.
    eventually(lambda: server.has_logged("journey-9"), "the refusal is logged")
    log = server.log.read_text(encoding="utf-8")
    lines = [line for line in log.splitlines() if "journey-9" in line and "rpc_refused" in line]
    assert '"code": "account_not_found"' in lines[-1]
    assert '"actor": "person:1f0c"' in lines[-1]
    assert '"correlation_id": "journey-9"' in lines[-1]
    assert "70000000077" not in lines[-1]


def test_credentials_of_others_call_nothing(
    server: ServiceProcess, base_settings: Settings
) -> None:
    """Whoever has the broker's administrator, or another service's user, is not the gateway."""
    asked = {"payment_id": str(uuid4()), "paid_on": "2026-11-01", "lines": []}
    users = [base_settings.amqp_url, base_settings.amqp_url_of("payments")]
    for url in users:
        with closing(RpcClient(url, name="tests")) as stranger:
            for method, arguments in (("balance", {"number": NUMBER}), ("post_payment", asked)):
                with context.bind(actor="staff:petrova"), pytest.raises(Forbidden) as refused:
                    stranger.call("ledger", method, **arguments)
                assert refused.value.code == "caller_not_served"


def test_callers_that_are_refused_are_counted_and_logged(
    server: ServiceProcess, base_settings: Settings
) -> None:
    started = next(
        line for line in server.log.read_text(encoding="utf-8").splitlines()
        if "monitoring_ready" in line
    )  # fmt: skip
    metrics = f"http://127.0.0.1:{json.loads(started)['port']}/metrics"

    def refused(caller: str) -> float:
        series = f'saldo_rpc_refused_calls_total{{caller="{caller}",service="ledger"}} '
        text = requests.get(metrics, timeout=30).text
        return float(text.partition(series)[2].partition("\n")[0])

    before = {caller: refused(caller) for caller in ("payments", "nobody", "subscriber")}
    for url in (base_settings.amqp_url, base_settings.amqp_url_of("payments")):
        with closing(RpcClient(url, name="tests")) as stranger, pytest.raises(Forbidden):
            stranger.call("ledger", "balance", number=NUMBER)
    grown = {caller: refused(caller) - count for caller, count in before.items()}
    assert grown == {"payments": 1, "nobody": 1, "subscriber": 0}
    assert '"what": "balance", "caller": "payments"' in server.log.read_text(encoding="utf-8")


def test_request_without_a_validated_user_is_dropped(
    server: ServiceProcess, base_settings: Settings, client: RpcClient
) -> None:
    """A header that names the gateway proves nothing, and nobody else is replied to."""
    with pika.BlockingConnection(pika.URLParameters(base_settings.amqp_url)) as connection:
        channel = connection.channel()
        replies = channel.queue_declare("", exclusive=True).method.queue
        for address in (f"reply.gateway.{uuid4()}", f"reply.ledger.{uuid4()}"):
            channel.queue_bind(replies, "nameko-rpc", address)
            asked = pika.BasicProperties(
                content_type="application/json",
                reply_to=address,
                correlation_id="1",
                headers={"nameko.actor": "service:payments", "nameko.caller": "gateway"},
            )
            body = json.dumps({"args": [], "kwargs": {"number": NUMBER}}).encode()
            channel.basic_publish("nameko-rpc", "ledger.balance", body, asked)
        # Served after them, from the same queue.
        assert client.call("ledger", "health") == {"status": "ok"}
        eventually(lambda: server.has_logged("rpc_without_reply_to"), "they were dropped")
        assert channel.basic_get(replies)[0] is None
