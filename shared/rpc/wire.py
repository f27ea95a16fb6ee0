"""JSON of requests and replies, as kombu writes it for every client of nameko's protocol."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from kombu.utils.json import dumps, loads

JSON_TYPE = "application/json"
_TYPED = b'"__type__"'
"""With it kombu writes what JSON has no kind for: an instant, a UUID, a decimal number."""


def encoded(value: Any) -> bytes:
    """Return the JSON of a reply. Raises TypeError for what nobody could decode."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except (TypeError, UnicodeEncodeError):
        text: str = dumps(value)
        return text.encode()


def decoded(body: bytes | memoryview | str) -> Any:
    """Return what JSON holds. Raises ValueError for what is none."""
    plain = body.encode() if isinstance(body, str) else bytes(body)
    if _TYPED not in plain:
        try:
            return msgspec.json.decode(plain)
        except msgspec.DecodeError:
            pass  # the slower one takes what kombu has written, a lone surrogate for one
    return loads(plain)
