"""Opaque cursors: where a list goes on, in a form that nobody builds by hand."""

from __future__ import annotations

import binascii
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

from gateway.problems import Refusal


def encode_cursor(subject: str, position: Any) -> str | None:
    """Return the cursor of a position in the list of a subject; None stays None (the end)."""
    if position is None:
        return None
    text = json.dumps([subject, position], separators=(",", ":"))
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_cursor(subject: str, parameter: str, cursor: str | None) -> Any:
    """Return the position that a cursor of the same subject holds.

    Raises Refusal (400, ``invalid_cursor``) for a cursor of another list or an invented one.
    """
    if cursor is None:
        return None
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        found, position = json.loads(urlsafe_b64decode(padded.encode("ascii")))
    except (ValueError, TypeError, binascii.Error, RecursionError):
        found, position = None, None
    if found != subject or not isinstance(position, str | int):
        raise Refusal(
            400,
            "invalid_cursor",
            errors=[{"parameter": parameter, "message": "field_cursor"}],
        )
    return position
