"""Calls keep their deadlines with a RabbitMQ that is frozen, or out of memory."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.embedded import process
from shared.config import GATEWAY
from shared.errors import Unavailable
from shared.rpc.client import RpcClient
from tests.faults.injectors.network import Network
from tests.faults.injectors.small_house import SmallHouse
from tests.nodes import prepare, principals_urls
from tests.waiting import eventually

pytestmark = [pytest.mark.nodes, pytest.mark.slow]

DEADLINE_S = 0.5
LATE_S = 10.0
CALLERS = 20


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallHouse]:
    """A house with a broker and nothing else."""
    with Network() as network:
        made = SmallHouse(Path(tmp_path_factory.mktemp("broker")) / "saldo", network)
        try:
            made.installation.up(["rabbitmq"])
            prepare(made.environment["SALDO_AMQP_URL"], made.environment["SALDO_AMQP_ADMIN_URL"])
            yield made
        finally:
            made.installation.reset()


@pytest.fixture
def client(house: SmallHouse) -> Iterator[RpcClient]:
    urls = principals_urls(
        house.environment["SALDO_AMQP_URL"], house.environment["SALDO_AMQP_ADMIN_URL"]
    )
    made = RpcClient(urls[GATEWAY], name="tests")
    eventually(lambda: code_of(made, 2.0)[0] == "service_unavailable", "it is connected")
    yield made
    made.close()


def code_of(client: RpcClient, deadline: float, text: str = "") -> tuple[str, float]:
    """Return the code with which a call to nobody is refused, and the seconds that it took."""
    began = time.monotonic()
    with pytest.raises(Unavailable) as refused:
        client.call("absent", "balance", deadline=deadline, text=text)
    return refused.value.code, time.monotonic() - began


def test_calls_keep_their_deadlines_while_the_broker_is_frozen(
    house: SmallHouse, client: RpcClient
) -> None:
    stopped = list(process.session_members(house.identities()["rabbitmq"].pid))
    taken: list[float] = []

    def call() -> None:
        taken.append(code_of(client, DEADLINE_S, "x" * 500_000)[1])

    for each in stopped:
        process.send(each, signal.SIGSTOP)
    try:
        callers = [threading.Thread(target=call, daemon=True) for _ in range(CALLERS)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join(30)
    finally:
        for each in stopped:
            process.send(each, signal.SIGCONT)
    assert len(taken) == CALLERS
    assert max(taken) < DEADLINE_S + LATE_S
    eventually(lambda: code_of(client, 2.0)[0] == "service_unavailable", "calls are sent again", 60)


def test_blocked_broker_is_known_at_once(house: SmallHouse, client: RpcClient) -> None:
    house.rabbitmqctl("set_vm_memory_high_watermark", "absolute", "1MB")
    try:
        eventually(
            lambda: code_of(client, DEADLINE_S)[0] == "bus_unavailable", "the client is told", 30
        )
        began = time.monotonic()
        with pytest.raises(Unavailable):
            client.call("absent", "balance", deadline=60)
        assert time.monotonic() - began < LATE_S
    finally:
        house.rabbitmqctl("set_vm_memory_high_watermark", "0.4")
    eventually(lambda: code_of(client, 2.0)[0] == "service_unavailable", "calls are sent again", 60)
