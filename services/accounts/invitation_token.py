"""The secret of an invitation's link: derived, so that nothing stored can be turned into it."""

from __future__ import annotations

import base64
import binascii
import hmac
from uuid import UUID

KEY_PURPOSE = "invitations"
"""The purpose under which ``store.hash_key`` gives the key."""
TOKEN_LENGTH = 64

_ID_BYTES, _MAC_BYTES = 16, 32


def token_of(key: bytes, invitation_id: UUID) -> str:
    """Return the token of an invitation, the same each time its letter is written."""
    mac = hmac.digest(key, invitation_id.bytes, "sha256")
    return base64.urlsafe_b64encode(invitation_id.bytes + mac).decode()


def invitation_of(key: bytes, token: str) -> UUID | None:
    """Return the invitation that a token belongs to; None for one that we never made."""
    try:
        raw = base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error, ValueError):
        return None
    if len(raw) != _ID_BYTES + _MAC_BYTES:
        return None
    id_, mac = raw[:_ID_BYTES], raw[_ID_BYTES:]
    right = hmac.compare_digest(mac, hmac.digest(key, id_, "sha256"))
    return UUID(bytes=id_) if right else None
