"""Checkpoints on the bus: whoever keeps one is a witness."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from kombu import Exchange, Queue

from services.ledger.seal.announcing import EXCHANGE, ROUTING_KEY, announce_checkpoint
from services.ledger.seal.checkpoint import open_checkpoint
from services.ledger.seal.sealer import last_checkpoint
from shared.bus.topology import connect
from shared.config import Settings
from shared.eventstore.postgres import PostgresStore
from tests.integration.ledger.sealed_ledger import KEYS, SealedLedger

pytestmark = pytest.mark.nodes


@dataclass
class Services:
    store: PostgresStore
    settings: Settings

    def call(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("announcing calls nobody")


@pytest.fixture
def channel(ledger: SealedLedger) -> Iterator[Any]:
    """A channel of the broker's administrator, with the exchange of checkpoints."""
    with connect(ledger.database.settings.amqp_url, name="tests", heartbeat=0) as broker:
        opened = broker.channel()
        exchange = Exchange(EXCHANGE, type="topic", durable=True)(opened)
        exchange.declare()
        yield opened
        exchange.delete()


def test_every_subscriber_gets_the_newest_checkpoint_once(
    ledger: SealedLedger, channel: Any
) -> None:
    queue = Queue("subscriber.auditor.checkpoints", Exchange(EXCHANGE, type="topic"), "#")(channel)
    queue.declare()
    services = Services(ledger.store, ledger.database.settings)
    for _ in range(2):
        announce_checkpoint(services)
    message = queue.get(no_ack=True)
    assert message is not None
    assert (message.properties["user_id"], message.content_type) == ("ledger", "text/plain")
    body = message.body if isinstance(message.body, str) else bytes(message.body).decode()
    assert body == ledger.read(last_checkpoint).note
    assert open_checkpoint(body, KEYS.trusted).size == message.headers["size"] == 590
    assert queue.get(no_ack=True) is None
    ledger.seal()
    announce_checkpoint(services)
    assert queue.get(no_ack=True).headers["size"] == 600
    queue.delete()


def test_queue_that_refuses_stops_nothing(ledger: SealedLedger, channel: Any) -> None:
    full = {"x-max-length": 0, "x-overflow": "reject-publish"}
    queue = Queue(
        "subscriber.full.checkpoints",
        Exchange(EXCHANGE, type="topic"),
        ROUTING_KEY,
        queue_arguments=full,
    )(channel)
    queue.declare()
    announce_checkpoint(Services(ledger.store, ledger.database.settings))
    announced = ledger.read(
        lambda cursor: cursor.execute("SELECT number FROM announced_checkpoint").fetchone()
    )
    assert announced == {"number": 4}
    queue.delete()
