"""A small clamd for tests: INSTREAM over TCP, which knows one signature, EICAR's."""

from __future__ import annotations

import socketserver
import threading
from typing import Any, Literal, Self

EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
"""The text that every scanner calls malware; apart, so that none takes this file for it."""

Mode = Literal["scan", "silent", "refuse", "hang_up"]


class Clamd:
    """Listens on a port of its own; ``mode`` is how it treats the next file."""

    def __init__(self) -> None:
        self.mode: Mode = "scan"
        self.scanned: list[bytes] = []
        self.released = threading.Event()
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                outer.answer(self.rfile, self.wfile)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Return what SALDO_UPLOADS_SCANNER is set to."""
        host, port = self._server.server_address[:2]
        return f"tcp://{host!s}:{port}"

    def answer(self, rfile: Any, wfile: Any) -> None:
        """Take one file and reply, as clamd does."""
        if self.mode == "hang_up":
            return
        if rfile.read(10) != b"zINSTREAM\0":
            wfile.write(b"UNKNOWN COMMAND\0")
            return
        content = b""
        while length := int.from_bytes(rfile.read(4), "big"):
            content += rfile.read(length)
        if self.mode == "silent":
            self.released.wait(60)
            return
        if self.mode == "refuse":
            wfile.write(b"INSTREAM size limit exceeded. ERROR\0")
            return
        self.scanned.append(content)
        found = EICAR in content
        wfile.write(b"stream: Eicar-Test-Signature FOUND\0" if found else b"stream: OK\0")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self._server.shutdown()
        self._thread.join(5)
        self._server.server_close()
