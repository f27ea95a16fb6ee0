"""A call ends at its deadline, whatever the broker does; so does a reply."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from deploy.embedded.surroundings import REPOSITORY
from shared.config import GATEWAY, Settings
from shared.errors import NotFound, Unavailable
from shared.rpc.client import RpcClient
from shared.rpc.sender import Sender
from tests.conftest import Database
from tests.service_process import ServiceProcess, service_process
from tests.stalling_proxy import StallingProxy
from tests.waiting import eventually

pytestmark = pytest.mark.nodes

DEADLINE_S = 0.5
LATE_S = 10.0
"""How late an answer may be on a busy machine; it was 24 s and more."""
LARGE = "x" * 300_000


@pytest.fixture
def proxy(base_settings: Settings) -> Iterator[StallingProxy]:
    parts = urlsplit(base_settings.amqp_url)
    with StallingProxy(parts.hostname or "", parts.port or 5672) as made:
        yield made


@pytest.fixture
def client(base_settings: Settings, proxy: StallingProxy) -> Iterator[RpcClient]:
    made = RpcClient(proxy.in_place_of(base_settings.amqp_url_of(GATEWAY)), name="tests")
    with pytest.raises(Unavailable):
        made.call("absent", "balance", deadline=1.0)  # so that it is connected
    yield made
    proxy.go_on()
    made.close()


def seconds_of(client: RpcClient, **arguments: object) -> float:
    began = time.monotonic()
    with pytest.raises(Unavailable):
        client.call("absent", "balance", deadline=DEADLINE_S, **arguments)
    return time.monotonic() - began


def test_calls_end_in_time_when_the_broker_stops_reading(
    client: RpcClient, proxy: StallingProxy
) -> None:
    proxy.stall()
    taken: list[float] = []
    callers = [
        threading.Thread(target=lambda: taken.append(seconds_of(client, text=LARGE)), daemon=True)
        for _ in range(40)
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(60)
    assert len(taken) == len(callers)
    assert max(taken) < DEADLINE_S + LATE_S
    assert seconds_of(client) < DEADLINE_S + LATE_S


def test_new_client_of_a_frozen_broker_ends_in_time(
    base_settings: Settings, proxy: StallingProxy
) -> None:
    proxy.stall()
    client = RpcClient(proxy.in_place_of(base_settings.amqp_url_of(GATEWAY)), name="tests")
    assert seconds_of(client) < DEADLINE_S + LATE_S
    began = time.monotonic()
    client.close()
    assert time.monotonic() - began < 10


def test_calls_are_answered_again_once_the_broker_reads(
    base_settings: Settings, proxy: StallingProxy, client: RpcClient, ledger: ServiceProcess
) -> None:
    proxy.stall()
    for _ in range(20):
        seconds_of(client, text=LARGE)
    proxy.go_on()
    eventually(lambda: is_answered(client), "calls are answered again", 30)


@pytest.fixture
def ledger(
    database: Database, tmp_path_factory: pytest.TempPathFactory, clean_bus: None
) -> Iterator[ServiceProcess]:
    log = tmp_path_factory.mktemp("server") / "server.log"
    with service_process(database, "ledger", log) as running:
        yield running


def is_answered(client: RpcClient) -> bool:
    try:
        client.call("ledger", "balance", number="999", deadline=2)
    except NotFound:
        return True
    except Unavailable:
        return False
    return False


def test_reply_that_cannot_be_sent_is_given_up(
    base_settings: Settings, proxy: StallingProxy
) -> None:
    sender = Sender(
        proxy.in_place_of(base_settings.amqp_url_of("ledger")), name="tests", user="ledger"
    )
    sender.send(b"1", "reply.gateway.none", ends=time.monotonic() + 10)
    proxy.stall()
    began = time.monotonic()
    with pytest.raises(Unavailable):
        send_many(sender, began + DEADLINE_S)
    assert time.monotonic() - began < DEADLINE_S + LATE_S
    proxy.go_on()
    sender.send(b"1", "reply.gateway.none", ends=time.monotonic() + 10)
    sender.close()


def send_many(sender: Sender, ends: float) -> None:
    for _ in range(100):
        sender.send(LARGE.encode(), "reply.gateway.x", ends=ends)


def test_time_limits_hold_in_greenlets_too(base_settings: Settings, proxy: StallingProxy) -> None:
    """Under eventlet a socket heeds no SO_SNDTIMEO, and its own timeout by other means."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.integration.green_sender",
         proxy.in_place_of(base_settings.amqp_url_of("ledger"))],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "connected\n"
        proxy.stall()
        process.stdin.write("\n")
        process.stdin.flush()
        waiting, others = map(float, process.stdout.readline().split())
    assert waiting < DEADLINE_S + LATE_S
    assert others < LATE_S  # the other greenlets go on meanwhile
