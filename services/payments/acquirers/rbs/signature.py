"""The checksum of callbacks: by a shared key (HMAC-SHA256), or by the bank's own key (RSA)."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.x509 import load_pem_x509_certificate

from shared.config import ConfigurationError

#: What the checksum does not cover: itself, and the name of the key that made it.
_UNSIGNED: Final = frozenset({"checksum", "sign_alias"})
_HEX: Final = re.compile(r"[0-9A-F]{64,2048}")


class CallbackKeys:
    """The keys by which a callback of one bank is genuine: any that is configured.

    Without a key nothing is genuine: anyone can sign with an empty one.
    """

    def __init__(self, secret: str, public_key: RSAPublicKey | None = None) -> None:
        self._secret = secret.encode()
        self._public_key = public_key

    def verify(self, parameters: Mapping[str, str]) -> bool:
        """Return whether the bank signed these parameters."""
        checksum = parameters.get("checksum", "")
        if not _HEX.fullmatch(checksum):
            return False
        text = _signed_text(parameters)
        return self._by_secret(text, checksum) or self._by_public_key(text, checksum)

    def _by_secret(self, text: bytes, checksum: str) -> bool:
        right = hmac.new(self._secret, text, hashlib.sha256).hexdigest().upper()
        return bool(self._secret) and hmac.compare_digest(right, checksum)

    def _by_public_key(self, text: bytes, checksum: str) -> bool:
        if self._public_key is None or len(checksum) % 2:
            return False
        try:
            self._public_key.verify(bytes.fromhex(checksum), text, PKCS1v15(), hashes.SHA512())
        except InvalidSignature:
            return False
        return True


def load_public_key(path: str) -> RSAPublicKey:
    """Read the bank's certificate or public key (PEM).

    Raises ConfigurationError for a file that holds neither.
    """
    try:
        pem = Path(path).read_bytes()
        key = (
            load_pem_x509_certificate(pem).public_key()
            if b"BEGIN CERTIFICATE" in pem
            else serialization.load_pem_public_key(pem)
        )
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"The acquirer's key for callbacks cannot be read from {path}: give the PEM file of "
            f"its certificate or public key ({type(error).__name__})."
        ) from None
    if not isinstance(key, RSAPublicKey):
        raise ConfigurationError(f"The acquirer's key for callbacks in {path} is not an RSA key.")
    return key


def _signed_text(parameters: Mapping[str, str]) -> bytes:
    """Return the parameters sorted by key, each `key;value;`."""
    pairs = sorted((key, value) for key, value in parameters.items() if key not in _UNSIGNED)
    return "".join(f"{key};{value};" for key, value in pairs).encode(errors="replace")
