"""What injectors raise."""

from __future__ import annotations


class TroubleError(Exception):
    """The trouble could not be made; the text says why."""
