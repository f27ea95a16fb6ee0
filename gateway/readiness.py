"""Readiness of the gateway: whether every service responds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from gateway.concurrently import all_of
from gateway.operations import ServiceCalls
from shared.books import with_books
from shared.config import SERVICES
from shared.errors import ServiceError
from shared.logs import get_logger
from shared.monitoring import UNAVAILABLE

log = get_logger("gateway.readiness")

ANSWER_SECONDS = (0.5, 1.5)
"""How long the first and the second question to a service wait for their answers. What is asked of
one that is starting may be lost: its queue is not there yet."""


def states_of(services: ServiceCalls, books: Sequence[str] = ()) -> Mapping[str, str]:
    """Return the state of each service, and of each book, asked at the same time."""
    names = with_books(SERVICES, books)
    states = all_of([partial(_state, services, name) for name in names])
    return dict(zip(names, states, strict=True))


def _state(services: ServiceCalls, name: str) -> str:
    for seconds in ANSWER_SECONDS:
        try:
            health = services.call(name, "health", deadline=seconds)
        except ServiceError as error:
            code = error.code
        else:
            return str(health["status"])
    log.info("service_not_ready", service=name, code=code)
    return UNAVAILABLE
