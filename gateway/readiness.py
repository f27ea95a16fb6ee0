"""Readiness of the gateway: whether every service responds."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from gateway.concurrently import all_of
from gateway.operations import ServiceCalls
from shared.config import SERVICES
from shared.errors import ServiceError
from shared.logs import get_logger
from shared.monitoring import UNAVAILABLE

log = get_logger("gateway.readiness")

READY_SECONDS = 2.0


def states_of(services: ServiceCalls) -> Mapping[str, str]:
    """Return the state of each service, asked at the same time."""
    states = all_of([partial(_state, services, name) for name in SERVICES])
    return dict(zip(SERVICES, states, strict=True))


def _state(services: ServiceCalls, name: str) -> str:
    try:
        health = services.call(name, "health", deadline=READY_SECONDS)
    except ServiceError as error:
        log.info("service_not_ready", service=name, code=error.code)
        return UNAVAILABLE
    return str(health["status"])
