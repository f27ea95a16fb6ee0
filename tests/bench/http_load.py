"""Load over HTTP: so many connections, each asking again as soon as it has its answer."""

from __future__ import annotations

import http.client
import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from tests.bench.site import Target

TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True)
class Load:
    """What a load took: seconds in all, and for each request."""

    seconds: float
    waits: list[float]

    def percentile(self, percent: int) -> float:
        """Return how many milliseconds so many per cent of the requests took at most."""
        return statistics.quantiles(self.waits, n=100)[percent - 1] * 1000


def load(target: Target, connections: int, each: int) -> Load:
    """Ask on so many connections, so often on each. Raises RuntimeError for a refusal."""
    waits: list[float] = []
    failures: list[Exception] = []

    def ask_often() -> None:
        try:
            with Connection(target) as connection:
                waits.extend([connection.ask() for _ in range(each)])
        except (OSError, http.client.HTTPException, RuntimeError) as error:
            failures.append(error)

    threads = [threading.Thread(target=ask_often) for _ in range(connections)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken = time.perf_counter() - began
    if failures:
        raise RuntimeError(f"{target.name} failed: {failures[0]}") from failures[0]
    return Load(taken, waits)


def load_until(
    target: Target, connections: int, pause: float, done: threading.Event
) -> Callable[[], list[float]]:
    """Begin to ask with pauses until ``done``; return what waits for the end, and its waits."""
    waits: list[float] = []

    def ask_often() -> None:
        with Connection(target) as connection:
            while not done.wait(pause):
                waits.append(connection.ask())

    threads = [threading.Thread(target=ask_often) for _ in range(connections)]
    for thread in threads:
        thread.start()

    def end() -> list[float]:
        for thread in threads:
            thread.join()
        return waits

    return end


class Connection:
    """One connection that stays open."""

    def __init__(self, target: Target) -> None:
        parts = urlsplit(target.url)
        self._target = target
        self._path = parts.path + (f"?{parts.query}" if parts.query else "")
        self._http = http.client.HTTPConnection(parts.netloc, timeout=TIMEOUT_SECONDS)

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def ask(self) -> float:
        """Ask once; return the seconds until the whole answer was there."""
        began = time.perf_counter()
        self._http.request("GET", self._path, headers=dict(self._target.headers))
        response = self._http.getresponse()
        response.read()
        if response.status != http.client.OK:
            raise RuntimeError(f"{self._target.url} answered {response.status}")
        return time.perf_counter() - began
