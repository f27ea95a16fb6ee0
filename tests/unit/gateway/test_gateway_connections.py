"""Slow, broken and hostile clients, over real sockets to a server in this process."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Iterator
from contextlib import closing

import eventlet
import pytest
from gateway_doubles import FakeServices
from nameko.containers import ServiceContainer
from wire import (
    HEALTH,
    Connect,
    connector,
    everything,
    is_alive,
    problem_of,
    running_gateway,
    status_of,
    web_server,
)

from gateway import reading, server

RESET = "POST /api/v1/password-resets HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


@pytest.fixture
def container(services: FakeServices) -> Iterator[ServiceContainer]:
    with running_gateway(services) as started:
        yield started


@pytest.fixture
def connect(container: ServiceContainer) -> Connect:
    return connector(container)


def test_idle_connection_is_closed_without_a_word(services: FakeServices) -> None:
    with running_gateway(services, gateway_head_seconds=0.1) as container:
        connect = connector(container)
        with closing(connect()) as sock:
            assert everything(sock) == b""
        assert is_alive(connect)


@pytest.mark.parametrize("head", [b"GET /healthz HT", b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "])
def test_slow_head_is_refused_with_408(services: FakeServices, head: bytes) -> None:
    with running_gateway(services, gateway_head_seconds=0.1) as container:
        connect = connector(container)
        with closing(connect()) as sock:
            sock.sendall(head)
            answer = everything(sock)
        assert is_alive(connect)
    assert status_of(answer) == 408
    headers, problem = problem_of(answer)
    assert (headers["connection"], problem["code"]) == ("close", "head_too_slow")


def test_slow_body_is_refused_with_408(services: FakeServices) -> None:
    with (
        running_gateway(services, gateway_body_seconds=0.1) as container,
        closing(connector(container)()) as sock,
    ):
        sock.sendall(f"{RESET}Content-Length: 100\r\n\r\n{{".encode())
        answer = everything(sock)
    assert status_of(answer) == 408
    headers, problem = problem_of(answer)
    assert (headers["connection"], problem["code"]) == ("close", "body_too_slow")


def test_slow_uploads_hold_no_worker(connect: Connect, services: FakeServices) -> None:
    slow = [connect() for _ in range(server.MAX_WORKERS + 50)]
    for sock in slow:
        sock.sendall(f"{RESET}Content-Length: 100\r\n\r\n{{".encode())
    eventlet.sleep(0)
    with eventlet.Timeout(3):
        assert is_alive(connect)
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
        answer = everything(sock)
    assert status_of(answer) == 413
    assert b"Connection: close" in answer
    assert b"body_too_large" in answer


def test_a_chunked_body_is_read(connect: Connect, services: FakeServices) -> None:
    services.answers["identity", "request_password_reset"] = {}
    body = json.dumps({"email": "a@b.ru"})
    chunks = f"{len(body):x}\r\n{body}\r\n0\r\n\r\n"
    head = f"{RESET}Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    with closing(connect()) as sock:
        sock.sendall((head + chunks).encode())
        assert status_of(everything(sock)) == 202
    assert services.calls[-1][2]["email"] == "a@b.ru"


@pytest.mark.parametrize("chunks", ["zz\r\n", "5\r\nab", "-5\r\nabcde\r\n0\r\n\r\n"])
def test_broken_chunk_is_refused_with_400(connect: Connect, chunks: str) -> None:
    with closing(connect()) as sock:
        sock.sendall(f"{RESET}Transfer-Encoding: chunked\r\n\r\n{chunks}".encode())
        sock.shutdown(socket.SHUT_WR)
        assert status_of(everything(sock)) == 400
    assert is_alive(connect)


@pytest.mark.parametrize("path", ["/nothing", "/api/v1/password-resets"])
def test_refused_body_is_never_read_as_a_request(connect: Connect, path: str) -> None:
    hidden = HEALTH + b"x" * reading.MAX_BODY_BYTES
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(hidden)}\r\n\r\n"
    with closing(connect()) as sock:
        sock.sendall(head.encode() + hidden)
        answer = everything(sock)
    assert answer.count(b"HTTP/1.1 ") == 1


def test_connection_is_kept_alive(connect: Connect) -> None:
    with closing(connect()) as sock:
        sock.sendall(HEALTH.replace(b"Connection: close\r\n", b"") + HEALTH)
        assert everything(sock).count(b"200 OK") == 2


@pytest.mark.parametrize("sent", [b"", b"GET /he", HEALTH[:-2], HEALTH])
def test_server_survives_a_reset_connection(connect: Connect, sent: bytes) -> None:
    for _ in range(20):
        sock = connect()
        sock.sendall(sent)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()
    assert is_alive(connect)


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
        answer = everything(sock)
    assert b"Traceback" not in answer
    assert is_alive(connect)


@pytest.mark.parametrize("name", ["metrics", "readyz"])
@pytest.mark.parametrize(
    "target",
    [
        "/{}", "/{}/", "//{}", "/./{}", "/healthz/../{}", "/healthz/..%2f{}", "/%2f{}", "/{}?x=1",
        "http://127.0.0.1:18081/{}", "http://x//{}", "/api/v1/{}",
    ],
)  # fmt: skip
def test_hostile_client_does_not_reach_what_monitoring_sees(
    connect: Connect, target: str, name: str
) -> None:
    heads = ("Host: x", "Host: 127.0.0.1:18081", "Host: x\r\nX-Forwarded-For: 127.0.0.1")
    for head in heads:
        with closing(connect()) as sock:
            request = f"GET {target.format(name)} HTTP/1.1\r\n{head}\r\nConnection: close\r\n\r\n"
            sock.sendall(request.encode())
            answer = everything(sock)
        assert status_of(answer) == 404
        assert b"saldo_" not in answer


def test_shutdown_is_graceful(container: ServiceContainer, connect: Connect) -> None:
    with closing(connect()) as idle, closing(connect()) as busy:
        idle.sendall(HEALTH.replace(b"Connection: close\r\n", b""))
        while b"ok" not in idle.recv(65536):
            pass
        busy.sendall(HEALTH[:-2])
        eventlet.sleep(0)
        web_server(container).stop_accepting()
        with pytest.raises(OSError, match="REFUSED"):
            connect()
        busy.sendall(b"\r\n")
        assert b"Connection: close" in everything(busy)
