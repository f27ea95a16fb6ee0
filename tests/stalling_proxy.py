"""A proxy to a node that can stop reading, as a frozen or blocked node does."""

from __future__ import annotations

import selectors
import socket
import threading
from contextlib import suppress
from typing import Self
from urllib.parse import urlsplit, urlunsplit

_PIECE = 64 * 1024
_TICK_S = 0.05


class StallingProxy:
    """Forwards connections to a node; while stalled it takes nothing from either side.

    New connections are accepted even then, as the kernel of a frozen machine accepts them.
    """

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._stalled = threading.Event()
        self._closed = threading.Event()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._listening.settimeout(_TICK_S)
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        for thread in self._threads:
            thread.join(5)
        self._listening.close()

    def in_place_of(self, url: str) -> str:
        """Return a URL that leads through this proxy."""
        parts = urlsplit(url)
        login = parts.netloc.rpartition("@")[0]
        port = self._listening.getsockname()[1]
        return urlunsplit(parts._replace(netloc=f"{login}@127.0.0.1:{port}"))

    def stall(self) -> None:
        """Stop reading."""
        self._stalled.set()

    def go_on(self) -> None:
        """Read again."""
        self._stalled.clear()

    def _accept(self) -> None:
        while not self._closed.is_set():
            with suppress(TimeoutError):
                client, _ = self._listening.accept()
                thread = threading.Thread(target=self._forward, args=(client,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _forward(self, client: socket.socket) -> None:
        node = socket.create_connection(self._target, timeout=5)
        pairs = {client: node, node: client}
        with client, node, selectors.DefaultSelector() as selector:
            for side in pairs:
                selector.register(side, selectors.EVENT_READ)
            while not self._closed.is_set():
                if self._stalled.is_set():
                    self._closed.wait(_TICK_S)
                    continue
                for key, _ in selector.select(_TICK_S):
                    side = key.fileobj
                    assert isinstance(side, socket.socket)
                    try:
                        piece = side.recv(_PIECE)
                        if not piece:
                            return
                        pairs[side].sendall(piece)
                    except OSError:
                        return
