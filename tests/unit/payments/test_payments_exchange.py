"""One HTTP exchange: a whole response before the deadline, or an outcome that is not known."""

from __future__ import annotations

import gzip
import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, repeat

import pytest

from services.payments.acquirers import UnknownOutcome
from services.payments.acquirers import exchange as exchanges
from services.payments.acquirers.exchange import MOST_BYTES, Answer, Deadline, exchange

HEAD = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"

#: A body that is small until it is unpacked.
PACKED = gzip.compress(b" " * (2 * MOST_BYTES))


@contextmanager
def answering(chunks: Iterable[bytes]) -> Iterator[str]:
    """Answer one connection with these bytes, as long as the client takes them."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65_536)
                try:
                    for chunk in chunks:
                        connection.sendall(chunk)
                except OSError:
                    return  # the client has enough

        thread = threading.Thread(target=answer)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        thread.join()


def test_response_of_any_status_is_an_answer() -> None:
    with answering([b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\n", b"no", b"ne"]) as url:
        assert exchange("GET", url) == Answer(404, b"none")


@pytest.mark.parametrize(
    ("chunks", "reason"),
    [
        ([], "ConnectionError"),
        ([b"no HTTP at all\r\n\r\n"], "ConnectionError"),
        ([HEAD, b"Content-Length: 100\r\n\r\n", b"{"], "ProtocolError"),
        ([HEAD, b"Transfer-Encoding: chunked\r\n\r\n", b"5\r\n{"], "ProtocolError"),
        ([HEAD, b"Content-Encoding: gzip\r\n\r\n", b"no gzip"], "DecodeError"),
        ([HEAD, b"X: " + b"x" * 100_000, b"\r\n\r\n"], "ConnectionError"),
        ([HEAD, b"X: x\r\n" * 1000, b"\r\n"], "ConnectionError"),
        (chain([HEAD + b"\r\n"], repeat(b"x" * 65_536)), "response too large"),
        ([HEAD, b"Content-Encoding: gzip\r\n\r\n", PACKED], "response too large"),
    ],
)
def test_outcome_is_unknown_without_a_whole_response(chunks: Iterable[bytes], reason: str) -> None:
    with answering(chunks) as url:
        assert exchange("GET", url) == UnknownOutcome(reason)


def test_redirect_is_not_followed() -> None:
    head = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
    with answering([head]) as url:
        assert exchange("GET", url) == Answer(302, b"")


def test_response_that_trickles_in_ends_at_the_deadline() -> None:
    with answering(chain([HEAD + b"\r\n"], repeat(b"x"))) as url:
        assert exchange("GET", url, Deadline(0.2)) == UnknownOutcome("deadline")


def test_nothing_is_sent_after_the_deadline() -> None:
    assert exchange("GET", "http://127.0.0.1:1/", Deadline(0)) == UnknownOutcome("deadline")


def test_silent_acquirer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchanges, "TIMEOUTS", (1.0, 0.1))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        assert exchange("GET", url) == UnknownOutcome("ReadTimeout")
