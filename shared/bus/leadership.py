"""Work that one process at a time does for a service: whoever holds its advisory lock.

PostgreSQL releases the lock when the connection ends, for whatever reason; another process that
waits for it then goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Event as StopSignal
from typing import Any

import psycopg
from psycopg.rows import dict_row

from shared.config import Settings
from shared.database import connection_info

POLL_S = 1.0
_TRY_LOCK = "SELECT pg_try_advisory_lock(hashtextextended(%s, 0)) AS mine"


def lead(
    settings: Settings,
    service: str,
    task: str,
    stop: StopSignal,
    work: Callable[[psycopg.Connection[Any]], None],
) -> None:
    """Wait for the lock ``<service>.<task>`` and work on the connection that holds it.

    Returns when the work does, or on stop; raises when the database is lost.
    """
    info = connection_info(settings.database_url_of(service), service, statement_timeout_ms=0)
    lead_on(info, f"{service}.{task}", stop, work)


def lead_on(
    info: str, lock: str, stop: StopSignal, work: Callable[[psycopg.Connection[Any]], None]
) -> None:
    """Do as `lead` does on a connection by this connection string, with this lock."""
    with psycopg.connect(info, autocommit=True, row_factory=dict_row) as database:
        while not stop.is_set():
            row = database.execute(_TRY_LOCK, (lock,)).fetchone()
            if row and row["mine"]:
                work(database)
                return
            stop.wait(POLL_S)
