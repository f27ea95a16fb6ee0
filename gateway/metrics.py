"""Counters for Prometheus: requests by route and status, and their latency."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the latency histogram, in seconds."""

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """Counts the requests that this process has handled.

    Routes are templates (``/api/v1/payments/{payment_id}``), not paths: callers must not be able
    to create series.
    """

    def __init__(self) -> None:
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._in_bucket: defaultdict[tuple[str, str], list[int]] = defaultdict(
            lambda: [0] * (len(BUCKETS) + 1)
        )
        self._seconds: defaultdict[tuple[str, str], float] = defaultdict(float)
        self._in_progress = 0

    @contextmanager
    def progress(self) -> Iterator[None]:
        """Count a request as in progress within the block."""
        self._in_progress += 1
        try:
            yield
        finally:
            self._in_progress -= 1

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one finished request."""
        self._requests[method, route, status] += 1
        self._in_bucket[method, route][bisect_left(BUCKETS, seconds)] += 1
        self._seconds[method, route] += seconds

    def render(self) -> str:
        """Return all series in the text format of Prometheus."""
        name = "saldo_gateway_requests_total"
        lines = [f"# HELP {name} Requests handled.", f"# TYPE {name} counter"]
        for (method, route, status), count in sorted(self._requests.items()):
            lines.append(f'{name}{{method="{method}",route="{route}",status="{status}"}} {count}')
        name = "saldo_gateway_request_seconds"
        lines += [f"# HELP {name} Time to respond, in seconds.", f"# TYPE {name} histogram"]
        for (method, route), counts in sorted(self._in_bucket.items()):
            lines += self._histogram(name, f'method="{method}",route="{route}"', counts)
            total = self._seconds[method, route]
            lines.append(f'{name}_sum{{method="{method}",route="{route}"}} {total:.6f}')
        name = "saldo_gateway_requests_in_progress"
        lines += [f"# HELP {name} Requests in progress.", f"# TYPE {name} gauge"]
        lines.append(f"{name} {self._in_progress}")
        return "\n".join(lines) + "\n"

    @staticmethod
    def _histogram(name: str, labels: str, counts: list[int]) -> list[str]:
        lines, total = [], 0
        for bound, count in zip((*BUCKETS, "+Inf"), counts, strict=True):
            total += count
            lines.append(f'{name}_bucket{{{labels},le="{bound}"}} {total}')
        return [*lines, f"{name}_count{{{labels}}} {total}"]
