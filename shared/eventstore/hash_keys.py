"""Keys of keyed hashes: digests that are looked up or compared, but never read back.

A digest cannot be made anew under another key, since nobody has what it was made of. So the key of
each purpose is made once and kept in the table ``hash_keys``, wrapped as data keys are: a change of
the service's secret wraps it anew, and every digest is compared as before.
"""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared.config import Settings
from shared.keys import MASTER
from shared.privacy import unwrap, wrap

_FIND = "SELECT wrapped FROM hash_keys WHERE purpose = %s"
_KEEP = "INSERT INTO hash_keys (purpose, wrapped) VALUES (%s, %s) ON CONFLICT DO NOTHING"


class HashKeys:
    """The keys of keyed hashes of one service, each read once."""

    def __init__(self, settings: Settings, service: str) -> None:
        self._settings = settings
        self._service = service
        self._ring = settings.keys_of(service, "data-keys")
        self._known: dict[str, bytes] = {}

    def known(self, purpose: str) -> bytes | None:
        """Return a key that was read before."""
        return self._known.get(purpose)

    def fetch(self, cursor: Any, purpose: str) -> bytes:
        """Read a key, or make it, in a transaction of its own."""
        row = cursor.execute(_FIND, (purpose,)).fetchone()
        if row is None:
            # Two processes may make a key at once: the first one is kept.
            made = wrap(self._ring.first, self._initial(purpose), purpose.encode())
            cursor.execute(_KEEP, (purpose, made))
            row = cursor.execute(_FIND, (purpose,)).fetchone()
        key = unwrap(self._ring, bytes(row["wrapped"]), purpose.encode())
        self._known[purpose] = key
        return key

    def _initial(self, purpose: str) -> bytes:
        """Return the key that was derived from SALDO_SECRET, if there is one, else a random one."""
        ring = self._settings.keys_of(self._service, purpose)
        derived = (key.secret for key in ring if key.id == MASTER)
        return next(derived, None) or AESGCM.generate_key(256)
