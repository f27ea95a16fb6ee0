"""A connection keeps little room for what it sends, and sends messages of any size."""

from __future__ import annotations

import tracemalloc
from uuid import uuid4

import pytest
from amqp import Message

from shared.bus.broker_connection import LARGEST_FRAME
from shared.bus.topology import connect

pytestmark = pytest.mark.nodes

KEPT = 2 * LARGEST_FRAME
"""Bytes that the code of frames may hold for a connection: its buffer, and little else."""


def held_by_frames() -> int:
    taken = tracemalloc.take_snapshot().filter_traces(
        [tracemalloc.Filter(True, "*/amqp/method_framing.py")]
    )
    return sum(one.size for one in taken.statistics("filename"))


def test_a_connection_keeps_no_room_for_the_largest_frame(amqp_url: str) -> None:
    tracemalloc.start()
    try:
        before = held_by_frames()
        with connect(amqp_url, name="test") as broker:
            broker.connect()
            assert 0 < held_by_frames() - before < KEPT
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("size", [0, LARGEST_FRAME - 200, LARGEST_FRAME, 10 * LARGEST_FRAME + 7])
def test_a_message_of_any_size_arrives_whole(amqp_url: str, size: int) -> None:
    queue, body = f"test-{uuid4()}", b"\x00\xce" * (size // 2) + b"!" * (size % 2)
    with connect(amqp_url, name="test") as broker, broker.channel() as channel:
        channel.confirm_select()
        channel.queue_declare(queue, exclusive=True)
        headers = {"long": "x" * (2 * LARGEST_FRAME)}  # of one frame, however long it is
        message = Message(body, application_headers=headers)
        channel.basic_publish_confirm(message, "", queue)
        got = channel.basic_get(queue, no_ack=True)
    found = got.body.encode() if isinstance(got.body, str) else got.body
    assert found == body
    assert got.headers == headers


def test_sent_frames_count_as_heartbeats(amqp_url: str) -> None:
    with connect(amqp_url, name="test") as broker, broker.channel() as channel:
        sent = broker.connection.bytes_sent
        channel.queue_declare(f"test-{uuid4()}", exclusive=True)
        assert broker.connection.bytes_sent > sent
