"""Key rings: the secrets of one principal, of which the first seals and all open.

A ring is written ``id:hex[,id:hex...]``, in a file also one key a line. A file is read again when
it has changed, so a key can be added or dropped while everything runs: whoever meets an id that he
does not know looks into the file at once, everybody else within a second.
"""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

log = logging.getLogger(__name__)

MASTER = "master"
"""The id of SALDO_SECRET, and of whatever was stored before keys had ids."""
MIN_SECRET = 32
"""Bytes."""
CHECK_SECONDS = 1.0
"""How often a file is looked at; a look takes microseconds."""

_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")


class KeyRingError(ValueError):
    """A ring that cannot be read; the text does not quote it."""


class UnknownKeyError(LookupError):
    """Something was sealed under a key that is not in the ring."""


@dataclass(frozen=True)
class Key:
    """A secret and its id; derived keys have 32 bytes."""

    id: str
    secret: bytes = field(repr=False)


Keys = tuple[Key, ...]


def parse_ring(text: str) -> Keys:
    """Return the keys of a ring; raises KeyRingError."""
    lines = (line.partition("#")[0] for line in text.splitlines())
    keys = tuple(map(_key, filter(None, re.split(r"[\s,]+", " ".join(lines)))))
    if not keys:
        raise KeyRingError("has no key")
    if len({key.id for key in keys}) < len(keys):
        raise KeyRingError("has two keys with the same id")
    return keys


def read_ring(path: Path) -> str:
    """Return the text of a file of keys; comments may be in any encoding."""
    return path.read_text(encoding="ascii", errors="surrogateescape")


def format_ring(keys: Iterable[Key]) -> str:
    """Return the text of a file with these keys, one a line."""
    return "".join(f"{key.id}:{key.secret.hex()}\n" for key in keys)


def _key(text: str) -> Key:
    id_, colon, digits = text.partition(":")
    if not colon or not _ID.fullmatch(id_):
        raise KeyRingError("is not id:hex[,id:hex...]; an id has a-z, 0-9 and -, as 2026-11-28")
    try:
        secret = bytes.fromhex(digits)
    except ValueError:
        secret = b""
    if len(secret) < MIN_SECRET:
        raise KeyRingError(f"needs at least {2 * MIN_SECRET} hexadecimal digits after {id_}:")
    return Key(id_, secret)


class KeyFile:
    """The ring in a file, read again when the file has changed.

    A file that cannot be read any more is logged, and the keys that were read last stay in use.
    """

    def __init__(self, path: Path) -> None:
        """Read the file; raises KeyRingError."""
        self.path = path
        self._stamp: tuple[int, ...] = ()
        self._looked_at = 0.0
        self._keys: Keys = ()
        try:
            self._read()
        except OSError as error:
            raise KeyRingError(f"names {path}, which cannot be read: {error.strerror}") from None

    def current(self) -> Keys:
        """Return the keys, at most a second old."""
        if time.monotonic() - self._looked_at >= CHECK_SECONDS:
            self.look()
        return self._keys

    def look(self) -> bool:
        """Read the file if it has changed; return whether the keys have."""
        before = self._keys
        try:
            if self._stamp_of_file() != self._stamp:
                self._read()
        except (OSError, KeyRingError) as error:
            self._looked_at = time.monotonic()
            log.warning(
                "key_ring_unreadable: restore %s (%s); the keys that it had stay in use",
                self.path,
                type(error).__name__,
            )
        return self._keys != before

    def _read(self) -> None:
        stamp = self._stamp_of_file()
        self._keys = parse_ring(read_ring(self.path))
        self._stamp = stamp

    def _stamp_of_file(self) -> tuple[int, ...]:
        self._looked_at = time.monotonic()
        found = os.stat(self.path)
        return found.st_ino, found.st_size, found.st_mtime_ns


class GivenKeys:
    """The keys of a ring that is a value and cannot change."""

    def __init__(self, keys: Iterable[Key]) -> None:
        self._keys = tuple(keys)

    def current(self) -> Keys:
        """Return the keys."""
        return self._keys

    def look(self) -> bool:
        """Return False: there is nothing to look at."""
        return False


class KeyRing:
    """The keys of one purpose, derived from the secrets of a principal (HKDF-SHA256)."""

    def __init__(
        self,
        info: str,
        sources: Iterable[KeyFile | GivenKeys],
        missing: Callable[[], Exception] = lambda: KeyRingError("there is no key"),
    ) -> None:
        self._info = info.encode()
        self._sources = tuple(sources)
        self._missing = missing

    @property
    def first(self) -> Key:
        """Return the key that seals."""
        return next(iter(self))

    def __iter__(self) -> Iterator[Key]:
        seen: set[str] = set()
        for source in self._sources:
            for key in source.current():
                if key.id not in seen:
                    seen.add(key.id)
                    yield Key(key.id, _derived(key.secret, self._info))
        if not seen:
            raise self._missing()

    def find(self, id_: str) -> Key:
        """Return a key by its id; raises UnknownKeyError."""
        found = self._of(id_) or (self._of(id_) if self.look() else None)
        if found is None:
            raise UnknownKeyError(f"the key {id_} is not in the ring any more, or not yet")
        return found

    def _of(self, id_: str) -> Key | None:
        return next((key for key in self if key.id == id_), None)

    def look(self) -> bool:
        """Read changed files now; return whether the ring has changed."""
        changed = [source.look() for source in self._sources]  # all of them
        return any(changed)


@lru_cache(maxsize=256)
def _derived(secret: bytes, info: bytes) -> bytes:
    # Kept: each page needs two keys, and deriving them takes longer than using them.
    # Not at the top: whoever only reads settings, as most staff verbs do, would wait for it.
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(secret)
