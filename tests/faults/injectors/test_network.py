"""The links of a network break as they are told to, and are whole again afterwards."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.faults.injectors.network import Link, Network

PATIENCE_S = 10.0
SHORT_S = 0.3


class Echo(threading.Thread):
    """A node that sends back what it gets; `ended` is set when a connection of its own has."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.got = bytearray()
        self.ended = threading.Event()

    def run(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.join(PATIENCE_S)

    def _answer(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            while chunk := connection.recv(65536):
                self.got += chunk
                connection.sendall(chunk)
        self.ended.set()


@pytest.fixture
def echo() -> Iterator[Echo]:
    node = Echo()
    node.start()
    yield node
    node.close()


@pytest.fixture
def network() -> Iterator[Network]:
    with Network() as made:
        yield made


@pytest.fixture
def link(network: Network, echo: Echo) -> Link:
    return network.lead("echo", "127.0.0.1", echo.port)


@pytest.fixture
def client(link: Link) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", link.port), timeout=PATIENCE_S) as connection:
        assert said(connection, b"hello") == b"hello"
        yield connection


def said(connection: socket.socket, text: bytes) -> bytes:
    """Send a text and return as many bytes of the answer."""
    connection.sendall(text)
    answer = b""
    while len(answer) < len(text):
        chunk = connection.recv(65536)
        if not chunk:
            break
        answer += chunk
    return answer


def is_silent(connection: socket.socket, seconds: float = SHORT_S) -> bool:
    """Return whether nothing comes: neither a byte nor an end."""
    connection.settimeout(seconds)
    try:
        connection.recv(1)
    except TimeoutError:
        return True
    finally:
        connection.settimeout(PATIENCE_S)
    return False


def test_cut_link_resets_open_and_new_connections(link: Link, client: socket.socket) -> None:
    link.cut()
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    with (
        pytest.raises(ConnectionResetError),
        socket.create_connection(("127.0.0.1", link.port), timeout=PATIENCE_S) as other,
    ):
        other.recv(1)
    link.heal()
    with socket.create_connection(("127.0.0.1", link.port), timeout=PATIENCE_S) as other:
        assert said(other, b"again") == b"again"


def test_stalled_link_delivers_after_it_is_healed(
    link: Link, client: socket.socket, echo: Echo
) -> None:
    link.stall()
    client.sendall(b"kept")
    assert is_silent(client)
    assert bytes(echo.got) == b"hello"
    link.heal()
    assert client.recv(4) == b"kept"


def test_stalled_link_passes_no_end_of_a_connection(link: Link, echo: Echo) -> None:
    with socket.create_connection(("127.0.0.1", link.port), timeout=PATIENCE_S) as client:
        assert said(client, b"x") == b"x"
        link.stall()
    assert not echo.ended.wait(SHORT_S)
    link.heal()
    assert echo.ended.wait(PATIENCE_S)


def test_link_can_be_stalled_in_one_direction(
    link: Link, client: socket.socket, echo: Echo
) -> None:
    link.stall("back")
    client.sendall(b" there")
    assert is_silent(client)
    assert bytes(echo.got) == b"hello there"
    link.heal()
    assert client.recv(6) == b" there"


def test_nobody_takes_what_is_sent_into_a_stalled_link(link: Link, client: socket.socket) -> None:
    link.stall("there")
    client.settimeout(SHORT_S)
    with pytest.raises(TimeoutError):
        client.sendall(bytes(64 * 2**20))


def test_slow_link_delays_each_direction(link: Link, client: socket.socket) -> None:
    link.slow(0.2)
    began = time.monotonic()
    assert said(client, b"slow") == b"slow"
    assert time.monotonic() - began >= 0.4


def test_throttled_link_passes_so_many_bytes_a_second(link: Link, client: socket.socket) -> None:
    link.throttle(100_000, "back")
    began = time.monotonic()
    assert said(client, b"x" * 50_000) == b"x" * 50_000
    # The buffers of the way count as passed: what is last is due at the end of half a second.
    assert time.monotonic() - began >= 0.4


def test_link_that_leads_elsewhere_parts_from_the_old_node(
    network: Network, link: Link, client: socket.socket
) -> None:
    other = Echo()
    other.start()
    try:
        network.lead("echo", "127.0.0.1", other.port)
        with pytest.raises(ConnectionResetError):
            client.recv(1)
        with socket.create_connection(("127.0.0.1", link.port), timeout=PATIENCE_S) as again:
            assert said(again, b"new") == b"new"
        assert bytes(other.got) == b"new"
    finally:
        other.close()


def test_link_to_nobody_resets(network: Network) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    link = network.lead("nobody", "127.0.0.1", port)
    with (
        pytest.raises(ConnectionResetError),
        socket.create_connection(("127.0.0.1", link.port), timeout=PATIENCE_S) as client,
    ):
        client.recv(1)
