"""Crypto-shredding: personal data is stored encrypted under a key of its subject.

An event cannot be changed, but it can become unreadable: destroying the subject's key erases the
data from every event, backup and replay, and leaves all amounts intact. Data keys are
AES-256-GCM keys, themselves wrapped under a key of the service, in the table ``data_keys``.

What is sealed under a ring begins with the id of its key; what was sealed before keys had ids has
none, and is tried under each.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared.keys import Key, KeyRing

_NONCE = 12
WRAPPED_BYTES = _NONCE + 32 + 16
"""The length of a wrapped key, after the id of the key that wraps it and a colon."""


def seal_with(key: bytes, text: str, subject: bytes) -> str:
    """Encrypt a text under a 32-byte key, bound to its subject."""
    nonce = secrets.token_bytes(_NONCE)
    sealed = nonce + AESGCM(key).encrypt(nonce, text.encode(), subject)
    return base64.urlsafe_b64encode(sealed).decode()


def open_with(key: bytes, sealed: str, subject: bytes) -> str:
    """Decrypt the result of seal_with; raises cryptography.exceptions.InvalidTag if altered."""
    raw = base64.urlsafe_b64decode(sealed)
    return AESGCM(key).decrypt(raw[:_NONCE], raw[_NONCE:], subject).decode()


def seal_under(ring: KeyRing, text: str, subject: bytes) -> str:
    """Encrypt a text under the first key of a ring, bound to its subject."""
    key = ring.first
    return f"{key.id}:{seal_with(key.secret, text, subject)}"


def open_under(ring: KeyRing, sealed: str, subject: bytes) -> str:
    """Decrypt the result of seal_under.

    Raises InvalidTag if it was altered, shared.keys.UnknownKeyError if its key has been dropped.
    """
    id_, colon, text = sealed.rpartition(":")
    if colon:
        return open_with(ring.find(id_).secret, text, subject)
    for key in ring:
        try:
            return open_with(key.secret, text, subject)
        except InvalidTag:
            continue
    raise InvalidTag


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


_BOUND = "f:"
"""What begins a text that is bound to the name of its field."""


def seal_field(key: bytes, text: str, subject: UUID, field: str) -> str:
    """Encrypt a field of a subject under its data key, bound to both."""
    return _BOUND + seal_with(key, text, _bound_to(subject, field))


def open_field(key: bytes, sealed: str, subject: UUID, field: str) -> str:
    """Decrypt the result of seal_field; raises InvalidTag for another subject or field.

    What was sealed before fields were bound is bound to its subject alone.
    """
    if sealed.startswith(_BOUND):
        return open_with(key, sealed.removeprefix(_BOUND), _bound_to(subject, field))
    return open_with(key, sealed, subject.bytes)


def _bound_to(subject: UUID, field: str) -> bytes:
    return subject.bytes + field.encode()


class MemoryVault:
    """The vault for unit tests: the same encryption, with keys in a dictionary."""

    def __init__(self) -> None:
        self.keys: dict[UUID, bytes] = {}

    def seal(self, subject: UUID, text: str, field: str) -> str:
        key = self.keys.setdefault(subject, AESGCM.generate_key(256))
        return seal_field(key, text, subject, field)

    def reveal(self, subject: UUID, sealed: str, field: str) -> str | None:
        key = self.keys.get(subject)
        return None if key is None else open_field(key, sealed, subject, field)

    def fetch_keys(self, subjects: Sequence[UUID]) -> None:
        """All keys are at hand."""

    def new_keys(self, subjects: Sequence[UUID]) -> None:
        for subject in subjects:
            self.keys.setdefault(subject, AESGCM.generate_key(256))

    def destroy(self, subject: UUID) -> None:
        self.keys.pop(subject, None)


class PostgresVault:
    """The vault in the table ``data_keys`` of a service, used within a transaction."""

    def __init__(self, cursor: Any, ring: KeyRing) -> None:
        self._cursor = cursor
        self._ring = ring
        self._known: dict[UUID, bytes] = {}

    def seal(self, subject: UUID, text: str, field: str) -> str:
        return seal_field(self.key_of(subject), text, subject, field)

    def reveal(self, subject: UUID, sealed: str, field: str) -> str | None:
        key = self._key(subject)
        return None if key is None else open_field(key, sealed, subject, field)

    def destroy(self, subject: UUID) -> None:
        self._known.pop(subject, None)
        self._cursor.execute("DELETE FROM data_keys WHERE subject = %s", (subject,))

    def key_of(self, subject: UUID, initial: bytes | None = None) -> bytes:
        """Return the key of a subject, made at the first call (``initial``, else random)."""
        key = self._key(subject)
        if key is None:
            self._create(subject, initial or AESGCM.generate_key(256))
            key = self._key(subject)
        if key is None:
            raise RuntimeError("a data key was created and cannot be found")
        return key

    def _create(self, subject: UUID, key: bytes) -> None:
        # Two sessions may create a key at once: the first one is kept.
        self._cursor.execute(
            "INSERT INTO data_keys (subject, wrapped) VALUES (%s, %s) ON CONFLICT DO NOTHING",
            (subject, wrap(self._ring.first, key, subject.bytes)),
        )

    def _key(self, subject: UUID) -> bytes | None:
        if subject not in self._known:
            self.fetch_keys([subject])
        return self._known.get(subject)

    def fetch_keys(self, subjects: Sequence[UUID]) -> None:
        self._cursor.execute(
            "SELECT subject, wrapped FROM data_keys WHERE subject = ANY(%s)", (list(subjects),)
        )
        for row in self._cursor.fetchall():
            wrapped, subject = bytes(row["wrapped"]), row["subject"]
            self._known[subject] = unwrap(self._ring, wrapped, subject.bytes)

    def new_keys(self, subjects: Sequence[UUID]) -> None:
        self.fetch_keys(subjects)
        missing = [subject for subject in subjects if subject not in self._known]
        if not missing:
            return
        key = self._ring.first
        wrapped = [wrap(key, AESGCM.generate_key(256), subject.bytes) for subject in missing]
        self._cursor.execute(
            "INSERT INTO data_keys (subject, wrapped) SELECT * FROM unnest(%s, %s)"
            " ON CONFLICT DO NOTHING",
            (missing, wrapped),
        )
        self.fetch_keys(missing)
