"""One HTTP connection: its time limits, its refusals, and how it is closed."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from contextlib import nullcontext, suppress
from typing import Any

from eventlet import Timeout
from eventlet.wsgi import STATE_REQUEST, format_date_time
from nameko.web.server import HttpOnlyProtocol
from werkzeug.wrappers import Response

from gateway.framing import Head, RequestHeaders, chunked_input
from gateway.problems import Refusal

SOCKET_SECONDS = 30.0
"""Time limit for one read or write on the socket."""

LINGER_SECONDS = 2.0
LINGER_BYTES = 4 * 1024 * 1024

CLOSE = "saldo.close"
"""Key of the WSGI environment: a function that closes the connection after this response. Its
argument is whether the client may still be sending."""

_FOR_REFUSALS = ("accept", "accept-language", "x-request-id", "traceparent", "x-forwarded-for")


class StrictProtocol(HttpOnlyProtocol):
    """The server's side of one connection: no request is guessed, none takes forever.

    eventlet's own refusals are bare texts; here each is a problem document. ``server`` is
    eventlet's, with ``head_seconds``: the time limit of a head, and so of an idle connection.
    """

    lingers = False

    def handle_one_request(self) -> None:
        """Read the head of a request, and answer the request or refuse it."""
        if not self._request_begins():
            self.close_connection = True
            return
        self.conn_state[2] = STATE_REQUEST
        head, seconds = Head(), self.server.head_seconds
        try:
            # One that has arrived as a whole needs no timer.
            arrived = b"\r\n\r\n" in self.rfile.peek()
            with nullcontext() if arrived else Timeout(seconds, HeadTooSlow()):
                head.read(self.rfile)
        except HeadTooSlow:
            self._refuse(head, Refusal(408, "head_too_slow", seconds=max(1, round(seconds))))
        except Refusal as refusal:
            self._refuse(head, refusal)
        else:
            self._answer(head)

    def get_environ(self) -> dict[str, Any]:
        environ: dict[str, Any] = super().get_environ()
        environ[CLOSE] = self._closer()
        if environ["wsgi.input"].chunked_input:
            environ["wsgi.input"] = environ["eventlet.input"] = chunked_input(environ["wsgi.input"])
        return environ

    def _request_begins(self) -> bool:
        """Wait for the first byte; an idle connection is closed without a word."""
        with Timeout(self.server.head_seconds, False):
            try:
                return bool(self.rfile.peek(1))
            except OSError:
                return False
        return False

    def _answer(self, head: Head) -> None:
        self.command, self.path = head.method, head.target
        self.request_version = f"HTTP/{head.version[0]}.{head.version[1]}"
        self.requestline = f"{head.method} {head.target} {self.request_version}"
        self.headers = RequestHeaders(head.headers)
        self.close_connection = not head.keeps_alive
        self.environ = self.get_environ()
        self.application = self.server.app
        self.handle_one_response()

    def _refuse(self, head: Head, refusal: Refusal) -> None:
        """Send the problem document of a refusal, and close the connection."""
        environ = {
            "REQUEST_METHOD": head.method or "GET",
            "PATH_INFO": head.target.partition("?")[0],
            "REMOTE_ADDR": self.client_address[0],
        }
        for name, value in head.headers:
            if name.lower() in _FOR_REFUSALS:
                environ["HTTP_" + name.upper().replace("-", "_")] = value
        response: Response = self.server.app.refused(environ, refusal)
        body = response.get_data()
        headers = [
            *((name, value) for name, value in response.headers if name != "Content-Length"),
            ("Content-Length", str(len(body))),
            ("Date", format_date_time(time.time())),
            ("Connection", "close"),
        ]
        lines = [f"HTTP/1.1 {response.status}", *(f"{name}: {value}" for name, value in headers)]
        self.wfile.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
        if head.method != "HEAD":
            self.wfile.write(body)
        self.close_connection = True
        self.lingers = True

    def _closer(self) -> Callable[[bool], None]:
        def close_after_response(still_sending: bool) -> None:
            # eventlet decides by the request's own header whether to keep the connection.
            self.headers.replace("Connection", "close")
            self.lingers = still_sending

        return close_after_response

    def finish(self) -> None:
        if self.lingers:
            self._drain()
        try:
            super().finish()
        finally:
            # A failed flush leaves the files open, and with them the socket.
            for file in (self.wfile, self.rfile):
                with suppress(OSError):
                    file.close()

    def _drain(self) -> None:
        """Let a client that is still sending read the response: closing at once would reset it."""
        left = LINGER_BYTES
        with Timeout(LINGER_SECONDS, False):
            try:
                self.wfile.flush()
                self.connection.shutdown(socket.SHUT_WR)
                while left > 0 and (piece := self.connection.recv(64 * 1024)):
                    left -= len(piece)
            except OSError:
                return


class HeadTooSlow(Exception):  # noqa: N818 - control flow, not an error
    """Raised when the client does not finish its request line or headers in time."""
