"""One HTTP connection: how long a client may take, and how a connection is ended."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from eventlet import Timeout
from nameko.web.server import HttpOnlyProtocol

HEAD_SECONDS = 15.0
"""How long a request line and its headers may take; also how long an idle connection stays."""

SOCKET_SECONDS = 30.0
"""How long one read or write on the socket may take."""

LINGER_SECONDS = 2.0
LINGER_BYTES = 4 * 1024 * 1024

CLOSE = "saldo.close"
"""Key of the WSGI environment: a function that ends the connection after this response; its
argument tells whether the client may still be sending."""


class PatientProtocol(HttpOnlyProtocol):
    """The server's side of one connection, with an end to its patience."""

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
            # eventlet looks at the request's own header when it decides whether to go on.
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
            # A flush that fails leaves the files open, and the socket under them.
            for file in (self.wfile, self.rfile):
                with suppress(OSError):
                    file.close()

    def _drain(self) -> None:
        """Let a client that is still sending read the answer: closing at once resets it away."""
        left = LINGER_BYTES
        with Timeout(LINGER_SECONDS, False):
            try:
                self.wfile.flush()
                self.connection.shutdown(socket.SHUT_WR)
                while left > 0 and (piece := self.connection.recv(64 * 1024)):
                    left -= len(piece)
            except OSError:
                return


class HeadTooSlow(Exception):  # noqa: N818 - not an error of ours
    """The client did not finish its request line or headers in time."""
