"""The limits on what one person sends within 24 hours, as they are told to him."""

from __future__ import annotations

from datetime import datetime, timedelta
from math import ceil
from typing import Any

DAY = timedelta(hours=24)
"""The window of the limits on questions, messages and files."""


def exceeded(policy: str, most: int, reached: datetime, now: datetime) -> dict[str, Any]:
    """Return the parameters of a refusal; ``reached`` is when the first of so many was sent."""
    return {
        "policy": policy,
        "limit": most,
        "window_seconds": int(DAY.total_seconds()),
        "retry_after_seconds": max(1, ceil((reached + DAY - now).total_seconds())),
    }
