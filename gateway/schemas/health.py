"""Whether the gateway lives and whether it can serve."""

from __future__ import annotations

from marshmallow import fields

from gateway.schemas.base import Answered, described, said


class Alive(Answered):
    """The process answers."""

    status = said("Always `ok`.", "ok")


class Ready(Answered):
    """Which services answer."""

    status = said("`ready` or `not_ready`.", "ready")
    services = fields.Dict(
        keys=fields.String(),
        values=fields.String(),
        required=True,
        metadata=described("`ok` or `unavailable` of each service.", {"identity": "ok"}),
    )
