"""Values that leave for the browser and must come back unchanged, unread or unguessed.

Everything is keyed from the master secret, a key for each purpose.
"""

from __future__ import annotations

import hmac
import json
import secrets
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

from cryptography.fernet import Fernet, InvalidToken

from shared.config import Settings

_MASK_BYTES = 16


class Sealer:
    """Seals values for the browser, and makes the CSRF tokens of one visitor."""

    def __init__(self, settings: Settings) -> None:
        self._csrf_key = settings.derive_key("cabinet/csrf")
        self._person_key = settings.derive_key("cabinet/person")
        self._fernet = Fernet(urlsafe_b64encode(settings.derive_key("cabinet/sealed")))

    def seal(self, purpose: str, value: Any) -> str:
        """Return a JSON value encrypted, for one purpose.

        It is compressed: a long form that waits for a log-in comes back inside another form, and
        must not grow past the limit of a body.
        """
        text = json.dumps([purpose, value], ensure_ascii=False).encode()
        return self._fernet.encrypt(zlib.compress(text)).decode()

    def unseal(self, purpose: str, text: str, *, seconds: int) -> Any | None:
        """Return what was sealed; None when it is forged, older than that, or for another use."""
        try:
            opened = zlib.decompress(self._fernet.decrypt(text.encode(), ttl=seconds))
            found, value = json.loads(opened)
        except (InvalidToken, ValueError, zlib.error):
            return None
        return value if found == purpose else None

    def person_mark(self, person_id: str) -> str:
        """Return what marks the forms of a person, and tells nobody who that is."""
        return hmac.digest(self._person_key, person_id.encode(), "sha256")[:_MASK_BYTES].hex()

    def csrf_token(self, visitor: str) -> str:
        """Return the token of a visitor, masked anew each time.

        Pages are compressed: a token that stays the same could be read off their length (BREACH).
        """
        mask = secrets.token_bytes(_MASK_BYTES)
        return urlsafe_b64encode(mask + _xor(mask, self._expected(visitor))).decode()

    def is_csrf_token(self, visitor: str, token: str) -> bool:
        """Return whether a token was made for the visitor."""
        try:
            raw = urlsafe_b64decode(token.encode())
        except ValueError:
            return False
        if len(raw) != 2 * _MASK_BYTES:
            return False
        unmasked = _xor(raw[:_MASK_BYTES], raw[_MASK_BYTES:])
        return hmac.compare_digest(unmasked, self._expected(visitor))

    def _expected(self, visitor: str) -> bytes:
        return hmac.digest(self._csrf_key, visitor.encode(), "sha256")[:_MASK_BYTES]


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(left ^ right for left, right in zip(one, other, strict=True))
