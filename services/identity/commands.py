"""The base of identity's commands."""

from __future__ import annotations

import msgspec


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """A command whose repr shows nothing: it holds what a log must not."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"
