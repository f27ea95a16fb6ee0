"""The base of identity's commands."""

from __future__ import annotations

from typing import ClassVar

import msgspec


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """A command whose repr shows nothing: it holds what a log must not.

    Repeated from another network, it is the same command.
    """

    not_compared: ClassVar[frozenset[str]] = frozenset({"ip", "network_index"})

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"
