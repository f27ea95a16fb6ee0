"""The address of a malware scanner: ``tcp://127.0.0.1:3310`` or ``unix:///run/clamav/clamd.ctl``."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

_HINT = "SALDO_UPLOADS_SCANNER is tcp://HOST:PORT or unix:///PATH of a clamd"


@dataclass(frozen=True)
class ScannerAddress:
    """Where a clamd listens, as a socket connects to it."""

    family: socket.AddressFamily
    target: Any


def scanner_of(url: str) -> ScannerAddress:
    """Return the address of a URL; raises ValueError, with what it should be, for another one."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError(_HINT) from None
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError(_HINT)
    if parts.scheme == "unix" and not parts.netloc and len(parts.path) > 1:
        return ScannerAddress(socket.AF_UNIX, parts.path)
    if parts.scheme == "tcp" and parts.hostname and port and parts.path in ("", "/"):
        family = socket.AF_INET6 if ":" in parts.hostname else socket.AF_INET
        return ScannerAddress(family, (parts.hostname, port))
    raise ValueError(_HINT)
