"""Keyed hashes: what is looked up or compared, but never read back.

The key of each purpose is derived from the installation's master secret, so a copy of the
database alone tells neither whose address an index is nor which of a million codes a digest is.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
from typing import Protocol
from uuid import UUID

from services.identity.contact_details import email_key


class KeySource(Protocol):
    """What keys are derived from: the settings."""

    def derive_key(self, purpose: str) -> bytes:
        """Return the 32-byte key of a purpose."""
        ...


class Fingerprints:
    """The keyed hashes of one installation; every one is 32 bytes."""

    def __init__(self, keys: KeySource) -> None:
        self._keys = keys

    def email(self, text: str) -> bytes:
        """Return the blind index of an e-mail address, however it was typed."""
        return self._hash("identity/email-index", email_key(text))

    def network(self, ip: str) -> bytes:
        """Return the index of a network address; of IPv6 the /64, which one subscriber has."""
        address = ipaddress.ip_address(ip)
        bits = 64 if address.version == 6 else 32
        network = ipaddress.ip_network(f"{address}/{bits}", strict=False)
        return self._hash("identity/network-index", str(network))

    def code(self, owner_id: UUID, code: str) -> bytes:
        """Return the digest of a code, spaces forgiven; bound to its owner, it fits no other."""
        return self._hash("identity/codes", f"{owner_id}:{''.join(code.split())}")

    def _hash(self, purpose: str, text: str) -> bytes:
        return hmac.digest(self._keys.derive_key(purpose), text.encode(), hashlib.sha256)


def token_digest(token: str) -> bytes:
    """Return what is kept of a session token: 256 random bits need no key, nor a slow hash."""
    return hashlib.sha256(token.encode()).digest()


def new_token() -> str:
    """Return a session token of 256 random bits."""
    return secrets.token_urlsafe(32)


def new_code() -> str:
    """Return a check code: six digits from the system's CSPRNG."""
    return f"{secrets.randbelow(1_000_000):06d}"


_READABLE = "abcdefghjkmnpqrstuvwxyz23456789"


def new_temporary_password() -> str:
    """Return a password to be typed once: twelve characters (59 bits), none mistaken for another,
    such as ``k7vd-m3xp-w9ah``."""
    groups = ("".join(secrets.choice(_READABLE) for _ in range(4)) for _ in range(3))
    return "-".join(groups)
