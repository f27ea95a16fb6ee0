"""Sending the merchant what has happened to his orders. ``requests`` would take 5 MB for it."""

from __future__ import annotations

import http.client
from typing import Final
from urllib.parse import urlsplit

CONNECT_SECONDS: Final = 3.05
ANSWER_SECONDS: Final = 10.0


def send(method: str, url: str, body: bytes = b"", content_type: str = "") -> str:
    """Return the status that an address answers with, or the type of error; follow no redirect."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=CONNECT_SECONDS)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.connect()
        connection.sock.settimeout(ANSWER_SECONDS)
        headers = {"Content-Type": content_type} if content_type else {}
        connection.request(method, target, body or None, headers)
        return str(connection.getresponse().status)
    except (OSError, http.client.HTTPException) as error:
        return type(error).__name__
    finally:
        connection.close()
