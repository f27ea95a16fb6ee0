"""Opaque cursors: the position at which a list continues, in a form clients do not build."""

from __future__ import annotations

import binascii
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

from gateway.problems import Refusal


def encode_cursor(subject: str, position: Any) -> str | None:
    """Return the cursor of a position in a list; None, the end of the list, stays None."""
    if position is None:
        return None
    text = json.dumps([subject, position], separators=(",", ":"))
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_cursor(subject: str, parameter: str, cursor: str | None) -> Any:
    """Return the position in a cursor of the same list.

    Raises Refusal (400, ``invalid_cursor``) for a cursor of another list or a made-up one.
    """
    if cursor is None:
        return None
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        found, position = json.loads(urlsafe_b64decode(padded.encode("ascii")))
    except (ValueError, TypeError, binascii.Error, RecursionError):
        found, position = None, None
    if isinstance(position, str) and not position.isascii():
        position = None  # ours are; a lone surrogate could not even be sent on
    if found != subject or not isinstance(position, str | int):
        raise Refusal(
            400,
            "invalid_cursor",
            errors=[{"parameter": parameter, "message": "field_cursor"}],
        )
    return position
