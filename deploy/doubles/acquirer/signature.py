"""The checksum of a callback, as RBS banks sign them: by a shared key, or by the bank's own."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Protocol

PRIVATE_KEY_FILE: Final = "callback_key.pem"
PUBLIC_KEY_FILE: Final = "callback_public_key.pem"


class Signer(Protocol):
    """Signs the parameters of a callback."""

    def __call__(self, parameters: Mapping[str, str]) -> str:
        """Return the checksum, in upper-case hex."""
        ...


def checksum(parameters: Mapping[str, str], secret: str) -> str:
    """Return the HMAC-SHA256 over all other parameters, in upper-case hex."""
    return hmac.new(secret.encode(), _text(parameters), hashlib.sha256).hexdigest().upper()


def by_secret(secret: str) -> Signer:
    """Return what signs by a key that the merchant has, too."""
    return lambda parameters: checksum(parameters, secret)


def by_own_key(folder: Path) -> Signer:
    """Return what signs by the bank's own RSA key, which is made in the folder at first.

    The public key lies beside it, for the merchant.
    """
    # A bank with a shared key does without, and without 7 MB of memory.
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

    path = folder / PRIVATE_KEY_FILE
    if path.exists():
        loaded = serialization.load_pem_private_key(path.read_bytes(), password=None)
        if not isinstance(loaded, rsa.RSAPrivateKey):
            raise ValueError(f"{path} holds no RSA key; delete it to have one made.")
        key = loaded
    else:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        _write(path, private, 0o600)
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    _write(folder / PUBLIC_KEY_FILE, public, 0o644)

    def sign(parameters: Mapping[str, str]) -> str:
        return key.sign(_text(parameters), PKCS1v15(), hashes.SHA512()).hex().upper()

    return sign


def _text(parameters: Mapping[str, str]) -> bytes:
    """Return all parameters but the checksum, sorted by key, each `key;value;`."""
    pairs = sorted((key, value) for key, value in parameters.items() if key != "checksum")
    return "".join(f"{key};{value};" for key, value in pairs).encode()


def _write(path: Path, content: bytes, mode: int) -> None:
    """Write a file at once: a kill leaves the old one, or none."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
    draft.replace(path)
