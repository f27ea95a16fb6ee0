"""Calls of one page: equal reads share one call, and a page has an end by which it responds."""

from __future__ import annotations

import json
import math
import time
from typing import Any
from uuid import UUID

from eventlet.event import Event

from gateway.operations import SERVICE_TIMEOUT, ServiceCalls
from shared.config import Settings
from shared.errors import Unavailable


class AskedOnce:
    """The services for one request: an equal read is asked once, also while it is under way.

    A read of our services is waited for ``read_seconds``: without it, the rest of the page stands.

    A command makes all that was read before it old, so what is read after it is asked anew. A
    read that failed is asked anew, too. No call outlasts ``ends_at``, on the monotonic clock.
    """

    def __init__(
        self,
        services: ServiceCalls,
        answers: dict[str, Event],
        ends_at: float = math.inf,
        read_seconds: float = Settings.page_read_seconds,
    ) -> None:
        self._services = services
        self._answers = answers
        self._ends_at = ends_at
        self._read_seconds = read_seconds

    def call(
        self,
        service: str,
        method: str,
        *,
        deadline: float = SERVICE_TIMEOUT,
        command_id: UUID | None = None,
        **arguments: Any,
    ) -> Any:
        """Call a service, or return what an equal read has returned or is about to."""
        if command_id is not None:
            try:
                return self._in_time(service, method, deadline, command_id=command_id, **arguments)
            finally:
                self._answers.clear()
        key = json.dumps([service, method, arguments], sort_keys=True)
        answer = self._answers.get(key)
        if answer is not None:
            return answer.wait()
        answer = self._answers[key] = Event()
        try:
            within = self._read_seconds if deadline == SERVICE_TIMEOUT else deadline
            found = self._in_time(service, method, within, **arguments)
        except BaseException as error:
            self._answers.pop(key, None)
            answer.send_exception(error)
            raise
        answer.send(found)
        return found

    def _in_time(self, service: str, method: str, deadline: float, **arguments: Any) -> Any:
        left = self._ends_at - time.monotonic()
        if left <= 0:
            raise _out_of_time()
        try:
            return self._services.call(service, method, deadline=min(deadline, left), **arguments)
        except Unavailable as error:
            if self._ends_at <= time.monotonic():
                raise _out_of_time() from error
            raise


def _out_of_time() -> Unavailable:
    return Unavailable("page_timed_out", "The page took too long, so the outcome is unknown.")
