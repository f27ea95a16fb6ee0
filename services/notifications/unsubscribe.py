"""The link that switches a kind of letters off (RFC 8058), and the token in it.

The token is the person's id, encrypted, with the kind authenticated by it (AES-SIV, RFC 5297): it
tells nobody anything, opens nothing else, and is the same in every letter of the kind. It works for
as long as the letter is kept, so nothing of it is stored.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Iterator
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from shared.config import Settings
from shared.contracts.notifications import OPTIONAL, LetterKind

KEY_PURPOSE = "unsubscribe"
"""The purpose under which ``store.hash_key`` gives the key."""
PATH = "/letters/unsubscribe"
TOKEN_LENGTH = 43

_PADDING = "="


def unsubscribe_url(settings: Settings, key: bytes, person_id: UUID, kind: LetterKind) -> str:
    """Return the address for ``List-Unsubscribe`` of a letter of an optional kind."""
    return url_of(settings, token_of(key, person_id, kind))


def url_of(settings: Settings, token: str) -> str:
    """Return the address that a token makes."""
    return f"{settings.url}{PATH}/{token}"


def token_of(key: bytes, person_id: UUID, kind: LetterKind) -> str:
    """Return the token of a person and a kind, always the same."""
    sealed = _cipher(key).encrypt(person_id.bytes, [kind.value.encode()])
    return base64.urlsafe_b64encode(sealed).decode().rstrip(_PADDING)


def read_token(key: bytes, token: str) -> tuple[UUID, LetterKind] | None:
    """Return the person and the kind of a token; None for one that we never made."""
    if len(token) != TOKEN_LENGTH:
        return None
    try:
        raw = base64.b64decode(f"{token}{_PADDING}".encode("ascii"), altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error):
        return None
    found = next(_opened(_cipher(key), raw), None)
    # The last letter has two spare bits: of four spellings one is ours.
    return found if found and token_of(key, *found) == token else None


def _opened(cipher: AESSIV, raw: bytes) -> Iterator[tuple[UUID, LetterKind]]:
    for kind in OPTIONAL:
        try:
            yield UUID(bytes=cipher.decrypt(raw, [kind.value.encode()])), kind
        except InvalidTag:
            continue


def _cipher(key: bytes) -> AESSIV:
    return AESSIV(hmac.digest(key, b"saldo/unsubscribe", "sha256"))
