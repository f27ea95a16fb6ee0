"""Pinned connections: a group commit keeps one per stage for as long as it has work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg_pool import ConnectionPool

from shared.database import trusted_connection
from shared.database_clock import read_time
from shared.eventstore.batch_decision import Stage


class PinnedConnections:
    """Connections of a pool in autocommit mode, one for each stage.

    Under load a stage keeps the connection that it has. A broken one is returned at once and
    replaced. One that has worked within the last second is not asked whether it is alive: where it
    is not, what is decided or written by it is done again.
    """

    def __init__(self, pool: ConnectionPool[Any]) -> None:
        self._pool = pool
        self._pinned: dict[Stage, Any] = {}

    @contextmanager
    def of(self, stage: Stage) -> Iterator[Any]:
        """Lend the connection of a stage to the leader of that stage."""
        connection = self._pinned.pop(stage, None)
        if connection is None:
            connection = trusted_connection(self._pool)
        try:
            connection.autocommit = True
            read_time(connection)
            yield connection
        except psycopg.errors.ReadOnlySqlTransaction:
            connection.close()  # its server is not the one to write to any more
            self._pool.putconn(connection)
            raise
        except BaseException:
            self._put(connection)
            raise
        self._pinned[stage] = connection

    def hand_over(self, giver: Stage, taker: Stage) -> None:
        """Move the connection of an idle stage to another that has none."""
        if taker not in self._pinned and giver in self._pinned:
            self._pinned[taker] = self._pinned.pop(giver)

    def release(self, stage: Stage) -> None:
        """Return the connection of a stage to the pool."""
        connection = self._pinned.pop(stage, None)
        if connection is not None:
            self._put(connection)

    def _put(self, connection: Any) -> None:
        try:
            connection.rollback()
            connection.autocommit = False
        except psycopg.Error:
            connection.close()  # the pool replaces it
        self._pool.putconn(connection)
