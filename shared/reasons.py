"""The reasons that staff give, which are kept for good."""

from __future__ import annotations

MAX_REASON = 500
"""Characters."""


def recorded_reason(text: str) -> str:
    """Return a reason with single spaces; raises ValueError for none, and for a long one."""
    reason = " ".join(text.split())
    if not reason or len(reason) > MAX_REASON or not reason.isprintable():
        raise ValueError(f"say why, in up to {MAX_REASON} characters; it is recorded")
    return reason
