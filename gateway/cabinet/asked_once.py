"""Reads of one page: operations that ask a service the same thing share one call."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from eventlet.event import Event

from gateway.operations import SERVICE_TIMEOUT, ServiceCalls


class AskedOnce:
    """The services for one request: an equal read is asked once, also while it is under way.

    A command makes all that was read before it old, so what is read after it is asked anew. A
    read that failed is asked anew, too.
    """

    def __init__(self, services: ServiceCalls, answers: dict[str, Event]) -> None:
        self._services = services
        self._answers = answers

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
                return self._services.call(
                    service, method, deadline=deadline, command_id=command_id, **arguments
                )
            finally:
                self._answers.clear()
        key = json.dumps([service, method, arguments], sort_keys=True)
        answer = self._answers.get(key)
        if answer is not None:
            return answer.wait()
        answer = self._answers[key] = Event()
        try:
            found = self._services.call(service, method, deadline=deadline, **arguments)
        except BaseException as error:
            self._answers.pop(key, None)
            answer.send_exception(error)
            raise
        answer.send(found)
        return found
