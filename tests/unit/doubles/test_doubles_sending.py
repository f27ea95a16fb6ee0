"""What the simulated banks send the merchant, and what they note of his answer."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import ClassVar

import pytest

from deploy.doubles.sending import send
from tests.ports import free_port


class _Merchant(BaseHTTPRequestHandler):
    received: ClassVar[list[tuple[str, str, str, bytes]]] = []

    def do_GET(self) -> None:
        size = int(self.headers.get("Content-Length", 0))
        kind = self.headers.get("Content-Type", "")
        self.received.append((self.command, self.path, kind, self.rfile.read(size)))
        moved = self.path == "/moved"
        self.send_response(302 if moved else 204)
        if moved:
            self.send_header("Location", "/elsewhere")
        self.end_headers()

    do_POST = do_GET  # noqa: N815 - as the base class calls it

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def merchant() -> Iterator[str]:
    _Merchant.received.clear()
    with HTTPServer(("127.0.0.1", 0), _Merchant) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_sends_parameters_and_bodies(merchant: str) -> None:
    assert send("GET", f"{merchant}/callback?order=1&sum=2") == "204"
    assert send("POST", f"{merchant}/notice", b'{"a": 1}', "application/json") == "204"
    assert _Merchant.received == [
        ("GET", "/callback?order=1&sum=2", "", b""),
        ("POST", "/notice", "application/json", b'{"a": 1}'),
    ]


def test_follows_no_redirect(merchant: str) -> None:
    assert send("GET", f"{merchant}/moved") == "302"
    assert [path for _, path, _, _ in _Merchant.received] == ["/moved"]


def test_names_what_went_wrong() -> None:
    assert send("GET", f"http://127.0.0.1:{free_port()}/callback") == "ConnectionRefusedError"
