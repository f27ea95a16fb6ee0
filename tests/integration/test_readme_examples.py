"""The subscribers that README.md shows to other systems, run as they stand there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from uuid import uuid4

import pika
import pytest

from services.ledger.application import (
    OpenAccount,
    PaidLine,
    PostPayment,
    open_account,
    post_payment,
)
from services.ledger.publishing import publish
from shared import context
from shared.bus.live import Handoff, LiveFeed
from shared.bus.permissions import Rights, rights_of_subscriber
from shared.bus.relay import Relay
from shared.bus.worker import Worker
from shared.eventstore.postgres import PostgresStore
from tests.conftest import BrokerUser, Database

README = Path(__file__).resolve().parents[2] / "README.md"
QUEUES = ("subscriber.erp.ledger", "evt-ledger-payment_posted--erp.on_payment")
WAIT_S = 20.0
NAMEKO = """
import eventlet; eventlet.monkey_patch()
import os
from nameko.runners import ServiceRunner
runner = ServiceRunner(
    {"AMQP_URI": os.environ["SALDO_AMQP_URL"], "DECLARE_EVENT_EXCHANGES": False}
)
runner.add_service(Erp)
runner.start(); print("ready", flush=True); runner.wait()
"""


def examples() -> list[str]:
    """The three Python blocks: a queue of one's own, the stream, nameko."""
    return re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


class Program:
    """An example in a process of its own; its lines are read as they come."""

    def __init__(self, text: str, amqp_url: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", text],
            env={
                "PATH": os.environ["PATH"],
                "SALDO_AMQP_URL": amqp_url,
                "SALDO_QUEUE_PREFIX": "subscriber.erp.",
            },
            stdout=subprocess.PIPE,
            text=True,
        )
        self._lines: SimpleQueue[str] = SimpleQueue()
        Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self._lines.put(line.strip())

    def line(self) -> str:
        try:
            return self._lines.get(timeout=WAIT_S)
        except Empty:
            raise AssertionError(f"no line came within {WAIT_S:.0f} s") from None

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()


@pytest.fixture
def broker(
    amqp_url: str, clean_bus: None
) -> Iterator[pika.adapters.blocking_connection.BlockingChannel]:
    connection = pika.BlockingConnection(pika.URLParameters(amqp_url))
    yield connection.channel()
    for queue in QUEUES:
        connection.channel().queue_delete(queue)
    connection.close()


@pytest.fixture
def erp_url(broker_user: Callable[[str, str, Rights], BrokerUser]) -> str:
    """The URL of a subscriber who may see the ledger."""
    rights = rights_of_subscriber("erp", ["ledger"], personal=())
    return broker_user("subscriber", "erp", rights).url


@pytest.fixture
def ledger(database: Database, clean_bus: None) -> Iterator[PostgresStore]:
    """A ledger with one event, and its relay and live feed at work."""
    store, worker, handoff = database.store("ledger"), Worker(), Handoff()
    store.execute(open_account, OpenAccount(number="0100000001", payer_kind="household"))
    relay = Relay(database.settings, store, publish, worker.stop, handoff.put)
    worker.start("relay", relay.run)
    worker.start("live", LiveFeed(database.settings, store, publish, worker.stop, handoff).run)
    yield store
    worker.join()


def pay(store: PostgresStore) -> None:
    line = PaidLine(account="0100000001", amount=100, penalty=0)
    command = PostPayment(payment_id=uuid4(), paid_on=date(2026, 11, 1), lines=(line,))
    with context.bind(command_id=uuid4()):
        store.execute(post_payment, command)


@pytest.mark.usefixtures("ledger")
def test_the_stream_tells_the_history(erp_url: str, broker: object) -> None:
    queue, stream, _ = examples()
    lines = [
        line
        for line in queue.splitlines(keepends=True)
        if not line.startswith(("channel.queue_", "channel.basic_consume"))
    ]
    reading = Program("".join([*lines[:-1], stream, lines[-1]]), erp_url)
    try:
        assert reading.line().startswith("1 account_opened {'account': '0100000001'")
    finally:
        reading.end()


def test_a_queue_of_ones_own_gets_what_is_published(
    ledger: PostgresStore,
    erp_url: str,
    broker: pika.adapters.blocking_connection.BlockingChannel,
) -> None:
    broker.exchange_declare("ledger.events", "topic", durable=True)
    broker.queue_declare(QUEUES[0], durable=True, arguments={"x-queue-type": "quorum"})
    broker.queue_bind(QUEUES[0], "ledger.events", "#")
    pay(ledger)
    reading = Program(examples()[0], erp_url)
    try:
        seen = reading.line()
        while not seen.startswith("2 "):  # the first event may have come before the queue
            seen = reading.line()
        assert seen.startswith("2 payment_posted {")
    finally:
        reading.end()


def test_a_nameko_handler_gets_the_payment(
    ledger: PostgresStore, erp_url: str, broker: object
) -> None:
    reading = Program(examples()[2] + NAMEKO, erp_url)
    try:
        assert reading.line() == "ready"
        pay(ledger)
        assert reading.line() == "0100000001 100 0"
    finally:
        reading.end()
