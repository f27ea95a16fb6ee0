"""The database's clock: the one clock that all processes of a service have in common.

What one process notes down and another one compares (claims, leases, the lives of sessions and
codes, the times of polls) must come from one clock: those of machines differ, and jump. A process
reads the time of the database with what it asks of it anyway, once in a second at most, and goes on
from there by its machine's uptime, which nobody sets.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

import psycopg
from psycopg.rows import tuple_row

from shared import distant_clock
from shared.connection_modes import set_mode, set_mode_back
from shared.distant_clock import DistantClock
from shared.logs import get_logger

log = get_logger(__name__)

READ_EVERY: Final = timedelta(seconds=1)
"""For so long the time is told by the machine's uptime, before it is read again."""


class DatabaseClock(DistantClock):
    """The database's clock, as far as a process knows it; before it has read it, the machine's.

    ``read`` has it read by some connection that it is attached to: it is called where the time is
    wanted before anything was asked of the database.
    """

    def __init__(self, zone: str, read: Callable[[], object]) -> None:
        super().__init__(zone)
        self._read = read
        self._asked: timedelta | None = None
        """The uptime at which the database was asked last."""

    def now(self) -> datetime:
        if self._booted_at is None:
            try:
                self._read()
            except psycopg.Error as error:
                log.warning("database_time_unknown", error=type(error).__name__)
        return super().now()

    @property
    def is_due(self) -> bool:
        """Whether the time is to be read again, with the next statement."""
        asked = self._asked
        return (
            self._booted_at is None or asked is None or distant_clock.uptime() - asked >= READ_EVERY
        )

    def attach(self, connection: Any) -> None:
        """Have the time read by a new connection: it may be to another server."""
        connection.clock = self
        self._asked = None

    def ask(self, connection: Any) -> Callable[[], None]:
        """Ask for the time; what is returned takes the reply, and must be called once it is there.

        So the question can travel with others, in a pipeline.
        """
        asked = self._asked = distant_clock.uptime()
        cursor = connection.cursor(row_factory=tuple_row)
        cursor.execute("SELECT clock_timestamp()")

        def take() -> None:
            with cursor:
                [at] = cursor.fetchone()
            self.learn(at, asked, distant_clock.uptime())

        return take


def clock_due(connection: Any) -> DatabaseClock | None:
    """Return the clock of a connection if it is to read the time of the server with its next
    statement."""
    clock: DatabaseClock | None = connection.clock
    return clock if clock is not None and clock.is_due else None


def read_time(connection: Any) -> bool:
    """Read the time of the server by an idle connection, if that is due; return whether it was."""
    clock = clock_due(connection)
    if clock is None:
        return False
    before = set_mode(connection, {"autocommit": True})
    try:
        clock.ask(connection)()
    finally:
        set_mode_back(connection, before)
    return True
