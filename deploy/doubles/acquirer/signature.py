"""The checksum of a callback: HMAC-SHA256 over the parameters, as RBS banks sign them."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping


def checksum(parameters: Mapping[str, str], secret: str) -> str:
    """Return the upper-case hex over all other parameters, sorted by key, each `key;value;`."""
    text = "".join(
        f"{key};{value};" for key, value in sorted(parameters.items()) if key != "checksum"
    )
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest().upper()
