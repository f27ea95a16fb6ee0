"""A new consumer on a connection that reads ahead gets each message of its queue once, in order."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from amqp import Message

from shared.bus.topology import connect

pytestmark = pytest.mark.nodes

CONSUMERS = 20


@pytest.mark.parametrize(
    ("kind", "messages", "arguments"),
    [("quorum", 50, {}), ("stream", 1, {"x-stream-offset": "last"})],
    ids=["quorum", "stream"],
)
def test_new_consumers_get_what_has_waited_for_them(
    amqp_url: str, kind: str, messages: int, arguments: dict[str, str]
) -> None:
    queue, orders = f"test-{uuid4()}", list[list[int]]()
    how: Any = {"durable": True, "auto_delete": False, "arguments": {"x-queue-type": kind}}
    with connect(amqp_url, name="test", reads_ahead=True) as broker:
        with broker.channel() as channel:
            channel.confirm_select()
            channel.queue_declare(queue, **how)
            for number in range(messages):
                channel.basic_publish_confirm(Message(str(number).encode()), "", queue)
        for _ in range(CONSUMERS):
            got: list[Any] = []
            with broker.channel() as channel:
                channel.basic_qos(0, 100, False)
                channel.basic_consume(queue, callback=got.append, arguments=arguments)
                while len(got) < messages:
                    broker.drain_events(timeout=10)
            orders.append([int(message.body) for message in got])
        with broker.channel() as channel:
            channel.queue_delete(queue)
    assert orders == [list(range(messages))] * CONSUMERS
