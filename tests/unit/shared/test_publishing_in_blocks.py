"""Publishing in blocks: very many messages are written together, few at once each."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from shared.bus.messages import Envelope
from shared.bus.publisher import BLOCK, ConfirmedPublisher, PublishError

BODY = b"x" * 1_000


class Channel:
    """A channel that keeps what is written to its connection."""

    channel_id = 1

    def __init__(self) -> None:
        self.written: list[bytes] = []
        transport = SimpleNamespace(write=lambda frames: self.written.append(bytes(frames)))
        self.connection: Any = SimpleNamespace(frame_max=131_072, transport=transport, bytes_sent=0)
        events = ("basic_ack", "basic_nack", "basic_return")
        self.events: dict[str, set[Any]] = {name: set() for name in events}

    def confirm_select(self) -> None:
        """Nothing: the tests give no confirms."""


def envelopes(count: int) -> list[Envelope]:
    return [Envelope("bill", {"saldo_position": one}, BODY) for one in range(count)]


def alone(count: int) -> bytes:
    channel = Channel()
    publisher = ConfirmedPublisher(channel, "ledger")
    for one in envelopes(count):
        publisher.publish("ledger.log", one)
    assert len(channel.written) == count
    return b"".join(channel.written)


def test_blocks_have_the_same_bytes_in_the_same_order() -> None:
    channel = Channel()
    publisher = ConfirmedPublisher(channel, "ledger")
    with publisher.gathering(True):
        tags = [publisher.publish("ledger.log", one) for one in envelopes(500)]
        publisher.flush()
    assert tags == list(range(1, 501))
    assert b"".join(channel.written) == alone(500)
    assert all(len(block) >= BLOCK for block in channel.written[:-1])
    assert len(channel.written) < 20


def test_messages_that_are_not_gathered_are_written_at_once() -> None:
    channel = Channel()
    publisher = ConfirmedPublisher(channel, "ledger")
    with publisher.gathering(False):
        for one in envelopes(3):
            publisher.publish("ledger.log", one)
        assert b"".join(channel.written) == alone(3)


def test_messages_left_by_a_failed_block_are_never_sent() -> None:
    """The lead was lost in the middle: nothing more may leave the process."""
    channel = Channel()
    publisher = ConfirmedPublisher(channel, "ledger")

    def lose_the_lead() -> None:
        with publisher.gathering(True):
            publisher.publish("ledger.log", envelopes(1)[0])
            raise RuntimeError("the lead is lost")

    with pytest.raises(RuntimeError):
        lose_the_lead()
    publisher.flush()
    assert channel.written == []


def test_message_that_no_queue_takes_is_an_error_whoever_has_read_so() -> None:
    """The relay asks how long queues are while messages are in flight, which reads their fates."""
    channel = Channel()
    publisher = ConfirmedPublisher(channel, "ledger")
    first, second = (publisher.publish("ledger.log", one) for one in envelopes(2))
    for returned in channel.events["basic_return"]:
        returned(None, "ledger.log", "bill", None)
    for confirmed in channel.events["basic_ack"]:
        confirmed(second, True)
    for tag in (first, second):
        with pytest.raises(PublishError):
            publisher.wait_for(tag)
