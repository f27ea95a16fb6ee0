"""Links that always lead to whoever serves, as HAProxy or a client's list of hosts does it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType

from tests.faults.injectors.network import Network

_LOOK_S = 0.3

Addresses = dict[str, int]
"""Ports of 127.0.0.1, by the name of the link that leads to each."""


class Leading(threading.Thread):
    """Looks who serves, and leads links there; when nobody does, they stay as they are."""

    def __init__(self, network: Network, who: Callable[[], Addresses | None]) -> None:
        super().__init__(daemon=True)
        self._network = network
        self._who = who
        self._ended = threading.Event()

    def __enter__(self) -> Leading:
        self.look()
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        raised: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self.join()

    def look(self) -> None:
        """Lead the links to whoever serves now."""
        for name, port in (self._who() or {}).items():
            self._network.lead(name, "127.0.0.1", port)

    def run(self) -> None:
        while not self._ended.wait(_LOOK_S):
            self.look()
