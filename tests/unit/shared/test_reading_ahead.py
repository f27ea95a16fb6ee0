"""Reading ahead: frames come out as they were sent, however the network has cut them."""

from __future__ import annotations

import random
import socket
from collections.abc import Callable
from struct import pack
from types import SimpleNamespace
from typing import Any

import pytest
from amqp import Channel, Connection
from amqp.exceptions import UnexpectedFrame
from amqp.method_framing import frame_handler
from amqp.transport import TCPTransport

from shared.bus.read_ahead import ReadAhead, read_ahead

FRAMES = [(1 + n % 3, n % 5, bytes([n % 256]) * (n * 37 % 400)) for n in range(200)]


def encoded(frames: list[tuple[int, int, bytes]], end: int = 0xCE) -> bytes:
    return b"".join(
        pack(">BHI", kind, channel, len(payload)) + payload + bytes([end])
        for kind, channel, payload in frames
    )


class Network:
    """Gives what was sent in pieces of any size, and has nothing in between now and then."""

    def __init__(self, sent: bytes, seed: int) -> None:
        self._sent, self._chance = sent, random.Random(seed)  # noqa: S311 - not for security
        self.asked = 0

    def receive(self, size: int) -> bytes:
        self.asked += 1
        if not self._sent or self._chance.random() < 0.3:
            raise TimeoutError
        piece = min(size, self._chance.choice([1, 5, 8, 60, 3_000]))
        found, self._sent = self._sent[:piece], self._sent[piece:]
        return found


def connection_to(receive: Callable[[int], bytes], got: list[Any]) -> Any:
    """Return as much of a connection of py-amqp as reads frames."""
    transport = TCPTransport("127.0.0.1")
    transport._quick_recv, transport._read_buffer = receive, b""

    def on_inbound_frame(frame: Any) -> None:
        got.append(tuple(frame))

    def drain_events(timeout: float | None) -> None:
        on_inbound_frame(transport.read_frame())

    made = SimpleNamespace(
        transport=transport,
        drain_events=drain_events,
        on_inbound_frame=on_inbound_frame,
        channels={},
    )
    read_ahead(made)
    return made


@pytest.mark.parametrize("seed", range(20))
def test_frames_arrive_whole_and_in_order_however_they_are_cut(seed: int) -> None:
    network, got = Network(encoded(FRAMES), seed), list[Any]()
    connection = connection_to(network.receive, got)
    while len(got) < len(FRAMES):
        try:
            connection.drain_events(timeout=1)
        except TimeoutError:
            continue
    assert got == FRAMES


def test_frames_that_arrive_together_are_handled_at_once() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(encoded(FRAMES))
        got: list[Any] = []
        connection = connection_to(ours.recv, got)
        connection.drain_events(timeout=1)
    assert got == FRAMES


def consuming(sock: socket.socket, written: list[Any]) -> Channel:
    """Return an open channel of a connection of py-amqp that reads ahead from a socket."""
    made = Connection()
    made._transport = TCPTransport("127.0.0.1")
    made._transport.sock = sock
    made._transport._quick_recv, made._transport._read_buffer = sock.recv, b""
    made.channels = {}
    made._on_inbound_frame = frame_handler(made, made.on_inbound_method)
    made._frame_writer = lambda *frame: written.append(frame)
    read_ahead(made)
    channel = Channel(made, 1)
    channel.is_open = True
    return channel


def test_messages_that_arrive_with_the_reply_to_their_consumer_are_his() -> None:
    """py-amqp knows the consumer once it has the reply, and gives back what comes before."""
    reply = pack(">HH", 60, 21) + b"\x01c"
    delivery = pack(">HH", 60, 60) + b"\x01c" + pack(">QB", 1, 0) + b"\x01e" + b"\x01k"
    header, body = pack(">HHQH", 60, 0, 4, 0), b"bill"
    ours, theirs = socket.socketpair()
    written: list[Any] = []
    with ours, theirs:
        theirs.sendall(encoded([(1, 1, reply), (1, 1, delivery), (2, 1, header), (3, 1, body)]))
        channel, got = consuming(ours, written), list[Any]()
        channel.basic_consume("payments.from.ledger", "c", callback=got.append)
        channel.connection.drain_events(timeout=1)
    assert [message.body for message in got] == [b"bill"]
    assert len(written) == 1  # it was not given back


def test_frame_without_its_end_is_refused() -> None:
    ahead = ReadAhead(lambda _: encoded([(1, 1, b"damaged")], end=0xCD))
    assert ahead(0) == b""
    with pytest.raises(UnexpectedFrame):
        ahead.frame()
