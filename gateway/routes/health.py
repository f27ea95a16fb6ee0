"""Liveness, for load balancers, and the API description."""

from __future__ import annotations

from typing import Any

from werkzeug.wrappers import Response

from gateway.openapi import description_text
from gateway.operations import API, Access, Call, Operation
from gateway.schemas import health as shapes
from gateway.web import route

TAG = "Operation"


class HealthRoutes:
    """For load balancers and clients; readiness and metrics are on the monitoring listener."""

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
