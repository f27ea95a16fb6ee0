"""Crypto-shredding: personal data is stored encrypted under a key of its subject.

An event cannot be changed, but it can become unreadable: destroying the subject's key erases the
data from every event, backup and replay, and leaves all amounts intact. Data keys are
AES-256-GCM keys, themselves wrapped under a key of the service, in the table ``data_keys``.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE = 12


def seal_with(key: bytes, text: str, subject: bytes) -> str:
    """Encrypt a text under a 32-byte key, bound to its subject."""
    nonce = secrets.token_bytes(_NONCE)
    sealed = nonce + AESGCM(key).encrypt(nonce, text.encode(), subject)
    return base64.urlsafe_b64encode(sealed).decode()


def open_with(key: bytes, sealed: str, subject: bytes) -> str:
    """Decrypt the result of seal_with; raises cryptography.exceptions.InvalidTag if altered."""
    raw = base64.urlsafe_b64decode(sealed)
    return AESGCM(key).decrypt(raw[:_NONCE], raw[_NONCE:], subject).decode()


class MemoryVault:
    """The vault for unit tests: the same encryption, with keys in a dictionary."""

    def __init__(self) -> None:
        self.keys: dict[UUID, bytes] = {}

    def seal(self, subject: UUID, text: str) -> str:
        key = self.keys.setdefault(subject, AESGCM.generate_key(256))
        return seal_with(key, text, subject.bytes)

    def reveal(self, subject: UUID, sealed: str) -> str | None:
        key = self.keys.get(subject)
        return None if key is None else open_with(key, sealed, subject.bytes)

    def fetch_keys(self, subjects: Sequence[UUID]) -> None:
        """All keys are at hand."""

    def destroy(self, subject: UUID) -> None:
        self.keys.pop(subject, None)


class PostgresVault:
    """The vault in the table ``data_keys`` of a service, used within a transaction."""

    def __init__(self, cursor: Any, wrapping_key: bytes) -> None:
        self._cursor = cursor
        self._wrapping = AESGCM(wrapping_key)
        self._known: dict[UUID, bytes] = {}

    def seal(self, subject: UUID, text: str) -> str:
        key = self._key(subject)
        if key is None:
            self._create(subject)
            key = self._key(subject)
        if key is None:
            raise RuntimeError("a data key was created and cannot be found")
        return seal_with(key, text, subject.bytes)

    def reveal(self, subject: UUID, sealed: str) -> str | None:
        key = self._key(subject)
        return None if key is None else open_with(key, sealed, subject.bytes)

    def destroy(self, subject: UUID) -> None:
        self._known.pop(subject, None)
        self._cursor.execute("DELETE FROM data_keys WHERE subject = %s", (subject,))

    def _create(self, subject: UUID) -> None:
        # Two sessions may create a key at once: the first one is kept.
        nonce = secrets.token_bytes(_NONCE)
        wrapped = self._wrapping.encrypt(nonce, AESGCM.generate_key(256), subject.bytes)
        self._cursor.execute(
            "INSERT INTO data_keys (subject, wrapped) VALUES (%s, %s) ON CONFLICT DO NOTHING",
            (subject, nonce + wrapped),
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
            self._known[subject] = self._wrapping.decrypt(
                wrapped[:_NONCE], wrapped[_NONCE:], subject.bytes
            )
