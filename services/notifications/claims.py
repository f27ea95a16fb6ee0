"""The claims that this process holds: renewed while it works, so that they end with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from uuid import UUID

from services.notifications import application
from shared.bus import Services

#: Seconds between renewals, several within a lease.
RENEWED_EVERY = application.LEASE.total_seconds() / 6


class Claims:
    """The claims of all connections of a process. Thread-safe."""

    def __init__(self) -> None:
        self._held: set[UUID] = set()
        self._lock = Lock()

    @contextmanager
    def held(self, claim: UUID) -> Iterator[None]:
        """Keep a claim from ending during a block."""
        with self._lock:
            self._held.add(claim)
        try:
            yield
        finally:
            with self._lock:
                self._held.discard(claim)

    def renew(self, services: Services) -> int:
        """Let the claims last longer; return how many letters they hold."""
        with self._lock:
            held = list(self._held)
        if not held:
            return 0
        renewed: int = services.store.transact(application.renew_claims, held)
        return renewed
