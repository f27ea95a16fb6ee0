"""Liveness and readiness."""

from __future__ import annotations

from marshmallow import fields

from gateway.schemas.base import Result, described, output_text


class Alive(Result):
    """The process responds."""

    status = output_text("Always `ok`.", "ok")


class Ready(Result):
    """The services that respond."""

    status = output_text("`ready` or `not_ready`.", "ready")
    services = fields.Dict(
        keys=fields.String(),
        values=fields.String(),
        required=True,
        metadata=described("`ok` or `unavailable` of each service.", {"identity": "ok"}),
    )
