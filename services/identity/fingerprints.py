"""Keyed hashes of values that are looked up or compared, but never read back.

The key of each purpose lies in the database only wrapped under identity's secret: a copy of the
database alone reveals neither the address of an index nor the code of a digest.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import secrets
import unicodedata
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID

from services.identity.one_time_codes import plain_code
from shared.email_address import email_key

_NONCE_BYTES = 16


class KeySource(Protocol):
    """The source of keys: the store."""

    def hash_key(self, purpose: str) -> bytes:
        """Return the key of a purpose, the same for ever."""
        ...


class Fingerprints:
    """The keyed hashes of one installation, 32 bytes each."""

    def __init__(self, keys: KeySource) -> None:
        self._keys = keys

    def email(self, text: str) -> bytes:
        """Return the blind index of an e-mail address, however it was typed."""
        return self._hash("email-index", email_key(text))

    def network(self, ip: str) -> bytes:
        """Return the index of a network address, for IPv6 that of the subscriber's /64."""
        address = ipaddress.ip_address(ip)
        bits = 64 if address.version == 6 else 32
        network = ipaddress.ip_network(f"{address}/{bits}", strict=False)
        return self._hash("network-index", str(network))

    def code(self, owner_id: UUID, code: str) -> bytes:
        """Return the digest of a code, without its spaces, bound to its owner."""
        return self._hash("codes", f"{owner_id}:{''.join(code.split())}")

    def recovery_code(self, code: str) -> bytes:
        """Return the digest of a recovery code, without what separates its digits."""
        return self._hash("recovery-codes", plain_code(code))

    def nonce(self, expires_at: datetime) -> bytes:
        """Return a nonce to be signed, which is kept nowhere: it says itself until when it holds.

        So whoever opens the page of signing in by a passkey writes nothing.
        """
        text = secrets.token_bytes(_NONCE_BYTES) + int(expires_at.timestamp()).to_bytes(8)
        return text + self._mac(text)

    def nonce_expiry(self, nonce: bytes) -> datetime | None:
        """Return until when a nonce holds; None for one that is not ours."""
        text, mac = nonce[: _NONCE_BYTES + 8], nonce[_NONCE_BYTES + 8 :]
        if not hmac.compare_digest(mac, self._mac(text)):
            return None
        return datetime.fromtimestamp(int.from_bytes(text[_NONCE_BYTES:]), UTC)

    def renewed_token(self, session_id: UUID, command_id: UUID) -> str:
        """Return the token that a command gives to a session, the same in each execution of it.

        As hard to guess as a random one, for who has not the key. Were each execution to make one
        of its own, the last would take away the token that the answer to an earlier one has.
        """
        mac = self._hash("renewed-tokens", f"{session_id}:{command_id}")
        return base64.urlsafe_b64encode(mac).rstrip(b"=").decode()

    def _mac(self, text: bytes) -> bytes:
        return hmac.digest(self._keys.hash_key("passkey-nonces"), text, hashlib.sha256)

    def password(self, person_id: UUID, password: str) -> bytes:
        """Return what recognises a password that was sent to a person, however it was typed."""
        plain = "".join(filter(str.isalnum, unicodedata.normalize("NFKC", password).casefold()))
        return self._hash("sent-passwords", f"{person_id}:{plain}")

    def _hash(self, purpose: str, text: str) -> bytes:
        return hmac.digest(self._keys.hash_key(purpose), text.encode(), hashlib.sha256)


def token_digest(token: str) -> bytes:
    """Return the stored form of a session token: 256 random bits need no key and no slow hash."""
    return hashlib.sha256(token.encode()).digest()


def new_token() -> str:
    """Return a session token of 256 random bits."""
    return secrets.token_urlsafe(32)


def new_code(digits: int = 6) -> str:
    """Return a verification code from the system's CSPRNG."""
    return f"{secrets.randbelow(10**digits):0{digits}d}"


_READABLE = "abcdefghjkmnpqrstuvwxyz23456789"


def new_temporary_password() -> str:
    """Return a password to be typed once, such as ``k7vd-m3xp-w9ah``.

    It has twelve unambiguous characters (59 bits).
    """
    groups = ("".join(secrets.choice(_READABLE) for _ in range(4)) for _ in range(3))
    return "-".join(groups)
