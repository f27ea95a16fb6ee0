"""Subscribers over HTTP: who asks, and how much one of them, and all together, may take.

The limits are those of this process. Who waits holds a worker and a connection, so that only some
may: persons come first.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from werkzeug.wrappers import Request

from gateway.auth import bearer_token
from gateway.connections import CLOSE
from gateway.headers import limit_headers
from gateway.log_ends import LogEnds
from gateway.operations import SERVICE_TIMEOUT, Call, ServiceCalls
from gateway.problems import RETRY_AFTER_SECONDS, Refusal
from shared.bus.grants import Grants

MOST_WAITING = 64
"""Requests that wait at the same time, of the workers that persons need (`server.MAX_WORKERS`)."""
MOST_WAITING_OF_ONE = 4
READS, WINDOW_SECONDS = 600, 60
"""How often one subscriber may read in a window, and its length."""
POLICY = "events_of_subscriber"


@dataclass(frozen=True)
class Subscriber:
    """Another system, and what it may see."""

    name: str
    grants: Grants


class Subscriptions:
    """What the process knows of its subscribers."""

    def __init__(self, services: ServiceCalls) -> None:
        self._services = services
        self.ends = LogEnds(
            lambda service: int(
                services.call(service, "events_position", deadline=SERVICE_TIMEOUT)["position"]
            )
        )
        self._waiting: Counter[str] = Counter()
        self._windows: dict[str, tuple[float, int]] = {}

    def subscriber_of(self, request: Request, ip: str) -> Subscriber:
        """Return who asks; raises 401 ``subscriber_unknown``, 429 ``too_many_attempts``.

        Raises 503 ``events_busy`` before identity is asked, where too many wait already.
        """
        token = bearer_token(request, "subscriber_unknown")
        if request.args.get("wait", "0") != "0":
            self._check_room(request)
        found = self._services.call(
            "identity", "authenticate_subscriber", deadline=SERVICE_TIMEOUT, token=token, ip=ip
        )
        return Subscriber(
            found["name"], Grants.stored(found["grants"], persons=bool(found["persons"]))
        )

    def _check_room(self, request: Request) -> None:
        if self._waiting.total() >= MOST_WAITING:
            _close_after(request)
            raise Refusal(503, "events_busy", headers={"Retry-After": str(RETRY_AFTER_SECONDS)})

    def count_read(self, call: Call, name: str) -> None:
        """Count a request of a subscriber; raises 429 ``too_many_reads`` above the limit."""
        now = time.monotonic()
        began, taken = self._windows.get(name, (now, 0))
        if now - began >= WINDOW_SECONDS:
            began, taken = now, 0
        if taken >= READS:
            _close_after(call.request)
            wait = max(1, math.ceil(began + WINDOW_SECONDS - now))
            state: dict[str, Any] = {
                "policy": POLICY,
                "limit": READS,
                "window_seconds": WINDOW_SECONDS,
                "retry_after_seconds": wait,
            }
            headers = {"Retry-After": str(wait), **limit_headers(state)}
            raise Refusal(429, "too_many_reads", headers=headers, **state)
        self._windows[name] = began, taken + 1

    @contextmanager
    def waiting(self, call: Call, name: str) -> Iterator[None]:
        """Hold one of the places of those who wait; raises 429 ``too_many_waits``, or 503."""
        self._check_room(call.request)
        if self._waiting[name] >= MOST_WAITING_OF_ONE:
            _close_after(call.request)
            retry = {"Retry-After": str(RETRY_AFTER_SECONDS)}
            raise Refusal(429, "too_many_waits", headers=retry)
        self._waiting[name] += 1
        try:
            yield
        finally:
            self._waiting[name] -= 1
            if not self._waiting[name]:
                del self._waiting[name]


def _close_after(request: Request) -> None:
    """Close the connection of who is refused: idle ones would take the room of persons."""
    close = request.environ.get(CLOSE)
    if close is not None:
        close(False)
