"""Hundreds of clients that send a byte now and then: others are served, and the slow ones end."""

from __future__ import annotations

import selectors
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import pytest
import requests

from shared.config import GATEWAY, Settings
from tests.gateway_process import GatewayProcess, fake_services, gateway_process
from tests.waiting import eventually

pytestmark = pytest.mark.nodes

UPLOADS = 200
HEADS = 50
PATIENT = "3600"
"""A time limit, in seconds, that no test reaches."""

UPLOAD = (
    b"POST /api/v1/password-resets HTTP/1.1\r\nHost: x\r\n"
    b"Content-Type: application/json\r\nContent-Length: 4000\r\n\r\n{"
)
HEAD = b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: "


class SlowClients:
    """Open connections, each with the beginning of a request."""

    def __init__(self, sockets: Sequence[socket.socket]) -> None:
        self._answers = dict.fromkeys(sockets, b"")
        self._open = selectors.DefaultSelector()
        for sock in sockets:
            sock.setblocking(False)
            self._open.register(sock, selectors.EVENT_READ)

    def send_a_byte(self) -> None:
        """Send one more byte on each connection that the gateway has not ended."""
        for key in list(self._open.get_map().values()):
            try:
                key.fileobj.send(b"a")  # type: ignore[union-attr]
            except OSError:
                continue  # it is being ended; what was answered is still to be read

    def have_ended(self) -> bool:
        """Send a byte on each, read what has come, and return whether all connections ended."""
        self.send_a_byte()
        for key, _ in self._open.select(timeout=0):
            sock: socket.socket = key.fileobj  # type: ignore[assignment]
            if piece := sock.recv(65536):
                self._answers[sock] += piece
            else:
                self._open.unregister(sock)
        return not self._open.get_map()

    def statuses(self) -> list[int]:
        """Return the status of each response."""
        return [int(answer.split(b" ", 2)[1]) for answer in self._answers.values()]


@contextmanager
def slow_clients(gateway: GatewayProcess, beginnings: Sequence[bytes]) -> Iterator[SlowClients]:
    with ExitStack() as stack:
        sockets = [
            stack.enter_context(socket.create_connection(gateway.address, timeout=30))
            for _ in beginnings
        ]
        for sock, beginning in zip(sockets, beginnings, strict=True):
            sock.sendall(beginning)
        yield SlowClients(sockets)


def test_two_hundred_slow_uploads_leave_others_served(
    base_settings: Settings, clean_bus: object
) -> None:
    settings = {
        "SALDO_AMQP_URL": base_settings.amqp_url_of(GATEWAY),
        "SALDO_GATEWAY_HEAD_SECONDS": PATIENT,
        "SALDO_GATEWAY_BODY_SECONDS": PATIENT,
    }
    with (
        fake_services(base_settings),
        gateway_process(settings) as gateway,
        slow_clients(gateway, [UPLOAD] * UPLOADS + [HEAD] * HEADS) as slow,
    ):
        uploading = f"saldo_http_requests_in_progress {UPLOADS}.0"
        eventually(lambda: uploading in gateway.metrics(), "the gateway waits for the uploads")
        for path in ("/healthz", "/", "/status", "/api/v1/documents/rules"):
            slow.send_a_byte()
            response = requests.get(f"{gateway.url}{path}", timeout=60)
            assert response.status_code == 200, path
        started = f"{gateway.url}/api/v1/registrations"
        body = {"person_type": "individual", "email": "a@b.ru"}
        assert requests.post(started, json=body, timeout=60).status_code == 202
        assert uploading in gateway.metrics(), "all of them were still slow"


def test_slow_clients_end_with_408_after_the_limit(base_settings: Settings) -> None:
    settings = {
        "SALDO_AMQP_URL": base_settings.amqp_url_of(GATEWAY),
        "SALDO_GATEWAY_HEAD_SECONDS": "2",
        "SALDO_GATEWAY_BODY_SECONDS": "2",
    }
    with (
        gateway_process(settings) as gateway,
        slow_clients(gateway, [UPLOAD] * UPLOADS + [HEAD] * HEADS) as slow,
    ):
        eventually(slow.have_ended, "the gateway ends every slow connection", 60)
        assert slow.statuses() == [408] * (UPLOADS + HEADS)
        eventually(
            lambda: "saldo_http_requests_in_progress 0.0" in gateway.metrics(),
            "nothing is left behind",
        )
        assert requests.get(f"{gateway.url}/healthz", timeout=60).ok
