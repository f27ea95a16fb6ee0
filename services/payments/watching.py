"""Waiting for payments to change: what takes a moment is shown when it is there.

One thread for all who wait in a process listens to the appends of the log, and looks at all their
payments by one query.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final, Protocol
from uuid import UUID
from weakref import WeakKeyDictionary

from services.payments.state import State
from shared.eventstore import Store
from shared.logs import get_logger

log = get_logger(__name__)

MOST: Final = 20
"""How many may wait at once: each keeps one of those who serve calls from others."""
LOOK_S: Final = 0.1
"""How often it is looked without an append: one may have come before the thread listened."""
PAUSE_S: Final = 0.04
"""The pause between two looks: all appends meanwhile are one reason for the next."""
LINGER_S: Final = 5.0
"""How long the thread listens on when nobody waits."""


class _Waiting:
    """Who waits for another state than the one that he has seen."""

    def __init__(self, seen: State) -> None:
        self.seen = seen
        self.found: State | None = None
        self.changed = threading.Event()


class Appending(Store, Protocol):
    """A store whose appends can be waited for."""

    def appends(self) -> AbstractContextManager[Callable[[float], None]]:
        """Yield what waits so many seconds at most for the next append."""
        ...


class Watch:
    """Those of a process who wait for payments to change."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[UUID, list[_Waiting]] = {}
        self._watching = False
        self._asked_at = 0.0

    def wait(self, store: Appending, payment_id: UUID, seen: State, seconds: float) -> State | None:
        """Return another state that a payment has within so many seconds.

        None if it has none, and at once if too many wait already.
        """
        one = _Waiting(seen)
        with self._lock:
            if sum(map(len, self._waiting.values())) >= MOST:
                return None
            waiting = self._waiting.setdefault(payment_id, [])
            waiting.append(one)
            self._asked_at = time.monotonic()
            if not self._watching:
                self._watching = True
                threading.Thread(
                    target=self._watch, args=(store,), name="payments watched", daemon=True
                ).start()
        try:
            one.changed.wait(seconds)
            return one.found
        finally:
            with self._lock:
                waiting.remove(one)
                if not waiting and self._waiting.get(payment_id) is waiting:
                    del self._waiting[payment_id]

    def _watch(self, store: Appending) -> None:
        try:
            with store.appends() as wait_for_append:
                while self._goes_on():
                    wait_for_append(LOOK_S)
                    self._look(store)
                    time.sleep(PAUSE_S)
        except Exception as error:  # noqa: BLE001 - logged; those who wait see what is there then
            log.warning("payments_not_watched", error=type(error).__name__)
            with self._lock:
                self._watching = False

    def _goes_on(self) -> bool:
        with self._lock:
            self._watching = bool(self._waiting) or (time.monotonic() - self._asked_at < LINGER_S)
            return self._watching

    def _look(self, store: Appending) -> None:
        with self._lock:
            wanted = list(self._waiting)
        if not wanted:
            return
        found = store.look(lambda session: session.read.states(wanted))
        with self._lock:
            for payment_id, state in found.items():
                for one in self._waiting.get(payment_id, ()):
                    if state != one.seen:
                        one.found = State(state)
                        one.changed.set()


_watches: Final[WeakKeyDictionary[Store, Watch]] = WeakKeyDictionary()


def watch_of(store: Store) -> Watch:
    """Return the watch of a store."""
    return _watches.setdefault(store, Watch())
