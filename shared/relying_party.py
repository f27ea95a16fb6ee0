"""To which name passkeys are bound: WebAuthn's relying party, taken from the public URL."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

_LOCAL = "localhost"


@dataclass(frozen=True)
class RelyingParty:
    """The id that a browser binds a passkey to, and the one origin at which it may be used."""

    id: str
    origin: str


def relying_party_of(url: str) -> RelyingParty | None:
    """Return the relying party of an installation; None where its URL allows no passkeys.

    They need HTTPS and a name: an IP address cannot be an id. This very machine is the exception,
    as ``localhost``, also where its URL has an address of the loopback instead.
    """
    parts = urlsplit(url)
    name = parts.hostname or ""
    if parts.scheme == "http" and _is_loopback(name):
        return RelyingParty(_LOCAL, _origin("http", _LOCAL, parts.port, 80))
    if parts.scheme != "https" or not name or _is_address(name):
        return None
    return RelyingParty(name, _origin("https", name, parts.port, 443))


def _origin(scheme: str, name: str, port: int | None, usual: int) -> str:
    return f"{scheme}://{name}" + ("" if port in (None, usual) else f":{port}")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_loopback(name: str) -> bool:
    return name == _LOCAL or (_is_address(name) and ipaddress.ip_address(name).is_loopback)
