"""How the relay learns of appends: they notify it, or while many come it is awake and looks itself.

A notification is part of the commit of an append, and takes a lock of the whole database cluster:
with a dozen connections it halves the commits of a second. So while appends follow each other the
relay holds the lock `awake`, which tells them not to notify, and reads the log every few
milliseconds. The lock ends with its connection: without a relay appends notify again.
"""

from __future__ import annotations

import time
from collections import deque
from typing import Any

from psycopg import sql

from shared.eventstore.recorder import PostgresRecorder

POLL_S = 1.0
"""How often the log is read without a notification: one may be lost."""
AWAKE_POLL_S = 0.004
BUSY, BUSY_S = 200, 1.0
"""So many events to publish in so many seconds keep the relay awake. Below that a notification for
each append costs less than to read the log every few milliseconds."""
FREQUENT, FREQUENT_S = 5, 0.5
"""From so many events in so many seconds on, what follows a notification is gathered."""
GATHER_S = 0.02
"""For so long: those who read and send each window, and those who react to it, do so for the next
append as well. Whoever pays alone is not held up."""

_TAKE = "SELECT pg_try_advisory_lock(hashtextextended(%s, 0)) AS taken"
_RELEASE = """
SELECT CASE WHEN pg_try_advisory_xact_lock(hashtextextended(%s, 0))
            THEN pg_advisory_unlock(hashtextextended(%s, 0)) END AS released
"""


class Waking:
    """Waits for appends to a log, on the connection that leads its relay."""

    def __init__(self, connection: Any, recorder: PostgresRecorder) -> None:
        self._connection = connection
        self._channel = recorder.channel
        channel = sql.Identifier(self._channel)
        self._listen = sql.SQL("LISTEN {}").format(channel)
        self._unlisten = sql.SQL("UNLISTEN {}").format(channel)
        self._lock, self._append_lock = recorder.awake, recorder.lock_name
        self._found: deque[float] = deque(maxlen=BUSY)
        self.awake = False
        connection.execute(self._listen)

    def wait(self, found: int, at_most: float = POLL_S) -> None:
        """Return when the log is to be read again; ``found``: what was published just now."""
        now = time.monotonic()
        self._found.extend([now] * min(found, BUSY))
        if self.awake:
            self._look_again(found, now)
        elif len(self._found) == BUSY and now - self._found[0] < BUSY_S:
            self._wake()
        else:
            # All that have arrived are one reason to read the log.
            woken = self._take_notifications(at_most)
            if woken and self._are_frequent():
                time.sleep(GATHER_S)
                self._take_notifications(0.0)

    def _take_notifications(self, at_most: float) -> bool:
        """Wait for notifications, take those that there are; return whether there were any."""
        return bool(deque(self._connection.notifies(timeout=at_most, stop_after=1), maxlen=1))

    def _are_frequent(self) -> bool:
        return (
            len(self._found) >= FREQUENT and time.monotonic() - self._found[-FREQUENT] < FREQUENT_S
        )

    def _look_again(self, found: int, now: float) -> None:
        if found:
            # For the others who listen: once for all that was appended meanwhile.
            self._connection.execute("SELECT pg_notify(%s, '')", (self._channel,))
        if now - self._found[-1] >= BUSY_S:
            self._fall_asleep()
        if self.awake:
            time.sleep(AWAKE_POLL_S)

    def _fall_asleep(self) -> None:
        """Fall asleep, unless an append is under way, which would notify nobody: then later."""
        locks = (self._append_lock, self._lock)
        row = self._connection.execute(_RELEASE, locks).fetchone()
        self.awake = row is None or row["released"] is None
        if not self.awake:
            self._found.clear()
            # The log is read once more after this: it has what was committed before.
            self._connection.execute(self._listen)

    def _wake(self) -> None:
        """Become awake, unless an append is about to notify: then with the next one."""
        row = self._connection.execute(_TAKE, (self._lock,)).fetchone()
        self.awake = bool(row and row["taken"])
        if self.awake:
            # Nobody would take its own notifications, which are kept until somebody does.
            self._connection.execute(self._unlisten)
