"""Liveness, readiness, counters, and the API description."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from werkzeug.wrappers import Response

from gateway.concurrently import all_of
from gateway.metrics import MEDIA_TYPE
from gateway.openapi import description_text
from gateway.operations import API, Access, Call, Operation
from gateway.schemas import health as shapes
from gateway.web import METRICS, route
from shared.config import SERVICES
from shared.errors import ServiceError
from shared.logs import get_logger

log = get_logger("gateway.health")

TAG = "Operation"
READY_SECONDS = 2.0


class HealthRoutes:
    """For supervisors and monitoring."""

    @route(
        Operation(
            method="GET",
            path="/healthz",
            tag=TAG,
            summary="Liveness: the process responds.",
            description="It asks no service, and so responds while all of them are down.",
            access=Access.PUBLIC,
            result=shapes.Alive,
            asks_services=False,
        )
    )
    def alive(self, _call: Call) -> Any:
        return {"status": "ok"}

    @route(
        Operation(
            method="GET",
            path="/readyz",
            tag=TAG,
            summary="Readiness: 200 if every service responds within two seconds, else 503.",
            description="Which services responded is in the body, whatever the status.",
            access=Access.PUBLIC,
            result=shapes.Ready,
            asks_services=False,
        )
    )
    def ready(self, call: Call) -> Any:
        states = dict(
            zip(SERVICES, all_of([partial(_state, call, name) for name in SERVICES]), strict=True)
        )
        is_ready = all(state == "ok" for state in states.values())
        document = {"status": "ready" if is_ready else "not_ready", "services": states}
        return Response(
            json.dumps(document),
            status=200 if is_ready else 503,
            content_type="application/json",
            headers={} if is_ready else {"Retry-After": "2"},
        )

    @route(
        Operation(
            method="GET",
            path="/metrics",
            tag=TAG,
            summary="Counters for Prometheus.",
            description="In the text format of Prometheus.",
            access=Access.PUBLIC,
            media_type="text/plain",
            asks_services=False,
        )
    )
    def metrics(self, call: Call) -> Any:
        return Response(call.request.environ[METRICS].render(), content_type=MEDIA_TYPE)

    @route(
        Operation(
            method="GET",
            path=f"{API}/openapi.json",
            tag=TAG,
            summary="This description.",
            description="OpenAPI 3.1, generated from the code that answers. Send its `ETag` back "
            "in `If-None-Match`.",
            access=Access.PUBLIC,
            asks_services=False,
            revalidates=True,
        )
    )
    def openapi(self, _call: Call) -> Any:
        # mypy takes the hash of the class for that of its instances.
        text = description_text(type(self))  # type: ignore[arg-type]
        return Response(text, content_type="application/json")


def _state(call: Call, name: str) -> str:
    try:
        health = call.ask(name, "health", deadline=READY_SECONDS)
    except ServiceError as error:
        log.info("service_not_ready", service=name, code=error.code)
        return "unavailable"
    return str(health["status"])
