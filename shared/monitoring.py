"""The monitoring listener of a process: ``/metrics``, ``/readyz`` and ``/healthz``.

It is apart from whatever the process serves to others, on the loopback interface unless configured
otherwise: how busy and how well a process is concerns its operator. A thread accepts connections
and one more answers each; where eventlet has patched threads and sockets, both are green.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer

from prometheus_client import REGISTRY
from prometheus_client.exposition import choose_encoder

from shared.config import ConfigurationError
from shared.logs import get_logger

log = get_logger(__name__)

SOCKET_SECONDS = 5.0
"""Time limit for one read or write on a connection."""

ACCEPT_RETRY_SECONDS = 0.1

OK = "ok"
UNAVAILABLE = "unavailable"

States = Callable[[], Mapping[str, str]]
"""Returns the states of what a process needs, by name: each OK or UNAVAILABLE."""


def starting() -> Mapping[str, str]:
    """Return the states of a process that has not started yet."""
    return {"start": UNAVAILABLE}


def stopping() -> Mapping[str, str]:
    """Return the states of a process that has been asked to stop."""
    return {"stop": UNAVAILABLE}


class Monitoring:
    """The listener for supervisors and Prometheus; not ready until ``report`` names the states."""

    def __init__(self, listen: str) -> None:
        """Listen on an address, "host:port"; raises ConfigurationError if that is impossible."""
        self._states: States = starting
        self._closed = threading.Event()
        host, _, port = listen.rpartition(":")
        host = host.strip("[]") or "127.0.0.1"
        try:
            self._server = _server(host, int(port), self)
        except (OSError, OverflowError, ValueError) as error:
            raise ConfigurationError(
                f"SALDO_MONITORING_LISTEN: cannot listen on {listen}; set it to a free address "
                "like 127.0.0.1:18081"
            ) from error
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._accept, name="monitoring", daemon=True).start()
        log.info("monitoring_ready", host=host, port=self.port)

    def report(self, states: States) -> None:
        """Take the states for ``/readyz`` from here: it is ready when all are OK."""
        self._states = states

    def states(self) -> Mapping[str, str]:
        """Return the states of what the process needs; a check that fails is one of them."""
        try:
            return dict(self._states())
        except Exception:
            log.exception("readiness_check_failed")
            return {"check": UNAVAILABLE}

    def close(self) -> None:
        """Stop listening."""
        self._closed.set()
        with suppress(OSError):
            self._server.socket.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        self._server.server_close()

    def _accept(self) -> None:
        # `serve_forever` would turn in circles while the process is out of file descriptors.
        while not self._closed.is_set():
            try:
                connection, address = self._server.get_request()
            except OSError:
                self._closed.wait(ACCEPT_RETRY_SECONDS)
                continue
            self._server.process_request(connection, address)


class _Server(ThreadingHTTPServer):
    monitoring: Monitoring

    def server_bind(self) -> None:
        TCPServer.server_bind(self)  # HTTPServer's looks the host's name up in the DNS

    def handle_error(self, _request: object, _address: object) -> None:
        # A proxy that has read how the process is breaks the connection, each second.
        if not isinstance(sys.exception(), ConnectionError):
            log.exception("monitoring_failed")


class _Server6(_Server):
    address_family = socket.AF_INET6


def _server(host: str, port: int, monitoring: Monitoring) -> _Server:
    server = (_Server6 if ":" in host else _Server)((host, port), _Handler)
    server.monitoring = monitoring
    return server


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = SOCKET_SECONDS
    server_version = "saldo"
    sys_version = ""

    def do_GET(self) -> None:
        match self.path.partition("?")[0]:
            case "/healthz":
                self._send_json(200, {"status": "ok"})
            case "/readyz":
                states = self.server.monitoring.states()
                ready = all(state == OK for state in states.values())
                status = "ready" if ready else "not_ready"
                self._send_json(200 if ready else 503, {"status": status, "needs": states})
            case "/metrics":
                encode, media_type = choose_encoder(self.headers.get("Accept", ""))
                self._send(200, media_type, encode(REGISTRY))
            case _:
                self._send_json(404, {"status": "not_found"})

    def _send_json(self, status: int, document: object) -> None:
        self._send(status, "application/json", json.dumps(document).encode())

    def _send(self, status: int, media_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        if status == 503:
            self.send_header("Retry-After", "2")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing: a supervisor asks every second."""
