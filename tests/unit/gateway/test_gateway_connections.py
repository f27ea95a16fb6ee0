"""Slow, broken and hostile clients, over real sockets to a server in this process."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import eventlet
import pytest
from gateway_doubles import FakeServices
from nameko.containers import ServiceContainer

from gateway import connections, reading, server
from gateway.service import CLIENT_KEY, Gateway
from gateway.web import SETTINGS_KEY, GatewayServer
from shared.config import Settings

SETTINGS = Settings(amqp_url="", secret=bytes(32))
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
RESET = "POST /api/v1/password-resets HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"

Connect = Callable[[], Any]


@pytest.fixture
def container(services: FakeServices) -> Iterator[ServiceContainer]:
    config = {
        CLIENT_KEY: services,
        SETTINGS_KEY: SETTINGS,
        "WEB_SERVER_ADDRESS": "127.0.0.1:0",
        "max_workers": server.MAX_WORKERS,
    }
    started = ServiceContainer(Gateway, config)
    started.start()
    with eventlet.Timeout(20):
        yield started
        started.stop()


@pytest.fixture
def connect(container: ServiceContainer) -> Connect:
    web = next(ext for ext in container.subextensions if isinstance(ext, GatewayServer))
    address = web._sock.getsockname()
    return lambda: eventlet.connect(address)


def _everything(sock: Any) -> bytes:
    received = b""
    while piece := sock.recv(65536):
        received += piece
    return received


def _status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def _is_alive(connect: Connect) -> bool:
    with closing(connect()) as sock:
        sock.sendall(HEALTH)
        return _status(_everything(sock)) == 200


def test_slow_request_head_is_dropped(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.1)
    for head in (b"", b"GET /healthz HT", b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: "):
        with closing(connect()) as sock:
            sock.sendall(head)
            assert _everything(sock) == b""
    assert _is_alive(connect)


def test_slow_body_is_refused_with_408(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "BODY_SECONDS", 0.1)
    with closing(connect()) as sock:
        sock.sendall(f"{RESET}Content-Length: 100\r\n\r\n{{".encode())
        answer = _everything(sock)
    assert _status(answer) == 408
    assert b"body_too_slow" in answer


def test_slow_uploads_hold_no_worker(connect: Connect, services: FakeServices) -> None:
    slow = [connect() for _ in range(server.MAX_WORKERS + 50)]
    for sock in slow:
        sock.sendall(f"{RESET}Content-Length: 100\r\n\r\n{{".encode())
    eventlet.sleep(0)
    with eventlet.Timeout(3):
        assert _is_alive(connect)
    for sock in slow:
        sock.close()
    assert services.calls == []


@pytest.mark.parametrize("framing", ["Content-Length: {size}\r\n\r\n", "chunked"])
def test_large_body_is_refused_with_a_readable_413(connect: Connect, framing: str) -> None:
    body = b"x" * (3 * 1024 * 1024)
    if framing == "chunked":
        head = f"{RESET}Transfer-Encoding: chunked\r\n\r\n{len(body):x}\r\n"
    else:
        head = RESET + framing.format(size=len(body))
    with closing(connect()) as sock:
        sock.sendall(head.encode() + body)
        answer = _everything(sock)
    assert _status(answer) == 413
    assert b"Connection: close" in answer
    assert b"body_too_large" in answer


def test_a_chunked_body_is_read(connect: Connect, services: FakeServices) -> None:
    services.answers["identity", "request_password_reset"] = {"reset_id": "r"}
    body = json.dumps({"email": "a@b.ru"})
    chunks = f"{len(body):x}\r\n{body}\r\n0\r\n\r\n"
    head = f"{RESET}Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    with closing(connect()) as sock:
        sock.sendall((head + chunks).encode())
        assert _status(_everything(sock)) == 202
    assert services.calls[-1][2]["email"] == "a@b.ru"


@pytest.mark.parametrize("chunks", ["zz\r\n", "5\r\nab", "-5\r\nabcde\r\n0\r\n\r\n"])
def test_broken_chunk_is_refused_with_400(connect: Connect, chunks: str) -> None:
    with closing(connect()) as sock:
        sock.sendall(f"{RESET}Transfer-Encoding: chunked\r\n\r\n{chunks}".encode())
        sock.shutdown(socket.SHUT_WR)
        assert _status(_everything(sock)) == 400
    assert _is_alive(connect)


@pytest.mark.parametrize("path", ["/nothing", "/api/v1/password-resets"])
def test_refused_body_is_never_read_as_a_request(connect: Connect, path: str) -> None:
    hidden = HEALTH + b"x" * reading.MAX_BODY_BYTES
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(hidden)}\r\n\r\n"
    with closing(connect()) as sock:
        sock.sendall(head.encode() + hidden)
        answer = _everything(sock)
    assert answer.count(b"HTTP/1.1 ") == 1


def test_connection_is_kept_alive(connect: Connect) -> None:
    with closing(connect()) as sock:
        sock.sendall(HEALTH.replace(b"Connection: close\r\n", b"") + HEALTH)
        assert _everything(sock).count(b"200 OK") == 2


@pytest.mark.parametrize("sent", [b"", b"GET /he", HEALTH[:-2], HEALTH])
def test_server_survives_a_reset_connection(connect: Connect, sent: bytes) -> None:
    for _ in range(20):
        sock = connect()
        sock.sendall(sent)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()
    assert _is_alive(connect)


@pytest.mark.parametrize(
    "noise",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"\r\n\r\n", b"GET\r\n\r\n",
        b"GET /\xff%zz HTTP/1.1\r\nHost: \xff\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET /" + b"a" * 20000 + b" HTTP/1.1\r\n\r\n",
    ],
)  # fmt: skip
def test_server_survives_noise(connect: Connect, noise: bytes) -> None:
    with closing(connect()) as sock:
        sock.sendall(noise)
        sock.shutdown(socket.SHUT_WR)
        answer = _everything(sock)
    assert b"Traceback" not in answer
    assert _is_alive(connect)


def test_shutdown_is_graceful(container: ServiceContainer, connect: Connect) -> None:
    with closing(connect()) as idle, closing(connect()) as busy:
        idle.sendall(HEALTH.replace(b"Connection: close\r\n", b""))
        while b"ok" not in idle.recv(65536):
            pass
        busy.sendall(HEALTH[:-2])
        eventlet.sleep(0)
        web = next(ext for ext in container.subextensions if isinstance(ext, GatewayServer))
        web.stop_accepting()
        with pytest.raises(OSError, match="REFUSED"):
            connect()
        busy.sendall(b"\r\n")
        assert b"Connection: close" in _everything(busy)
