"""Liveness of a leader: a process that is stopped, not ended, must not keep what it leads.

PostgreSQL releases the lock of a process that has died. One that was stopped (SIGSTOP, a frozen
machine) keeps its connections, and so its lock. A leader therefore beats on the connection that
holds its lock, unless it has just used that for its work; a standby ends that connection when it
has been silent for too long. A leader that wakes up later finds its connection ended, and what it
writes is refused for its old term.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event as StopSignal
from threading import Thread
from typing import Any

import psycopg

from shared import telemetry
from shared.database import BoundedConnection
from shared.logs import get_logger

log = get_logger(__name__)

BEAT_S = 1.2
"""How long the connection may be unused. Idle leaders look for work once a second, and so do not
beat."""
SILENT_S = 2.5
"""How long a leader may be silent before a standby takes its place."""

JOIN_S = 0.7
"""How long the end of the lead waits for a beat that is under way."""

_SILENT = """
SELECT holder.pid, pg_terminate_backend(holder.pid, 1000) FROM pg_locks AS lock
  JOIN pg_stat_activity AS holder USING (pid),
       (SELECT hashtextextended(%(lock)s, 0) AS key) AS wanted
 WHERE lock.locktype = 'advisory' AND lock.granted AND lock.objsubid = 1
   AND lock.database = (SELECT oid FROM pg_database WHERE datname = current_database())
   AND lock.classid = ((wanted.key >> 32) & 4294967295)::oid
   AND lock.objid = (wanted.key & 4294967295)::oid
   AND holder.usename = current_user AND holder.wait_event_type = 'Client'
   AND holder.state_change < clock_timestamp() - make_interval(secs => %(silent)s)
"""
_LEFT_OPEN = """
SELECT other.pid, pg_terminate_backend(other.pid, 1000)
  FROM positions JOIN pg_stat_activity AS other ON other.backend_xid = positions.xmax
 WHERE positions.upstream = %s AND other.usename = current_user
   AND other.pid <> pg_backend_pid() AND other.wait_event_type = 'Client'
"""


@contextmanager
def beating(connection: BoundedConnection[Any]) -> Iterator[None]:
    """Show on a connection, during the block, that this process runs.

    Nothing lasting, such as COPY, is to be done on the connection.
    """
    ended = StopSignal()
    thread = Thread(target=_beat, args=(connection, ended), name="beat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(JOIN_S)


def evict_silent(connection: psycopg.Connection[Any], lock: str, silent: float = SILENT_S) -> bool:
    """End the connection that holds an advisory lock and has been silent; return whether one was.

    The lock is free once that connection's server process has ended.
    """
    row = connection.execute(_SILENT, {"lock": lock, "silent": silent}).fetchone()
    if row is None:
        return False
    log.warning("silent_leader_evicted", lock=lock, pid=row["pid"])
    telemetry.LEADERS_EVICTED.labels(lock).inc()
    return True


def end_transactions_of_others(connection: psycopg.Connection[Any], upstream: str) -> None:
    """End the transaction in which another process holds the position of a reader, if any.

    For a leader that has just taken over: a stopped process may have left it open.
    """
    rows = connection.execute(_LEFT_OPEN, (upstream,)).fetchall()
    for row in rows:
        log.warning("abandoned_transaction_ended", upstream=upstream, pid=row["pid"])


def _beat(connection: BoundedConnection[Any], ended: StopSignal) -> None:
    while not ended.wait(max(0.0, _due_in(connection))):
        try:
            with connection.undivided:
                if _due_in(connection) > 0:
                    continue  # it was used meanwhile
                connection.execute("SELECT 1")
        except psycopg.errors.InFailedSqlTransaction:
            continue  # it was heard; a statement of the leader has failed, which it handles itself
        except psycopg.Error as error:
            # The leader meets the same error when it uses its connection.
            log.info("leader_does_not_beat", error=type(error).__name__)
            return


def _due_in(connection: BoundedConnection[Any]) -> float:
    return connection.used_at + BEAT_S - time.monotonic()
