"""Hashing passwords with argon2id, outside the event loop.

One hash keeps a core busy for some 40 ms. In the RPC server, which eventlet has patched, that
would block every other request, so it runs in one of eventlet's native threads, without the
interpreter's lock. One hash per core runs at a time: more would be no faster, at 19 MiB each.
"""

from __future__ import annotations

import os
import sys
import threading
import unicodedata
from collections.abc import Callable
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from services.identity.stretching import MEMORY_COST, TIME_COST, new_recipe, stretched

R = TypeVar("R")


class Passwords:
    """Hashes and verifies passwords; by default with 19 MiB and two passes, as OWASP recommends."""

    def __init__(self, *, time_cost: int = TIME_COST, memory_cost: int = MEMORY_COST) -> None:
        self._costs = (time_cost, memory_cost)
        self._argon2 = PasswordHasher(time_cost=time_cost, memory_cost=memory_cost, parallelism=1)
        self._slots = threading.BoundedSemaphore(os.cpu_count() or 1)
        # Verified if there is no hash, so that an unknown person takes as long as a known one.
        self._dummy_hash = self._argon2.hash(os.urandom(16).hex())

    def hash(self, password: str) -> str:
        """Return the salted hash of a password."""
        plain = _normalised(password)
        return self._outside_event_loop(lambda: self._argon2.hash(plain))

    def verify(self, stored_hash: str | None, password: str) -> bool:
        """Return whether a password matches; without a hash it does not, just as slowly."""
        plain = _normalised(password)
        matches = self._outside_event_loop(
            lambda: self._matches(stored_hash or self._dummy_hash, plain)
        )
        return matches and stored_hash is not None

    def outdated(self, stored_hash: str) -> bool:
        """Return whether a hash has weaker parameters than these."""
        return self._argon2.check_needs_rehash(stored_hash)

    def new_recipe(self) -> str:
        """Return how digests of codes that are issued now are stretched."""
        return new_recipe(*self._costs)

    def stretched(self, digest: bytes, recipe: str) -> bytes:
        """Return the digest of a short code as it is stored."""
        return self._outside_event_loop(lambda: stretched(digest, recipe))

    def _matches(self, stored_hash: str, plain: bytes) -> bool:
        try:
            return self._argon2.verify(stored_hash, plain)
        except VerifyMismatchError:
            # No other error: a damaged hash is a defect, not a wrong password.
            return False

    def _outside_event_loop(self, work: Callable[[], R]) -> R:
        with self._slots:
            # It is only looked up: a process that is not patched must not load eventlet.
            patcher = sys.modules.get("eventlet.patcher")
            if patcher is None or not patcher.is_monkey_patched("thread"):
                return work()
            from eventlet import tpool

            done: R = tpool.execute(work)
            return done


def _normalised(password: str) -> bytes:
    # The same keys give composed letters on one machine and decomposed ones on another.
    return unicodedata.normalize("NFKC", password).encode()
