"""A listener that speaks TLS and notes what a client says once it trusts the certificate."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.certificates import server_context


class Heard:
    """The port of a listener, what came over TLS, and why handshakes failed."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.first = b""
        self.refused: list[str] = []


@contextmanager
def listening(certificate: Path, greeting: bytes = b"") -> Iterator[Heard]:
    """Listen on 127.0.0.1; send the greeting after each handshake and keep the first bytes."""
    context = server_context(certificate)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        heard = Heard(listener.getsockname()[1])
        thread = threading.Thread(target=_serve, args=(listener, context, greeting, heard))
        thread.start()
        try:
            yield heard
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(timeout=10)


def _serve(listener: socket.socket, context: ssl.SSLContext, greeting: bytes, heard: Heard) -> None:
    while True:
        try:
            plain, _ = listener.accept()
        except OSError:
            return
        plain.settimeout(5)
        try:
            with context.wrap_socket(plain, server_side=True) as secured:
                secured.sendall(greeting)
                heard.first += secured.recv(1024)
        except (ssl.SSLError, OSError) as error:
            heard.refused.append(type(error).__name__)
