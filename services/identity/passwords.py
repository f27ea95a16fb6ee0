"""Hashing passwords: argon2id, away from the event loop, a few at a time.

One hash keeps a core busy for some 40 ms. In the RPC server, which eventlet has patched, that
would stop every other request, so it runs in one of eventlet's native threads; argon2 lets go of
the interpreter's lock meanwhile. As many run at once as there are cores: more would be no faster,
and each takes 19 MiB.
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

R = TypeVar("R")


class Passwords:
    """The hasher in production: argon2id with 19 MiB and two passes, as OWASP recommends."""

    def __init__(self, *, time_cost: int = 2, memory_cost: int = 19_456) -> None:
        self._argon2 = PasswordHasher(time_cost=time_cost, memory_cost=memory_cost, parallelism=1)
        self._slots = threading.BoundedSemaphore(os.cpu_count() or 1)
        # Compared with when there is no hash: an unknown person takes as long as a known one.
        self._nobody = self._argon2.hash(os.urandom(16).hex())

    def hash(self, password: str) -> str:
        """Return a salted hash to keep."""
        plain = _typed(password)
        return self._away(lambda: self._argon2.hash(plain))

    def verify(self, kept: str | None, password: str) -> bool:
        """Return whether a password is the one; with nothing kept it is not, just as slowly."""
        plain = _typed(password)
        matches = self._away(lambda: self._matches(kept or self._nobody, plain))
        return matches and kept is not None

    def outdated(self, kept: str) -> bool:
        """Return whether a hash was made with weaker parameters than today's."""
        return self._argon2.check_needs_rehash(kept)

    def _matches(self, kept: str, plain: bytes) -> bool:
        try:
            return self._argon2.verify(kept, plain)
        except VerifyMismatchError:
            # Alone: a kept hash that is damaged is a defect, not a wrong password.
            return False

    def _away(self, work: Callable[[], R]) -> R:
        with self._slots:
            # Never imported for its own sake: a process that did not patch must not load it.
            patcher = sys.modules.get("eventlet.patcher")
            if patcher is None or not patcher.is_monkey_patched("thread"):
                return work()
            from eventlet import tpool

            done: R = tpool.execute(work)
            return done


def _typed(password: str) -> bytes:
    # The same key presses give composed letters on one machine and decomposed ones on another.
    return unicodedata.normalize("NFKC", password).encode()
