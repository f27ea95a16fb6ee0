"""One HTTP connection: its time limits, and how it is closed."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from eventlet import Timeout
from nameko.web.server import HttpOnlyProtocol

HEAD_SECONDS = 15.0
"""Time limit for a request line and its headers, and so for an idle connection."""

SOCKET_SECONDS = 30.0
"""Time limit for one read or write on the socket."""

LINGER_SECONDS = 2.0
LINGER_BYTES = 4 * 1024 * 1024

CLOSE = "saldo.close"
"""Key of the WSGI environment: a function that closes the connection after this response. Its
argument is whether the client may still be sending."""


class TimeLimitedProtocol(HttpOnlyProtocol):
    """The server's side of one connection, with time limits."""

    lingers = False

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except HeadTooSlow:
            self.close_connection = True

    def _read_request_line(self) -> Any:
        with Timeout(HEAD_SECONDS, HeadTooSlow()):
            return super()._read_request_line()

    def parse_request(self) -> Any:
        with Timeout(HEAD_SECONDS, HeadTooSlow()):
            return super().parse_request()

    def get_environ(self) -> dict[str, Any]:
        environ: dict[str, Any] = super().get_environ()
        environ[CLOSE] = self._closer()
        return environ

    def _closer(self) -> Callable[[bool], None]:
        def close_after_response(still_sending: bool) -> None:
            # eventlet decides by the request's own header whether to keep the connection.
            del self.headers["Connection"]
            self.headers["Connection"] = "close"
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
