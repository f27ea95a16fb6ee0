"""A publisher that gets no confirm says so in time, though the broker is alive."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from shared.bus.messages import Envelope
from shared.bus.principals import user_of
from shared.bus.publisher import ConfirmedPublisher, PublishError
from shared.bus.topology import connect, log_exchange
from shared.config import Settings
from tests.integration.bus_ends import Reader

pytestmark = pytest.mark.usefixtures("clean_bus")

HEARTBEAT_S, LIMIT_S = 6, 4.0
"""RabbitMQ sends one in each half of this time, and gives us up after twice the time."""


@pytest.fixture
def reader(amqp_url: str) -> Iterator[Reader]:
    made = Reader(amqp_url, exchange=log_exchange("ledger").name)
    yield made
    made.connection.close()


def test_heartbeats_do_not_make_the_wait_for_a_confirm_longer(
    base_settings: Settings, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = base_settings.amqp_url_of("ledger")
    with connect(url, name="tests", heartbeat=HEARTBEAT_S) as broker:
        publisher = ConfirmedPublisher(broker.channel(), user_of(url))
        # The broker takes the message and confirms it, and the confirm is lost on its way.
        monkeypatch.setattr(publisher, "_on_ack", lambda tag, multiple: None)
        publisher._channel.events["basic_ack"] = {publisher._on_ack}
        tag = publisher.publish(log_exchange("ledger").name, Envelope("opened", {}, b"{}"))
        with pytest.raises(PublishError, match="no confirm within 4 s"):
            publisher.wait_for(tag, timeout=LIMIT_S)
    reader.read(1)
