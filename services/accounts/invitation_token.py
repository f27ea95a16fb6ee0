"""The secret of an invitation's link: derived, so that nothing stored can be turned into it."""

from __future__ import annotations

import base64
import binascii
import hmac
from uuid import UUID

KEY_PURPOSE = "invitations"
"""The purpose under which ``store.hash_key`` gives the key."""
TOKEN_LENGTH = 43

_ID_BYTES, _MAC_BYTES = 16, 16
_PADDING = "="


def token_of(key: bytes, invitation_id: UUID) -> str:
    """Return the token of an invitation, the same each time its letter is written."""
    raw = invitation_id.bytes + _mac(key, invitation_id.bytes)
    return base64.urlsafe_b64encode(raw).decode().rstrip(_PADDING)


def invitation_of(key: bytes, token: str) -> UUID | None:
    """Return the invitation that a token belongs to; None for one that we never made."""
    try:
        padded = f"{token}{_PADDING}".encode("ascii")
        raw = base64.b64decode(padded, altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error, ValueError):
        return None
    if len(raw) != _ID_BYTES + _MAC_BYTES:
        return None
    id_, mac = raw[:_ID_BYTES], raw[_ID_BYTES:]
    return UUID(bytes=id_) if hmac.compare_digest(mac, _mac(key, id_)) else None


def _mac(key: bytes, id_: bytes) -> bytes:
    return hmac.digest(key, id_, "sha256")[:_MAC_BYTES]
