"""One exchange with an acquirer: what is cut, endless or late is an unknown outcome."""

from __future__ import annotations

import gzip
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from services.payments.acquirers import UnknownOutcome
from services.payments.acquirers.exchange import MOST_BYTES, Answer, Deadline, exchange

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@contextmanager
def peer(talk: Callable[[socket.socket], None]) -> Iterator[str]:
    """Serve one connection by `talk`, which says whatever it likes; yields its URL."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                try:
                    talk(connection)
                except OSError:
                    """The client has gone: it has heard enough."""

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}/rest"
        finally:
            thread.join()


def answer_to(response: bytes) -> Answer | UnknownOutcome:
    with peer(lambda connection: connection.sendall(response)) as url:
        return exchange("POST", url, data={"a": "1"})


def test_whole_response_of_any_status_is_returned() -> None:
    assert answer_to(HEAD + b"Content-Length: 2\r\n\r\n{}") == Answer(200, b"{}")
    assert answer_to(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n") == Answer(500, b"")
    chunked = HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"
    assert answer_to(chunked) == Answer(200, b"{}")
    body = gzip.compress(b"{}")
    packed = HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    assert answer_to(packed) == Answer(200, b"{}")


@pytest.mark.parametrize(
    "response",
    [
        b"",
        b"\x00\xff\xfe",
        b"HTTP/1",
        HEAD + b"Content-Length: 100\r\n\r\n{",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nfive\r\n{",
        HEAD + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
        HEAD + b"X: " + b"x" * 100_000 + b"\r\n\r\n",
        HEAD + b"X: x\r\n" * 1000 + b"\r\n",
    ],
)
def test_response_that_is_cut_or_no_http_is_unknown(response: bytes) -> None:
    assert isinstance(answer_to(response), UnknownOutcome)


def test_redirect_is_not_followed() -> None:
    elsewhere = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
    assert answer_to(elsewhere) == Answer(302, b"")


def test_endless_body_is_left_soon() -> None:
    sent: list[int] = []

    def talk(connection: socket.socket) -> None:
        connection.sendall(HEAD + b"\r\n")
        while sum(sent) < 100 * 2**20:
            sent.append(connection.send(b" " * 65536))

    with peer(talk) as url:
        assert exchange("POST", url) == UnknownOutcome("response too large")
    assert sum(sent) < 4 * MOST_BYTES


def test_body_that_grows_as_it_is_unpacked_is_left() -> None:
    body = gzip.compress(b" " * (2 * MOST_BYTES))
    packed = HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    assert answer_to(packed) == UnknownOutcome("response too large")


def test_body_that_trickles_in_is_left_at_the_deadline() -> None:
    gone = threading.Event()

    def talk(connection: socket.socket) -> None:
        connection.sendall(HEAD + b"\r\n")
        while not gone.wait(0.02):
            connection.sendall(b" ")

    with peer(talk) as url:
        assert exchange("POST", url, Deadline(0.2)) == UnknownOutcome("deadline")
        gone.set()


def test_peer_that_cannot_be_reached_is_unknown() -> None:
    assert exchange("POST", "http://127.0.0.1:1/rest") == UnknownOutcome("ConnectionError")
    assert isinstance(exchange("POST", "http://no host/rest"), UnknownOutcome)
    assert exchange("POST", "http://127.0.0.1:1/", Deadline(-1)) == UnknownOutcome("deadline")
