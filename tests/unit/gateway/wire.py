"""A gateway in this process behind a real socket, and requests written by hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import eventlet
from gateway_doubles import FakeServices
from nameko.containers import ServiceContainer

from gateway import server
from gateway.service import Gateway
from gateway.web import CLIENT_KEY, CLOCKS_KEY, SETTINGS_KEY, GatewayServer
from shared.config import Settings

HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

Connect = Callable[[], Any]


@contextmanager
def running_gateway(services: FakeServices, **limits: float) -> Iterator[ServiceContainer]:
    """Run a gateway with some time limits on a free port."""
    config = {
        CLIENT_KEY: services,
        CLOCKS_KEY: services.clocks,
        SETTINGS_KEY: Settings(amqp_url="", secret=bytes(32), **limits),  # type: ignore[arg-type]
        "WEB_SERVER_ADDRESS": "127.0.0.1:0",
        "max_workers": server.MAX_WORKERS,
    }
    started = ServiceContainer(Gateway, config)
    started.start()
    with eventlet.Timeout(20):
        yield started
        started.stop()


def web_server(container: ServiceContainer) -> GatewayServer:
    """Return the web server of a gateway."""
    found: GatewayServer = next(
        ext for ext in container.subextensions if isinstance(ext, GatewayServer)
    )
    return found


def connector(container: ServiceContainer) -> Connect:
    """Return a function that connects to a gateway."""
    address = web_server(container)._sock.getsockname()
    return lambda: eventlet.connect(address)


def everything(sock: Any) -> bytes:
    """Receive until the gateway closes."""
    received = b""
    while piece := sock.recv(65536):
        received += piece
    return received


def status_of(answer: bytes) -> int:
    """Return the status of a raw response."""
    return int(answer.split(b" ", 2)[1])


def is_alive(connect: Connect) -> bool:
    """Return whether the gateway still answers others."""
    with closing(connect()) as sock:
        sock.sendall(HEALTH)
        return status_of(everything(sock)) == 200


def problem_of(answer: bytes) -> tuple[dict[str, str], dict[str, Any]]:
    """Return the headers, in lower case, and the document of the one response in an answer."""
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")[1:]
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    assert len(body) == int(headers["content-length"]), "one response and nothing behind it"
    return headers, json.loads(body)
