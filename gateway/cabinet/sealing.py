"""Values that leave for the browser and must come back unchanged, unread or unguessed.

Everything is keyed from the gateway's secret, a key for each purpose. What was made under any key
of its ring is accepted, so forms that are open outlive a change of the secret.
"""

from __future__ import annotations

import hmac
import json
import secrets
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from typing import Any

from cryptography.fernet import Fernet, InvalidToken

from shared.clock import Clock
from shared.config import GATEWAY, Settings
from shared.keys import Key, KeyRing

_MASK_BYTES = 16


class Sealer:
    """Seals values for the browser, and makes the CSRF tokens of one visitor.

    How old a sealed value is goes by a clock that all gateways have in common.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._clock = clock
        self._csrf_keys = settings.keys_of(GATEWAY, "csrf")
        self._person_keys = settings.keys_of(GATEWAY, "person")
        self._sealing_keys = settings.keys_of(GATEWAY, "sealed")

    def seal(self, purpose: str, value: Any) -> str:
        """Return a JSON value encrypted, for one purpose.

        It is compressed: a long form that waits for a log-in comes back inside another form, and
        must not grow past the limit of a body.
        """
        text = json.dumps([purpose, value], ensure_ascii=False).encode()
        fernet, now = _fernet(self._sealing_keys.first), self._seconds()
        return fernet.encrypt_at_time(zlib.compress(text), now).decode()

    def unseal(self, purpose: str, text: str, *, seconds: int) -> Any | None:
        """Return what was sealed; None when it is forged, older than that, or for another use."""
        packed: list[bytes] = []
        now = self._seconds()

        def opens(key: Key) -> bool:
            try:
                packed.append(_decrypted(_fernet(key), text.encode(), seconds, now))
            except (InvalidToken, ValueError):
                return False
            return True

        if not _fits_any(self._sealing_keys, opens):
            return None
        try:
            found, value = json.loads(zlib.decompress(packed[0]))
        except (ValueError, zlib.error):
            return None
        return value if found == purpose else None

    def _seconds(self) -> int:
        return int(self._clock.now().timestamp())

    def person_mark(self, person_id: str) -> str:
        """Return what marks the forms of a person, and tells nobody who that is."""
        return _short_hash(self._person_keys.first, person_id).hex()

    def is_person_mark(self, person_id: str, mark: str) -> bool:
        """Return whether a mark was made for the person."""
        given = mark.encode()
        return _fits_any(
            self._person_keys,
            lambda key: hmac.compare_digest(_short_hash(key, person_id).hex().encode(), given),
        )

    def csrf_token(self, visitor: str) -> str:
        """Return the token of a visitor, masked anew each time.

        Pages are compressed: a token that stays the same could be read off their length (BREACH).
        """
        mask = secrets.token_bytes(_MASK_BYTES)
        expected = _short_hash(self._csrf_keys.first, visitor)
        return urlsafe_b64encode(mask + _xor(mask, expected)).decode()

    def is_csrf_token(self, visitor: str, token: str) -> bool:
        """Return whether a token was made for the visitor."""
        try:
            raw = urlsafe_b64decode(token.encode())
        except ValueError:
            return False
        if len(raw) != 2 * _MASK_BYTES:
            return False
        unmasked = _xor(raw[:_MASK_BYTES], raw[_MASK_BYTES:])
        return _fits_any(
            self._csrf_keys, lambda key: hmac.compare_digest(unmasked, _short_hash(key, visitor))
        )


def _fits_any(ring: KeyRing, fits: Callable[[Key], bool]) -> bool:
    """Return whether a key of the ring fits, also one that another process has taken just now."""
    return any(map(fits, ring)) or (ring.look() and any(map(fits, ring)))


def _decrypted(fernet: Fernet, token: bytes, seconds: int, now: int) -> bytes:
    # One from the future is ours as well: the gateway that made it has a clock that is ahead.
    return fernet.decrypt_at_time(token, seconds, max(now, fernet.extract_timestamp(token)))


def _fernet(key: Key) -> Fernet:
    return Fernet(urlsafe_b64encode(key.secret))


def _short_hash(key: Key, text: str) -> bytes:
    return hmac.digest(key.secret, text.encode(), "sha256")[:_MASK_BYTES]


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(left ^ right for left, right in zip(one, other, strict=True))
