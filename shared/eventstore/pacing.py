"""Pacing: a bulk append waits for those who carry the log to others.

A log is read in its order. What is appended faster than it is published therefore holds up whatever
is appended after it: a payment would arrive behind all bills. So a bulk append goes on only while
little is left to publish, and while Saldo's own readers, of which the relay knows, are not behind.
Order, positions and contracts stay what they are.

Nobody waits for a relay that is not there or gets nowhere: what is appended is published later.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol

from shared.eventstore.recorder import PostgresRecorder
from shared.logs import get_logger

log = get_logger(__name__)

AHEAD = 500
"""Events that may be left to publish when more are appended: well below a second's work."""
AT_ONCE = 500
"""Events to append at once, about: none of them is published before all are committed."""
STUCK_S = 10.0
"""How long is waited for a relay that publishes nothing."""
LONGEST_S = 60.0
"""How long is waited at once, whatever the reason: a bulk append always comes to its end."""
TOLD_S = 1.0
POLL_S = 0.02

_LOOK = """
SELECT relay.position, coalesce((SELECT max(notification_id) FROM events), 0) AS head,
       hashtextextended(%(relay)s, 0) = ANY (held.keys) AS led,
       hashtextextended(%(crowded)s, 0) = ANY (held.keys) AS crowded
  FROM relay, (SELECT array(
         SELECT classid::bigint << 32 | objid::bigint FROM pg_locks
          WHERE locktype = 'advisory' AND granted AND objsubid = 1
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
       ) AS keys) AS held
"""


class Log(Protocol):
    """What a pacing needs of a store."""

    @property
    def recorder(self) -> PostgresRecorder:
        """The recorder of the log."""
        ...

    def transaction(self) -> AbstractContextManager[Any]:
        """Return a transaction; yields its cursor."""
        ...


class _State(NamedTuple):
    position: int
    head: int
    led: bool
    crowded: bool

    @property
    def owed(self) -> int:
        return self.head - self.position

    @property
    def is_behind(self) -> bool:
        return self.owed > AHEAD or self.crowded


class Pacing:
    """Lets one bulk append wait.

    ``tell`` is called at the first wait that has become long. ``waited`` are the seconds so far;
    ``gave_up`` says that it went on though the relay did not run, or did not get on.
    """

    def __init__(self, store: Log, tell: Callable[[], None] | None = None) -> None:
        self._store = store
        self._tell = tell
        self._names = {
            "relay": f"{store.recorder.service}.relay",
            "crowded": store.recorder.crowded,
        }
        self._was_led = False
        self._stuck_at: int | None = None
        self.waited = 0.0
        self.gave_up = False

    def is_followed(self) -> bool:
        """Return whether a relay runs, so that little is to be appended at a time."""
        return self._look().led

    def wait(self) -> None:
        """Wait until more may be appended."""
        began = time.monotonic()
        self._wait(began)
        self.waited += time.monotonic() - began

    def _wait(self, began: float) -> None:
        moved_at, position = began, -1
        while (state := self._look()).is_behind:
            now = time.monotonic()
            if state.position == self._stuck_at:
                return
            if state.position != position or state.owed <= AHEAD:
                # In the second case its readers are behind: it says so while they get on.
                moved_at, position = now, state.position
            if not (state.led or self._was_led):
                self._give_up(state, "no_relay")
                return
            if now - moved_at >= STUCK_S:
                self._give_up(state, "relay_stuck")
                return
            if now - began >= LONGEST_S:
                return
            if now - began >= TOLD_S and self._tell is not None:
                self._tell()
                self._tell = None
            time.sleep(POLL_S)
        self._stuck_at = None

    def _give_up(self, state: _State, reason: str) -> None:
        if not self.gave_up:
            log.warning("bulk_append_not_paced", reason=reason, unpublished=state.owed)
        self._stuck_at = state.position
        self.gave_up = True

    def _look(self) -> _State:
        with self._store.transaction() as cursor:
            state = _State(**cursor.execute(_LOOK, self._names).fetchone())
        self._was_led = self._was_led or state.led
        return state
