"""One HTTP exchange: a whole response before the deadline, or an outcome that is not known."""

from __future__ import annotations

import gzip
import json
import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import pytest
from urllib3 import ProxyManager

from services.payments.acquirers import UnknownOutcome
from services.payments.acquirers import exchange as exchanges
from services.payments.acquirers.exchange import MOST_BYTES, Answer, Deadline, exchange
from tests.certificates import write_certificate
from tests.tls_listener import listening

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
        ([], "ProtocolError"),
        ([b"no HTTP at all\r\n\r\n"], "ProtocolError"),
        ([HEAD, b"Content-Length: 100\r\n\r\n", b"{"], "ProtocolError"),
        ([HEAD, b"Transfer-Encoding: chunked\r\n\r\n", b"5\r\n{"], "ProtocolError"),
        ([HEAD, b"Content-Encoding: gzip\r\n\r\n", b"no gzip"], "DecodeError"),
        ([HEAD, b"X: " + b"x" * 100_000, b"\r\n\r\n"], "ProtocolError"),
        ([HEAD, b"X: x\r\n" * 1000, b"\r\n"], "ProtocolError"),
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
        assert exchange("GET", url) == UnknownOutcome("ReadTimeoutError")


def test_form_json_query_and_password_are_sent_as_banks_expect_them() -> None:
    form = sent(data={"amount": "100", "description": "Оплата"})
    assert form.startswith(b"POST /rest HTTP/1.1\r\n")
    assert b"Content-Type: application/x-www-form-urlencoded\r\n" in form
    assert form.endswith(b"\r\n\r\namount=100&description=%D0%9E%D0%BF%D0%BB%D0%B0%D1%82%D0%B0")
    body = sent(json={"value": "Оплата"}, auth=(b"shop", b"secret"), headers={"Key": "7"})
    assert b"Content-Type: application/json\r\n" in body
    assert b"Authorization: Basic c2hvcDpzZWNyZXQ=\r\n" in body
    assert b"Key: 7\r\n" in body
    assert json.loads(body.rpartition(b"\r\n\r\n")[2]) == {"value": "Оплата"}
    assert sent(params={"limit": "2", "at": "a b"}).startswith(b"POST /rest?limit=2&at=a+b HTTP")


def sent(**request: Any) -> bytes:
    """Return the bytes of a request."""
    got = bytearray()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                while not ends(bytes(got)):
                    got.extend(connection.recv(65_536))
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/rest"
        assert exchange("POST", url, **request) == Answer(200, b"")
        thread.join()
    return bytes(got)


def ends(request: bytes) -> bool:
    head, blank, body = request.partition(b"\r\n\r\n")
    sizes = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    return bool(blank) and len(body) == sum(int(line.partition(b":")[2]) for line in sizes)


def test_each_exchange_has_a_connection_of_its_own(caplog: pytest.LogCaptureFixture) -> None:
    kept: list[socket.socket] = []
    requests: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer(connection: socket.socket) -> None:
            # It goes on listening, whatever it was asked, and then answers what nobody asked for.
            while request := connection.recv(65_536):
                requests.append(request)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return  # the test is over
                kept.append(connection)
                threading.Thread(target=answer, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        together = [threading.Thread(target=exchange, args=("GET", url)) for _ in range(4)]
        for one in together:
            one.start()
        for one in together:
            one.join()
        assert exchange("GET", url) == exchange("GET", url) == Answer(200, b"ok")
        assert (len(kept), len(requests)) == (6, 6)
        assert not caplog.records, "urllib3 has nothing to report of its pools"
        listener.shutdown(socket.SHUT_RDWR)
    for connection in kept:
        connection.close()


@pytest.mark.parametrize("name", ["http_proxy", "all_proxy"])
@pytest.mark.parametrize("prefix", ["http://", ""])
def test_a_proxy_of_the_environment_is_asked(
    monkeypatch: pytest.MonkeyPatch, name: str, prefix: str
) -> None:
    with answering([HEAD, b"Content-Length: 5\r\n\r\nproxy"]) as url:
        monkeypatch.setenv(name, prefix + url.removeprefix("http://"))
        forget_connections()
        assert exchange("GET", "http://bank.invalid/rest") == Answer(200, b"proxy")
    monkeypatch.undo()
    forget_connections()


@pytest.mark.parametrize(
    "unproxied", ["bank.example", ".example", "bank.example:8443", "10.0.0.0/8", "*"]
)
def test_no_proxy_names_hosts_ports_and_networks(
    monkeypatch: pytest.MonkeyPatch, unproxied: str
) -> None:
    host = "10.1.2.3" if "/" in unproxied else "bank.example"
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    forget_connections()
    assert exchanges._proxy_of("https", f"{host}:8443")[0] == "http://proxy.example:3128"
    monkeypatch.setenv("no_proxy", unproxied)
    forget_connections()
    assert exchanges._proxy_of("https", f"{host}:8443") == ("", "")
    monkeypatch.undo()
    forget_connections()


def test_the_password_of_a_proxy_may_have_any_character(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://user:p%40ss%3A@proxy.example:3128")
    forget_connections()
    assert exchanges._proxy_of("https", "bank.example")[1] == "user:p@ss:"
    made = exchanges._connections("https", "bank.example")
    assert isinstance(made, ProxyManager)
    assert made.proxy_headers == {"proxy-authorization": "Basic dXNlcjpwQHNzOg=="}
    monkeypatch.undo()
    forget_connections()


@pytest.mark.parametrize(("host", "told"), [("127.0.0.1", True), ("bank.example", False)])
def test_only_certificates_of_known_authorities_are_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str, told: bool
) -> None:
    certificate = write_certificate(tmp_path / "bank.pem", host)
    with listening(certificate) as heard:
        url = f"https://127.0.0.1:{heard.port}/rest"
        assert exchange("GET", url) == UnknownOutcome("SSLError")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        forget_connections()
        outcome = exchange("GET", url)
        assert heard.first.startswith(b"GET /rest HTTP/1.1") is told
        assert told or outcome == UnknownOutcome("SSLError"), "a certificate of another host"
    monkeypatch.undo()
    forget_connections()


@pytest.mark.parametrize("status", ["302 Found", "307 Temporary Redirect", "503 Unavailable"])
def test_nothing_is_asked_twice(status: str) -> None:
    with answering(
        [f"HTTP/1.1 {status}\r\nLocation: /again\r\nRetry-After: 0\r\n".encode(), b"\r\n"]
    ) as url:
        assert exchange("POST", url, data={}) == Answer(int(status[:3]), b"")


def forget_connections() -> None:
    """Let the next exchange heed the environment anew."""
    exchanges._proxy_of.cache_clear()
    exchanges._verifying.cache_clear()
