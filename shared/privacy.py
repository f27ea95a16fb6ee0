"""Crypto-shredding: personal data is stored encrypted under a key of its subject.

An event cannot be changed, but it can become unreadable: destroying the subject's key erases the
data from every event, backup and replay, and leaves all amounts intact. Data keys are
AES-256-GCM keys. They are kept in a database of their own (:mod:`shared.eventstore.data_keys`),
wrapped under a key of the service.

What is sealed reads ``v2.<id of the key>.<base64>``, and is bound to its subject and its field.
What was sealed before has no version, and is bound to its subject alone.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence
from hashlib import sha256
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared.keys import Key, KeyRing

_NONCE = 12
WRAPPED_BYTES = _NONCE + 32 + 16
"""The length of a wrapped key, after the id of the key that wraps it and a colon."""

_VERSION = "v2"


class KeyDestroyedError(LookupError):
    """Something was to be sealed for a subject whose key has been destroyed."""


def new_key() -> bytes:
    """Return a random data key."""
    return AESGCM.generate_key(256)


def key_id(key: bytes) -> str:
    """Return the id of a data key, which follows from it and says nothing about it."""
    return base64.urlsafe_b64encode(sha256(b"saldo/data-key-id" + key).digest()[:6]).decode()


def seal_with(key: bytes, text: str, bound_to: bytes) -> str:
    """Encrypt a text under a 32-byte key, bound to what is given."""
    nonce = secrets.token_bytes(_NONCE)
    sealed = nonce + AESGCM(key).encrypt(nonce, text.encode(), bound_to)
    return base64.urlsafe_b64encode(sealed).decode()


def open_with(key: bytes, sealed: str, bound_to: bytes) -> str:
    """Decrypt the result of seal_with; raises cryptography.exceptions.InvalidTag if altered."""
    raw = base64.urlsafe_b64decode(sealed)
    return AESGCM(key).decrypt(raw[:_NONCE], raw[_NONCE:], bound_to).decode()


def seal_under(ring: KeyRing, text: str, subject: bytes, field: str) -> str:
    """Encrypt a field under the first key of a ring, bound to its subject and its name."""
    key = ring.first
    return f"{_VERSION}.{key.id}.{seal_with(key.secret, text, _bound_to(subject, field))}"


def open_under(ring: KeyRing, sealed: str, subject: bytes, field: str) -> str:
    """Decrypt the result of seal_under.

    Raises InvalidTag if it was altered or belongs elsewhere, shared.keys.UnknownKeyError if its key
    has been dropped.
    """
    if parts := _parts(sealed):
        return open_with(ring.find(parts[0]).secret, parts[1], _bound_to(subject, field))
    id_, colon, text = sealed.rpartition(":")
    if colon:
        return open_with(ring.find(id_).secret, text, subject)
    for key in ring:
        try:
            return open_with(key.secret, text, subject)
        except InvalidTag:
            continue
    raise InvalidTag


def sealing_id(sealed: str) -> str:
    """Return the id of the key that sealed a text; empty if it was sealed without one."""
    parts = _parts(sealed)
    return parts[0] if parts else sealed.rpartition(":")[0]


def wrap(key: Key, secret: bytes, subject: bytes) -> bytes:
    """Return a 32-byte secret wrapped under a key, bound to its subject."""
    nonce = secrets.token_bytes(_NONCE)
    return key.id.encode() + b":" + nonce + AESGCM(key.secret).encrypt(nonce, secret, subject)


def unwrap(ring: KeyRing, wrapped: bytes, subject: bytes) -> bytes:
    """Return the secret that was wrapped; raises as open_under does."""
    id_, sealed = wrapping_id(wrapped), wrapped[-WRAPPED_BYTES:]
    for key in (ring.find(id_),) if id_ else ring:
        try:
            return AESGCM(key.secret).decrypt(sealed[:_NONCE], sealed[_NONCE:], subject)
        except InvalidTag:
            continue
    raise InvalidTag


def wrapping_id(wrapped: bytes) -> str:
    """Return the id of the key that wraps a secret; empty if it was wrapped without one."""
    return wrapped[: -WRAPPED_BYTES - 1].decode()


def seal_field(key: bytes, text: str, subject: UUID, field: str) -> str:
    """Encrypt a field of a subject under its data key, bound to both."""
    return f"{_VERSION}.{key_id(key)}.{seal_with(key, text, _bound_to(subject.bytes, field))}"


def open_field(key: bytes, sealed: str, subject: UUID, field: str) -> str | None:
    """Decrypt the result of seal_field; None where another key of the subject has sealed it.

    That key has been destroyed. Raises InvalidTag if the text was altered or belongs elsewhere.
    """
    if parts := _parts(sealed):
        if parts[0] != key_id(key):
            return None
        return open_with(key, parts[1], _bound_to(subject.bytes, field))
    return open_with(key, sealed, subject.bytes)


def _parts(sealed: str) -> tuple[str, str] | None:
    """Return the id of the key and the rest; None for what was sealed before versions."""
    version, _, rest = sealed.partition(".")
    if version != _VERSION:
        return None
    id_, _, text = rest.partition(".")
    return id_, text


def _bound_to(subject: bytes, field: str) -> bytes:
    return b"saldo/v2\0" + subject + b"\0" + field.encode()


class MemoryVault:
    """The vault for unit tests: the same encryption, with keys in a dictionary."""

    def __init__(self) -> None:
        self.keys: dict[UUID, bytes] = {}
        self.destroyed: set[UUID] = set()

    def seal(self, subject: UUID, text: str, field: str) -> str:
        self.new_keys([subject])
        return seal_field(self.keys[subject], text, subject, field)

    def reveal(self, subject: UUID, sealed: str, field: str) -> str | None:
        key = self.keys.get(subject)
        return None if key is None else open_field(key, sealed, subject, field)

    def fetch_keys(self, subjects: Sequence[UUID]) -> None:
        """All keys are at hand."""

    def new_keys(self, subjects: Sequence[UUID]) -> None:
        if not self.destroyed.isdisjoint(subjects):
            raise KeyDestroyedError
        for subject in subjects:
            self.keys.setdefault(subject, new_key())

    def destroy(self, subject: UUID) -> None:
        self.keys.pop(subject, None)
        self.destroyed.add(subject)
