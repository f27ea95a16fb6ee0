"""Liveness."""

from __future__ import annotations

from gateway.schemas.base import Result, output_text


class Alive(Result):
    """The process responds."""

    status = output_text("Always `ok`.", "ok")
